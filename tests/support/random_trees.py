"""Trees with files of all types, and with everything about them that a tar archive can say."""

from __future__ import annotations

import os
import random
import stat
from pathlib import Path

SECOND = 1_000_000_000


def make_tree(root: Path, choose: random.Random, *, limited: bool, devices: bool) -> None:
    """Make files of all types, with random names, owners, modes, times, attributes and holes."""
    root.mkdir()
    directories = [os.fsencode(root)]
    for number in range(25):
        path = os.path.join(choose.choice(directories), _name(choose, number, longest=20 if limited else 120))
        kind = choose.randrange(8 if devices else 6)
        if kind == 0:
            os.mkdir(path)
            directories.append(path)
        elif kind == 1:
            os.symlink(_name(choose, number, longest=90 if limited else 300), path)
        elif kind == 2 and devices:
            os.mkfifo(path)
        elif kind < 6:
            _write(path, choose, holes=not limited and kind == 5)
        else:
            os.mknod(path, choose.choice((stat.S_IFCHR, stat.S_IFBLK)), os.makedev(choose.randrange(256), number))
        _dress(path, choose, limited=limited, attributes=kind in (0, 3, 4))
    for directory in directories:
        os.utime(directory, (choose.randrange(1 << 31), choose.randrange(1 << 31)))


def _name(choose: random.Random, number: int, *, longest: int) -> bytes:
    letters = bytes(byte for byte in range(1, 256) if byte not in b"/.")
    return b"%d" % number + bytes(choose.choice(letters) for _ in range(choose.randrange(longest)))


def _write(path: bytes, choose: random.Random, *, holes: bool) -> None:
    with open(path, "wb") as file:
        file.write(choose.randbytes(choose.randrange(1500)))
        for _ in range(choose.randrange(60) if holes else 0):
            file.seek(choose.randrange(1 << 16, 1 << 20), os.SEEK_CUR)
            file.write(choose.randbytes(choose.randrange(1, 5000)))
        if holes:
            file.truncate(file.tell() + choose.randrange(1 << 20))


def _dress(path: bytes, choose: random.Random, *, limited: bool, attributes: bool) -> None:
    largest = 1 << 20 if limited else (1 << 32) - 2
    os.chown(path, choose.randint(0, largest), choose.randint(0, largest), follow_symlinks=False)
    if not os.path.islink(path):
        os.chmod(path, choose.randrange(0o10000))
    if attributes:
        os.setxattr(path, "user.some", choose.randbytes(choose.randrange(200)))
        os.setxattr(path, "trusted.empty", b"")
    earliest = 0 if limited else -(1 << 31)
    times = choose.randrange(earliest * SECOND, (1 << 33) * SECOND), choose.randrange(SECOND)
    os.utime(path, ns=(times[1], times[0]), follow_symlinks=False)
