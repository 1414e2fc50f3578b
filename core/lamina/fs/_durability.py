"""Sync files and directories, and notice an aborted journal."""

from __future__ import annotations

import errno
import os
from typing import Final

from lamina.fs._descriptor import opened
from lamina.fs._write_errors import NO_SPACE

_ABSENT: Final = "user.lamina.absent"
"""The name of an extended attribute that no file has."""
_ACCEPTED: Final = NO_SPACE | {errno.ENODATA, errno.ENOTSUP, errno.EPERM, errno.EACCES}
"""Errors of its removal on a working file system: it is full, it has no such attribute or none at all, or the file
is another user's."""


def check_writable(fd: int) -> None:
    """Check that a file system still accepts changes. After a sync, this shows that the sync was effective.

    A sync succeeds without effect after the file system failed in the background, because nothing is left to
    write: on a read-only one (sync_filesystem in fs/sync.c), and on an ext4 whose journal was aborted by the
    commit of a transaction that another thread or a timer had started. The transaction is gone, and neither
    syncfs(2) nor fsync(2) looks at the journal without one (ext4_sync_fs in fs/ext4/super.c,
    jbd2_complete_transaction in fs/jbd2/journal.c). ext4 looks only when it begins the next change
    (ext4_journal_check_start in fs/ext4/ext4_jbd2.c).

    Removing a missing extended attribute begins a change, reports that this failed, and changes nothing. The
    first futimens(2) after the abort would succeed: ext4_dirty_inode drops the error.

    Args:
        fd: The descriptor of a file or directory that this process may change. For another one, only a read-only
            file system is noticed.

    Raises:
        OSError: Changes are refused. The latest ones may be lost, even if their sync succeeded.
    """
    try:
        os.removexattr(fd, _ABSENT)
    except OSError as error:
        if error.errno not in _ACCEPTED:
            raise


def fsync(fd: int) -> None:
    """Sync a file or directory, and check that the sync was effective (`check_writable`).

    Raises:
        OSError: The sync failed.
    """
    os.fsync(fd)
    check_writable(fd)


def sync_directory(path: str) -> None:
    """Make the entries of a directory durable: fsync(2) of a file does not cover its name.

    Args:
        path: The directory.

    Raises:
        OSError: The directory cannot be opened or synced.
    """
    with opened(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as fd:
        fsync(fd)
