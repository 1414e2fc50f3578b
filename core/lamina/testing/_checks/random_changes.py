"""Random changes to a tree that can be repeated in another one."""

from __future__ import annotations

import functools
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

Change = Callable[[Path], object]
"""Makes a change below a root."""

COUNT: Final = 40
MODES: Final = (0o700, 0o755, 0o1755)
"""Modes of directories. None is sticky and writable by others: there, not even root can open the files of others
(`protected_regular` and similar settings, proc_sys_fs(5))."""


def make_random_changes(root: Path, randomness: random.Random) -> list[Change]:
    """Change a tree at random.

    Hard links and renames of directories are excluded, because overlay differs from other file systems there.

    Returns:
        The changes, which can be repeated in the same order below another root with the same content.
    """
    changes: list[Change] = []
    for _ in range(COUNT):
        change = _choose(root, randomness)
        change(root)
        changes.append(change)
    return changes


def _choose(root: Path, randomness: random.Random) -> Change:
    directories: list[str] = [""]
    others: list[str] = []
    for directory, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(directory, name)
            is_directory = os.path.isdir(path) and not os.path.islink(path)
            (directories if is_directory else others).append(os.path.relpath(path, root))
    path = os.path.join(randomness.choice(sorted(directories)), f"n{randomness.randrange(5)}")
    choices: list[Change] = [
        functools.partial(_replace_by_file, path=path, data=randomness.randbytes(randomness.randrange(5000))),
        functools.partial(_replace_by_file, path=path, data=randomness.randbytes(randomness.randrange(50))),
        functools.partial(_replace_by_directory, path=path),
        functools.partial(_replace_by_directory, path=path),
        functools.partial(_replace_by_link, path=path, target=f"n{randomness.randrange(5)}"),
        functools.partial(_remove, path=path),
    ]
    if others:
        one = randomness.choice(sorted(others))
        choices += [
            functools.partial(_remove, path=one),
            functools.partial(_rename, path=one, to=path),
            functools.partial(_chown, path=one, uid=randomness.randrange(100)),
            functools.partial(_append, path=one, data=randomness.randbytes(10)),
        ]
    one = randomness.choice(sorted(directories))
    choices += [
        functools.partial(_chown, path=one, uid=randomness.randrange(100)),
        functools.partial(_chmod, path=one, mode=randomness.choice(MODES)),
        functools.partial(_set_attribute, path=one, value=randomness.randbytes(5)),
    ]
    return randomness.choice(choices)


def _remove(root: Path, path: str) -> None:
    place = root / path
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _replace_by_file(root: Path, path: str, data: bytes) -> None:
    place = root / path
    if not place.is_file() or place.is_symlink():
        _remove(root, path)
    place.write_bytes(data)


def _replace_by_directory(root: Path, path: str) -> None:
    _remove(root, path)
    (root / path).mkdir()


def _replace_by_link(root: Path, path: str, target: str) -> None:
    _remove(root, path)
    (root / path).symlink_to(target)


def _rename(root: Path, path: str, to: str) -> None:
    place = root / to
    if place.is_dir() and not place.is_symlink():
        return
    (root / path).rename(place)


def _append(root: Path, path: str, data: bytes) -> None:
    place = root / path
    if place.is_file() and not place.is_symlink():
        with place.open("ab") as file:
            file.write(data)


def _chown(root: Path, path: str, uid: int) -> None:
    os.chown(root / path, uid, uid, follow_symlinks=False)


def _chmod(root: Path, path: str, mode: int) -> None:
    (root / path).chmod(mode)


def _set_attribute(root: Path, path: str, value: bytes) -> None:
    os.setxattr(root / path, "user.random", value)
