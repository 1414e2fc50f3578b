"""A directory that nothing may touch, and what would tell that something did."""

from __future__ import annotations

import os
from pathlib import Path

import attrs


def make_watched(directory: Path) -> Path:
    """Make a directory with a file, a file that is nowhere else by that name, and a directory with a file."""
    (directory / "sub").mkdir(parents=True)
    for name in ("victim", "only-outside", "sub/inner"):
        (directory / name).write_text("as it was\n")
        os.chown(directory / name, 3, 3)
        (directory / name).chmod(0o640)
    return directory


@attrs.frozen
class Watch:
    """What a tree is, with the times at which anything in it was last changed."""

    directory: Path
    state: dict[str, object]

    @classmethod
    def begin(cls, directory: Path) -> Watch:
        """Take down what there is."""
        return cls(directory, _state(directory))

    def changes(self) -> list[str]:
        """The names of what is no longer as it was."""
        now = _state(self.directory)
        return sorted(name for name in now.keys() | self.state if now.get(name) != self.state.get(name))


def _state(directory: Path) -> dict[str, object]:
    paths = [directory, *directory.rglob("*")]
    return {str(path.relative_to(directory)): _file(path) for path in paths}


def _file(path: Path) -> object:
    status = path.lstat()
    fields = (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    return fields, content, os.listxattr(path, follow_symlinks=False)
