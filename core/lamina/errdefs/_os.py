"""Which error class an errno stands for."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import _classes
from lamina.errdefs._classes import Error

_BY_ERRNO: Final[dict[int, type[Error]]] = {
    errno.EACCES: _classes.PermissionDenied,
    errno.EPERM: _classes.PermissionDenied,
    errno.EROFS: _classes.ReadOnly,
    errno.ENOSPC: _classes.ResourceExhausted,
    errno.EDQUOT: _classes.ResourceExhausted,
    errno.EFBIG: _classes.ResourceExhausted,
    errno.EMFILE: _classes.ResourceExhausted,
    errno.ENFILE: _classes.ResourceExhausted,
    errno.ENOMEM: _classes.ResourceExhausted,
    errno.EMLINK: _classes.ResourceExhausted,
    errno.ENOENT: _classes.NotFound,
    errno.EEXIST: _classes.AlreadyExists,
    errno.ENOTDIR: _classes.FailedPrecondition,
    errno.EBUSY: _classes.FailedPrecondition,
    errno.ENOTEMPTY: _classes.FailedPrecondition,
    errno.EOPNOTSUPP: _classes.Unimplemented,
    errno.ENOSYS: _classes.Unimplemented,
    errno.EIO: _classes.DataLoss,
}


_TRANSIENT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EIO})


def is_transient(error: BaseException) -> bool:
    """Whether an error, or the one that it was raised from, tells of the moment and not of what is possible here.

    A shortage of descriptors or memory, and a device that fails, say nothing of what the kernel or a file system
    can do.
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in _TRANSIENT


def from_os_error(error: OSError, asked: str) -> Error:
    """The error to raise for a failed system call.

    Args:
        error: What the system call raised.
        asked: What was to be done, to begin the message with: `make the directories of snapshot 5`.
    """
    cls = _BY_ERRNO.get(error.errno or 0, _classes.Unknown)
    parts = (asked, error.filename, error.strerror or error)
    return cls(": ".join(str(part) for part in parts if part is not None))


@contextlib.contextmanager
def translated(asked: str) -> Iterator[None]:
    """Raise the OSErrors of a block as lamina's errors.

    Args:
        asked: As for `from_os_error`.
    """
    try:
        yield
    except OSError as error:
        raise from_os_error(error, asked) from error
