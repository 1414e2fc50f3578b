"""Whether a file system tells the types of directory entries."""

from __future__ import annotations

import os

from lamina.errdefs import from_os_error


def supports_d_type(path: str) -> bool:
    """Whether reading a directory tells what kind each entry is (`d_type` of getdents(2)).

    overlayfs needs this of its upper directory (Documentation/filesystems/overlayfs.rst).

    Args:
        path: A writable directory. A directory is made and removed in it.

    Raises:
        NotFound: It does not exist.
        PermissionDenied: It cannot be written to.
    """
    probe = os.path.join(path, f".d_type-{os.urandom(8).hex()}")
    try:
        os.mkdir(probe)
        try:
            with os.scandir(path) as entries:
                entry = next(entry for entry in entries if entry.path == probe)
        finally:
            os.rmdir(probe)
        # It is gone: what is still known of it came with the directory entry.
        return entry.is_dir(follow_symlinks=False)
    except OSError as error:
        raise from_os_error(error, "find out whether directory entries have types") from error
