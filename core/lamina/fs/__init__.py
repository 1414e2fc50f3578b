"""Files and directory trees: copy, measure, remove, lock, sync, and protect from other users."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.fs._ballast import BALLAST_BYTES, Ballast
    from lamina.fs._copy import copy_tree
    from lamina.fs._d_type import supports_d_type
    from lamina.fs._descriptor import opened, write_all
    from lamina.fs._durability import check_writable, fsync, sync_directory
    from lamina.fs._exposure import Exposure, Trust, content_exposure, file_exposure
    from lamina.fs._file_data import DataCopier, clone_range, copy_file
    from lamina.fs._lock import Lock
    from lamina.fs._metadata import same_metadata
    from lamina.fs._remove import remove_tree
    from lamina.fs._safe_open import open_secure_file, replace_file, set_mode
    from lamina.fs._secure_directory import SecureDirectory
    from lamina.fs._syncfs import FileSystemSync
    from lamina.fs._syscalls import (
        exchange,
        open_beneath,
        open_within_mount,
        rename_new,
        start_writeback,
        syncfs,
    )
    from lamina.fs._temporary import make_temporary_directory
    from lamina.fs._tree_cursor import TreeCursor
    from lamina.fs._trusted_path import exposure_of, open_path
    from lamina.fs._usage import TreeVisitor, disk_usage, is_empty_directory, quick_disk_usage
    from lamina.fs._write_errors import FULL_OR_READ_ONLY, NO_SPACE, is_full, is_full_or_read_only
    from lamina.fs._xattrs import (
        ACL_PREFIX,
        XattrCopier,
        read_xattr,
        remove_acls,
        remove_default_acl,
        remove_xattr,
        xattr_names,
    )

__all__ = [
    "ACL_PREFIX",
    "BALLAST_BYTES",
    "FULL_OR_READ_ONLY",
    "NO_SPACE",
    "Ballast",
    "DataCopier",
    "Exposure",
    "FileSystemSync",
    "Lock",
    "SecureDirectory",
    "TreeCursor",
    "TreeVisitor",
    "Trust",
    "XattrCopier",
    "check_writable",
    "clone_range",
    "content_exposure",
    "copy_file",
    "copy_tree",
    "disk_usage",
    "exchange",
    "exposure_of",
    "file_exposure",
    "fsync",
    "is_empty_directory",
    "is_full",
    "is_full_or_read_only",
    "make_temporary_directory",
    "open_beneath",
    "open_path",
    "open_secure_file",
    "open_within_mount",
    "opened",
    "quick_disk_usage",
    "read_xattr",
    "remove_acls",
    "remove_default_acl",
    "remove_tree",
    "remove_xattr",
    "rename_new",
    "replace_file",
    "same_metadata",
    "set_mode",
    "start_writeback",
    "supports_d_type",
    "sync_directory",
    "syncfs",
    "write_all",
    "xattr_names",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_ballast": "BALLAST_BYTES Ballast",
        "_copy": "copy_tree",
        "_d_type": "supports_d_type",
        "_descriptor": "opened write_all",
        "_durability": "check_writable fsync sync_directory",
        "_exposure": "Exposure Trust content_exposure file_exposure",
        "_file_data": "DataCopier clone_range copy_file",
        "_lock": "Lock",
        "_metadata": "same_metadata",
        "_remove": "remove_tree",
        "_safe_open": "open_secure_file replace_file set_mode",
        "_secure_directory": "SecureDirectory",
        "_syncfs": "FileSystemSync",
        "_syscalls": "exchange open_beneath open_within_mount rename_new start_writeback syncfs",
        "_temporary": "make_temporary_directory",
        "_tree_cursor": "TreeCursor",
        "_trusted_path": "exposure_of open_path",
        "_usage": "TreeVisitor disk_usage is_empty_directory quick_disk_usage",
        "_write_errors": "FULL_OR_READ_ONLY NO_SPACE is_full is_full_or_read_only",
        "_xattrs": "ACL_PREFIX XattrCopier read_xattr remove_acls remove_default_acl remove_xattr xattr_names",
    },
)
