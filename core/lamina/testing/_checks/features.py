"""Features of file trees. Each function creates examples of one below a directory."""

from __future__ import annotations

import os
import random
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lamina.fs import opened

SECOND: Final = 1_000_000_000

FILE_CAPABILITY: Final = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
"""`security.capability` that permits CAP_NET_BIND_SERVICE, effective (linux/capability.h, vfs_cap_data)."""
ACL: Final = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, who)
    for tag, permissions, who in (
        (0x01, 6, 0xFFFFFFFF),  # the owner
        (0x02, 4, 1000),  # user 1000
        (0x04, 4, 0xFFFFFFFF),  # the group
        (0x10, 4, 0xFFFFFFFF),  # the mask
        (0x20, 4, 0xFFFFFFFF),  # others
    )
)
"""`system.posix_acl_access` (linux/posix_acl_xattr.h) with which user 1000 may read."""


def contents(root: Path) -> None:
    """Create files of different sizes, including empty ones."""
    for size in (0, 1, 4095, 4096, 4097, 3_000_000):
        (root / f"{size} bytes").write_bytes(random.Random(size).randbytes(size))  # noqa: S311 - test data


def deep_directories(root: Path) -> None:
    """Create deeply nested and empty directories."""
    deepest = root.joinpath(*(f"d{number}" for number in range(40)))
    deepest.mkdir(parents=True)
    (deepest / "leaf").write_text("deep")
    (root / "empty").mkdir()


def modes(root: Path) -> None:
    """Set all mode bits, including setuid, setgid and sticky."""
    for mode in (0o0, 0o400, 0o644, 0o755, 0o1777, 0o2755, 0o4755, 0o6711, 0o7777):
        (root / f"file {mode:o}").touch()
        (root / f"file {mode:o}").chmod(mode)
        (root / f"directory {mode:o}").mkdir()
        (root / f"directory {mode:o}").chmod(mode)


def owners(root: Path) -> None:
    """Set owners of files, links and directories, up to the largest ids."""
    for uid, gid in ((0, 1), (1, 0), (1000, 2000), (4_294_967_294, 4_294_967_294)):
        (root / f"file {uid}").touch()
        (root / f"link {uid}").symlink_to("target")
        (root / f"directory {uid}").mkdir()
        for kind in ("file", "link", "directory"):
            os.chown(root / f"{kind} {uid}", uid, gid, follow_symlinks=False)


def symbolic_links(root: Path) -> None:
    """Create links to existing, missing, outside and long targets."""
    (root / "target").write_text("target")
    for name, target in {
        "relative": "target",
        "absolute": "/etc/passwd",
        "nowhere": "no such file",
        "up": "../../..",
        "itself": "itself",
        "long": "x" * 1000,
    }.items():
        (root / name).symlink_to(target)


def hard_links(root: Path) -> None:
    """Create hard links between directories, to files, a symbolic link and a FIFO."""
    (root / "a/b").mkdir(parents=True)
    (root / "file").write_text("shared")
    (root / "link").symlink_to("file")
    os.mkfifo(root / "fifo")
    for source, target in (("file", "a/file"), ("file", "a/b/other"), ("link", "a/link"), ("fifo", "a/fifo")):
        os.link(root / source, root / target, follow_symlinks=False)
    (root / "alone").write_text("shared")


def special_files(root: Path) -> None:
    """Create devices, including numbers above 255, FIFOs and sockets."""
    for name, kind, device in (
        ("null", stat.S_IFCHR, os.makedev(1, 3)),
        ("large", stat.S_IFCHR, os.makedev(240, 70_000)),
        ("block", stat.S_IFBLK, os.makedev(7, 300)),
        ("fifo", stat.S_IFIFO, 0),
        ("socket", stat.S_IFSOCK, 0),
    ):
        os.mknod(root / name, kind | 0o640, device)
    with opened(root, os.O_RDONLY | os.O_DIRECTORY) as directory, socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{directory}/bound socket")  # the path itself may be too long for a socket


def extended_attributes(root: Path) -> None:
    """Set attributes in namespaces `user` and `trusted`."""
    (root / "file").touch()
    (root / "directory").mkdir()
    (root / "link").symlink_to("file")
    for name in ("file", "directory"):
        os.setxattr(root / name, "user.text", b"value")
        os.setxattr(root / name, "user.empty", b"")
        os.setxattr(root / name, "user.bytes", bytes(range(256)))
        os.setxattr(root / name, "trusted.test", b"trusted")
    os.setxattr(root / "link", "trusted.test", b"of the link itself", follow_symlinks=False)


def file_capabilities(root: Path) -> None:
    """Set file capabilities (capabilities(7))."""
    (root / "program").write_text("#!")
    (root / "program").chmod(0o755)
    os.setxattr(root / "program", "security.capability", FILE_CAPABILITY)


def access_control_lists(root: Path) -> None:
    """Set the list of a file, and the default list of a directory."""
    (root / "file").touch()
    (root / "directory").mkdir()
    os.setxattr(root / "file", "system.posix_acl_access", ACL)
    os.setxattr(root / "directory", "system.posix_acl_default", ACL)
    (root / "directory/inherited").touch()


def names(root: Path) -> None:
    """Create files with unusual names, up to the maximum length."""
    for name in (b"\xff\xfe not UTF-8", b"line\nbreak", b"back\\slash", b" ", b"-rf", b"n" * 255, "é".encode()):
        (root / os.fsdecode(name)).write_bytes(name)


def times(root: Path) -> None:
    """Set modification times in nanoseconds, past and future, including those of non-empty directories."""
    (root / "directory/inner").mkdir(parents=True)
    (root / "directory/file").touch()
    (root / "link").symlink_to("nowhere")
    os.mkfifo(root / "fifo")
    for number, name in enumerate(("link", "fifo", "directory/file", "directory/inner", "directory")):
        time = (1_600_000_000 + number) * SECOND + 123_456_789 + number
        os.utime(root / name, ns=(time, time), follow_symlinks=False)
    for name, time in (
        ("epoch", 0),
        ("just after", 1),
        ("old", 1_000 * SECOND + 1),
        ("ahead", 4_000_000_000 * SECOND),
    ):
        (root / name).touch()
        os.utime(root / name, ns=(time, time))


FEATURES: Final[dict[str, Callable[[Path], None]]] = {
    "contents": contents,
    "deep directories": deep_directories,
    "modes": modes,
    "owners": owners,
    "symbolic links": symbolic_links,
    "hard links": hard_links,
    "special files": special_files,
    "extended attributes": extended_attributes,
    "file capabilities": file_capabilities,
    "access control lists": access_control_lists,
    "names": names,
    "times": times,
}

ROOT_FEATURES: Final[dict[str, Callable[[Path], None]]] = {
    "mode": lambda root: root.chmod(0o1770),
    "owner": lambda root: os.chown(root, 12, 34),
    "extended attributes": lambda root: os.setxattr(root, "user.text", b"value"),
    "trusted attributes": lambda root: os.setxattr(root, "trusted.test", b"trusted"),
    "access control list": lambda root: os.setxattr(root, "system.posix_acl_access", ACL),
    "default access control list": lambda root: os.setxattr(root, "system.posix_acl_default", ACL),
    "time": lambda root: os.utime(root, ns=(1_234_567_890_123_456_789, 1_600_000_000_123_456_789)),
}
"""Metadata of the root directory."""
