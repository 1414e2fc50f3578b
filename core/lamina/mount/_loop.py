"""Loop devices: a file as a block device (loop(4))."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from typing import Self

from lamina.errdefs import InvalidArgument, MountFailed
from lamina.fs import opened

# include/uapi/linux/loop.h
_LOOP_CONFIGURE = 0x4C0A
_LOOP_CTL_GET_FREE = 0x4C82
_LO_FLAGS_READ_ONLY = 1
_LO_FLAGS_AUTOCLEAR = 4
_LO_FLAGS_DIRECT_IO = 16
# struct loop_config: the file's descriptor, the block size (0: the file system's); then struct loop_info64, of
# which only the flags and the name of the file are set; then 64 reserved bytes.
_LOOP_CONFIG = struct.Struct("=II 52x I 64s 96x 16x 64x")

_TRIES = 100
_RETRY_SECONDS = 0.01


class LoopDevice:
    """A block device backed by a file. The kernel frees it once it is neither open nor mounted.

    Use it in a `with` block, which closes the device. It stays as long as it is mounted.
    """

    def __init__(self, path: str, fd: int) -> None:
        """Use `attach`."""
        self.path = path
        """The device: `/dev/loopN`."""
        self._fd = fd

    @classmethod
    def attach(
        cls, backing: str | os.PathLike[str], *, read_only: bool = False, direct_io: bool = False
    ) -> LoopDevice:
        """Attach a file to a free loop device. Requires Linux 5.8.

        Args:
            backing: The file.
            read_only: Whether the device, and so the file, is read-only.
            direct_io: Whether the device bypasses the page cache, if the file's file system supports that.

        Raises:
            MountFailed: There is no such file, no free device or no permission; `__cause__` is the OSError.
            InvalidArgument: The path contains a NUL character.
        """
        path = os.fspath(backing)
        if "\0" in path:
            raise InvalidArgument(f"attach {path!r} to a loop device: the path contains a NUL character")
        try:
            access = os.O_RDONLY if read_only else os.O_RDWR
            with opened(path, access | os.O_CLOEXEC) as file:
                configuration = _configuration(file, os.fsencode(path), read_only, direct_io)
                return cls(*_attach(access, configuration))
        except OSError as error:
            where = f"{error.filename}: " if error.filename not in (None, path) else ""
            raise MountFailed(f"attach {path!r} to a loop device: {where}{error.strerror}") from error

    def close(self) -> None:
        """Close the device. Its mounts stay. Closing twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _configuration(file: int, name: bytes, read_only: bool, direct_io: bool) -> bytes:
    flags = _LO_FLAGS_AUTOCLEAR
    flags |= _LO_FLAGS_READ_ONLY if read_only else 0
    flags |= _LO_FLAGS_DIRECT_IO if direct_io else 0
    return _LOOP_CONFIG.pack(file, 0, flags, name[:63])


def _attach(access: int, configuration: bytes) -> tuple[str, int]:
    """Configure a free device and return its path and a descriptor."""
    for _ in range(_TRIES):
        path, device = _open_free(access)
        try:
            fcntl.ioctl(device, _LOOP_CONFIGURE, configuration)
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY:
                raise
        except BaseException:
            os.close(device)
            raise
        else:
            return path, device
        # Another process took it or is inspecting it, and no event tells when that ends.
        time.sleep(_RETRY_SECONDS)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)


def _open_free(access: int) -> tuple[str, int]:
    with open("/dev/loop-control", "rb", buffering=0) as control:
        path = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
    return path, os.open(path, access | os.O_CLOEXEC)
