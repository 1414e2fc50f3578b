"""Find out whether a file system stores the types of directory entries."""

from __future__ import annotations

import os

from lamina.errdefs import translated


def supports_d_type(path: str) -> bool:
    """Return whether reading a directory yields the types of its entries (`d_type` of getdents(2)).

    overlayfs requires this for its upper directory (Documentation/filesystems/overlayfs.rst).

    Args:
        path: A writable directory. A subdirectory is created and removed in it.

    Raises:
        NotFound: The directory does not exist.
        PermissionDenied: The directory is not writable.
    """
    probe = os.path.join(path, f".d_type-{os.urandom(8).hex()}")
    with translated("find out whether directory entries have types"):
        os.mkdir(probe)
        try:
            with os.scandir(path) as entries:
                entry = next(entry for entry in entries if entry.path == probe)
        finally:
            os.rmdir(probe)
        # The directory is gone, so the type can only come from the entry.
        return entry.is_dir(follow_symlinks=False)
