"""Errors of system calls as lamina's errors."""

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
    errno.ENAMETOOLONG: _classes.InvalidArgument,
    errno.ELOOP: _classes.InvalidArgument,
    errno.ENOENT: _classes.NotFound,
    errno.EEXIST: _classes.AlreadyExists,
    errno.ENOTDIR: _classes.FailedPrecondition,
    errno.EISDIR: _classes.FailedPrecondition,
    errno.EBUSY: _classes.FailedPrecondition,
    errno.ENOTEMPTY: _classes.FailedPrecondition,
    errno.EOPNOTSUPP: _classes.Unimplemented,
    errno.ENOSYS: _classes.Unimplemented,
    errno.EIO: _classes.DataLoss,
}


_OF_THE_PATH: Final = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
        *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR),
    }
)
"""Errors that may not occur at another path."""
_TRANSIENT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EIO})


def is_transient(error: BaseException) -> bool:
    """Return whether an error, or its cause, is temporary and says nothing about what this machine supports.

    Examples are a shortage of file descriptors or memory, and an I/O error.
    """
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in _TRANSIENT


def from_os_error(error: OSError, operation: str, elsewhere: str = "") -> Error:
    """Return the error of the class that an errno stands for.

    Args:
        error: The error of the system call.
        operation: The operation that failed, in the imperative, to begin the message:
            `create the directories of snapshot 5`.
        elsewhere: The remedy to append if another path may be free of the error: `set another root_path`.
    """
    cls = _BY_ERRNO.get(error.errno or 0, _classes.Unknown)
    file = None if operation.endswith(str(error.filename)) else error.filename
    parts = (operation, file, error.strerror or error)
    remedy = f"; {elsewhere}" if elsewhere and error.errno in _OF_THE_PATH else ""
    return cls(": ".join(str(part) for part in parts if part is not None) + remedy)


@contextlib.contextmanager
def translated(operation: str, elsewhere: str = "") -> Iterator[None]:
    """Convert OSErrors that the block raises with `from_os_error`.

    Args:
        operation: See `from_os_error`.
        elsewhere: See `from_os_error`.
    """
    try:
        yield
    except OSError as error:
        raise from_os_error(error, operation, elsewhere) from error
