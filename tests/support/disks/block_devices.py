"""Block devices whose writes are logged, and refused where a test wants it, with real file systems on them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.directories import CHECKOUT
from tests.support.waiting import wait_until

FOREVER: Final = 1 << 31
_SECONDS: Final = 120.0
_SERVER: Final = (sys.executable, "-m", "tests.support.disks.fuse_disk")
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

FILE_SYSTEMS: Final = {
    "ext4": (96, ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0")),
    "xfs": (300, ("mkfs.xfs", "-q")),
    "btrfs": (160, ("mkfs.btrfs", "--quiet")),
}
"""The megabytes that each file system needs, more or less, and how it is made."""


class Disk:
    """A loop device on a file of a process of its own (`fuse_disk`), which refuses writes that a test chooses."""

    def __init__(self, server: subprocess.Popen[str], device: str, log: Path) -> None:
        """Use `disk`."""
        self._server = server
        self.device = device
        self.log = log
        """The log of all writes and flushes (`write_log`). Its size is a point in time."""

    def refuse(self, containing: bytes = b"", *, skip: int = 0, times: int = 1, carried_out: bool = False) -> None:
        """Refuse writes with EIO from now on, and forget what was to be refused before.

        Args:
            containing: Only those with these bytes.
            skip: How many of them are carried out first.
            times: How many are refused then; 0 refuses none any more.
            carried_out: Whether they reach the disk nevertheless.
        """
        fields = {"skip": skip, "times": times, "carried_out": carried_out}
        self._ask({"containing": containing.hex(), **fields})

    def refused(self) -> int:
        """How many writes were refused since the last `refuse`."""
        return self._ask({})["refused"]

    def written(self) -> int:
        """How many writes there were, the refused ones too."""
        return self._ask({})["written"]

    def _ask(self, command: dict[str, object]) -> dict[str, int]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(command) + "\n")
        self._server.stdin.flush()
        answer: dict[str, int] = json.loads(self._server.stdout.readline())
        return answer


def make_file_system(kind: str, image: Path) -> None:
    """Make a file system in a new sparse file."""
    megabytes, command = FILE_SYSTEMS[kind]
    image.touch()
    os.truncate(image, megabytes << 20)
    run(*command, image)


@contextlib.contextmanager
def disk(image: Path) -> Iterator[Disk]:
    """A disk with what is in an image, in the block. What is mounted from it must be unmounted before the end."""
    file, log = image.with_suffix(".disk"), image.with_suffix(".log")
    file.touch()
    log.unlink(missing_ok=True)
    command = [*_SERVER, image, log, file]
    # In a session of its own: what is typed in a terminal does not end it before the disk is unmounted.
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        try:
            assert server.stdout is not None
            if server.stdout.readline() != "mounted\n":
                raise RuntimeError(f"there is no disk at {file}")
            with loop_device(file) as device:
                yield Disk(server, device, log)
        finally:
            try:
                if _is_mounted(file):
                    wait_until(lambda: _unmount(file), _SECONDS, f"{file} is unmounted")
                server.wait(_SECONDS)
            finally:
                server.kill()


@contextlib.contextmanager
def loop_device(file: Path) -> Iterator[str]:
    """A loop device on a file, in the block. At its end it is gone, and its page cache with it."""
    device = run("losetup", "--find", "--show", file)
    try:
        yield device
    finally:
        run("losetup", "--detach", device)
        wait_until(lambda: not backs(device, file), _SECONDS, f"{device} is detached")


@contextlib.contextmanager
def mounted(device: str, kind: str, mountpoint: Path, options: str = "defaults") -> Iterator[Path]:
    """The file system of a device, mounted in the block with options as of mount(8)."""
    mountpoint.mkdir(exist_ok=True)
    run("mount", "-t", kind, "-o", options, device, mountpoint)
    try:
        yield mountpoint
    finally:
        wait_until(lambda: _unmount(mountpoint), _SECONDS, f"{mountpoint} is unmounted")
        wait_until(lambda: _is_free(device), _SECONDS, f"no mount namespace has {device} mounted")


def run(*command: str | Path) -> str:
    """Run a program; returns what it printed.

    Raises:
        RuntimeError: It failed; the message is what it complained of.
    """
    environment = {**os.environ, "PATH": _PATH}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def _unmount(mountpoint: Path) -> bool:
    """Unmount what is mounted; returns False where a program that looks at all mounts holds it for a moment."""
    try:
        run("umount", "--recursive", mountpoint)
    except RuntimeError as error:
        if "busy" not in str(error):
            raise
        return False
    return True


def _is_free(device: str) -> bool:
    """Return whether no mount namespace has a device mounted: `O_EXCL` of open(2)."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def backs(device: str, file: Path) -> bool:
    """Return whether a loop device is on this file. Once it is free, another process may attach it to its own."""
    try:
        return str(file) in Path("/sys/block", Path(device).name, "loop/backing_file").read_text()
    except OSError:  # the device has no backing file any more
        return False


def _is_mounted(file: Path) -> bool:
    return f" {file} " in Path("/proc/self/mountinfo").read_text()
