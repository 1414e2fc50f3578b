"""Opening an LMDB environment whose lock file is in memory.

LMDB maps its lock file shared and writable, and writes to it at every read. If a page of such a file has no block
yet, or is copied on write, and the disk is full, the kernel sends SIGBUS (mmap(2)). So LMDB opens a temporary
directory with two links: `data.mdb` to the file of that name, and `lock.mdb` to allocated memory. Its locks
exclude no other process: `lamina.lock` beside `data.mdb` does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

import lmdb

from lamina.fs import exposure_of, open_secure_file

DATA: Final = "data.mdb"
"""The name of the file with the data (lmdb.h)."""
_LOCK: Final = "lock.mdb"
"""The name of its lock file."""
READERS: Final = 1024
"""Maximum number of threads that read at once."""
_LOCK_BYTES: Final = 64 * (READERS + 2)
"""The size of the lock file. LMDB admits as many readers as fit: 64 bytes each, after a header of twice that
(MDB_txninfo)."""
_TEMPORARY: Final = ("/dev/shm", "/tmp")  # noqa: S108 - a directory there is used if it is this user's
"""Places for a temporary directory: shared memory (shm_overview(7)) first, which is on no disk."""
_FD: Final = "/proc/self/fd"
_MFD_NOEXEC_SEAL: Final = 0x8
"""linux/memfd.h: required if the sysctl vm.memfd_noexec is 2, unknown before Linux 6.3."""


def open_lmdb(path: str, state: str, map_size: int) -> lmdb.Environment:
    """Open the environment of a directory; create its data if it does not exist.

    The caller keeps other processes out. Nothing but the data is left behind, and programs that this process
    starts inherit no descriptor of it. On a read-only file system the environment is read-only
    (`flags()["readonly"]`).

    Args:
        path: The directory, which must exist.
        state: A directory on another disk, best on a tmpfs; empty: none.
        map_size: Bytes of address space to reserve.

    Raises:
        lmdb.Error: LMDB cannot open it.
        OSError: No descriptor, memory or temporary directory is available.
        FailedPrecondition: `data.mdb` is a link, or another user's (`lamina.fs.open_secure_file`).
    """
    with contextlib.ExitStack() as opened:
        data, read_only = _open_data(os.path.join(path, DATA))
        opened.callback(os.close, data)
        lock = _allocated(_LOCK_BYTES)
        opened.callback(os.close, lock)
        status = os.fstat(data)
        name = f"lamina-open-{status.st_dev:x}-{status.st_ino:x}"  # no other metastore's
        directory = opened.enter_context(_temporary_directory(name, (state, *_TEMPORARY, path)))
        os.symlink(f"{_FD}/{data}", os.path.join(directory, DATA))
        os.symlink(f"{_FD}/{lock}", os.path.join(directory, _LOCK))
        environment = lmdb.open(
            directory,
            map_size=map_size,
            readonly=read_only,
            mode=0o700,
            create=False,
            max_readers=READERS,
            max_spare_txns=1,
        )
        try:
            _close_on_exec(status)
            _restore_size(environment, data)
            _remove_old_lock_file(path)
        except BaseException:
            environment.close()
            raise
        return environment


def _open_data(path: str) -> tuple[int, bool]:
    """Open the data file; return its descriptor, and whether it is read-only."""
    try:
        return open_secure_file(path, os.O_RDWR | os.O_CREAT), False
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
    return open_secure_file(path, os.O_RDONLY), True


def _allocated(size: int) -> int:
    """Return a descriptor of allocated memory, to which writes cannot fail."""
    try:
        fd = os.memfd_create(_LOCK, os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fd = os.memfd_create(_LOCK, os.MFD_CLOEXEC)
    try:
        os.posix_fallocate(fd, 0, size)
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextlib.contextmanager
def _temporary_directory(name: str, parents: tuple[str, ...]) -> Iterator[str]:
    """Make a private directory for the block, in the first parent that permits it.

    One left behind by a killed process is removed first.
    """
    problem: OSError | None = None
    for parent in filter(None, parents):
        made = os.path.join(parent, name)
        try:
            if exposure_of(parent, shared=True) or not _is_own(made):
                continue
            _remove(made)
            os.mkdir(made, 0o700)
        except OSError as error:
            problem = problem or error
            continue
        try:
            yield made
        finally:
            _remove(made)
        return
    raise problem or FileNotFoundError(errno.ENOENT, "no directory that is this user's or root's alone", parents)


def _is_own(path: str) -> bool:
    """Return whether a directory is this user's, or does not exist."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _remove(path: str) -> None:
    """Remove a directory of links, if it exists."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)


def _close_on_exec(data: os.stat_result) -> None:
    """Set close-on-exec on LMDB's descriptors of the data, which lack the flag (mdb_fopen)."""
    for fd in map(int, os.listdir(_FD)):
        with contextlib.suppress(OSError):  # closed meanwhile by another thread
            if os.path.samestat(os.fstat(fd), data):
                os.set_inheritable(fd, False)


def _restore_size(environment: lmdb.Environment, data: int) -> None:
    """Extend a truncated file to its former size, so that reading the lost end shows damage instead of SIGBUS."""
    size = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if os.fstat(data).st_size < size:
        os.ftruncate(data, size)


def _remove_old_lock_file(path: str) -> None:
    """Remove the lock file that earlier versions of lamina kept beside the data."""
    with contextlib.suppress(OSError):  # it is harmless
        os.unlink(os.path.join(path, _LOCK))
