"""Translation of LMDB's errors to lamina's."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

import lmdb

from lamina.errdefs import DataLoss, Internal, ResourceExhausted, from_os_error
from lamina.fs import is_full


class MapFull(Exception):
    """The map is too small for a transaction, which is repeated when the map has grown."""


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """Raise LMDB's errors in the block as lamina's."""
    try:
        yield
    except lmdb.Error as error:
        raise translation(error, path) from error


def translation(error: lmdb.Error, path: str) -> Exception:
    """Return the error to raise for one of LMDB's.

    Args:
        error: LMDB's error.
        path: The environment's directory.
    """
    match error:
        case lmdb.MapFullError():
            return MapFull()
        case lmdb.DiskError() | lmdb.ReadersFullError() | lmdb.MemoryError():
            return _exhausted(error, path)
        case lmdb.CorruptedError() | lmdb.PageNotFoundError() | lmdb.PanicError() | lmdb.InvalidError():
            return DataLoss(
                f"metastore {path} is damaged: {error}: restart lamina, which sets a damaged file aside"
            )
    if error.code == errno.EIO and is_full(path):
        return _exhausted(error, path)  # mdb_page_flush in mdb.c reports a short write as EIO
    if error.code > 0:  # LMDB's own codes are negative
        return from_os_error(OSError(error.code, str(error)), f"metastore {path}")
    return Internal(f"metastore {path}: {error}")


def _exhausted(error: lmdb.Error, path: str) -> ResourceExhausted:
    return ResourceExhausted(f"metastore {path}: {error}; nothing was changed: make space")
