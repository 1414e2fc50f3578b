"""A backend that stores snapshots as btrfs subvolumes (btrfs-subvolume(8))."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
from typing import Final

from lamina.errdefs import FailedPrecondition, from_os_error
from lamina.fs import remove_tree
from lamina.mount import Mount, temporary_mount
from lamina.plugins.snapshots.btrfs import _ioctl
from lamina.plugins.snapshots.btrfs._max_size import max_size
from lamina.plugins.snapshots.btrfs._subvolume import (
    NotASubvolume,
    delete_nested,
    nested_paths,
    open_directory,
    open_subvolume,
)
from lamina.plugins.snapshots.btrfs._usage import changed_usage, exclusive_size
from lamina.snapshots import Kind, Usage
from lamina.snapshots.labels import MAX_SIZE
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record, shorten

_log = logging.getLogger(__name__)

MAX_NAMED: Final = 10
"""Nested subvolumes named in a message."""
ACTIVE, VIEW, COMMITTED = (kind.name.lower() for kind in (Kind.ACTIVE, Kind.VIEW, Kind.COMMITTED))


class BtrfsBackend(Backend):
    """Stores each snapshot in a directory with one subvolume, named after the snapshot's kind.

    A commit takes a read-only snapshot, `committed`, of the subvolume `active`, which is deleted once the commit
    is durable. While both exist, the record decides which one counts. Writes through mounts and open files from
    before the commit therefore never reach the committed data.
    """

    freezes = True

    def __init__(self, root: str, *, device: str) -> None:
        """Store subvolumes in a directory that passed `probe`.

        Args:
            root: The absolute path of an existing directory.
            device: The block device of its file system, as returned by `probe`.
        """
        super().__init__(root)
        self._device = device

    def repair(self, record: Record) -> bool:
        """Return whether the subvolume exists: the log that btrfs replays after a crash does not cover it.

        If a metastore has lost the record of a commit, the active subvolume is made again from the committed one.
        """
        if os.path.lexists(self._subvolume_path(record.id, _subvolume_name(record))):
            return True
        if record.info.kind is not Kind.ACTIVE or not self._is_committed(record):
            return False
        with (
            open_directory(self.path(record.id)) as directory,
            open_subvolume(self._subvolume_path(record.id, COMMITTED)) as committed,
        ):
            _ioctl.create_snapshot(committed, directory, ACTIVE, read_only=False)
        return True

    def needs_sync(self, record: Record) -> bool:
        """Return False: btrfs writes a new subvolume and its files in one transaction."""
        return False

    def create(self, record: Record, path: str) -> None:
        """Create the subvolume of an active snapshot or a view, as a btrfs snapshot of the parent's or empty."""
        is_view = record.info.kind is Kind.VIEW
        limit = None if is_view else max_size(record.info.labels)
        name = _subvolume_name(record)
        os.mkdir(path, 0o700)
        with open_directory(path) as directory:
            if record.parent_ids:
                with open_subvolume(self._subvolume_path(record.parent_ids[0], COMMITTED)) as parent:
                    _ioctl.create_snapshot(parent, directory, name, read_only=is_view)
            else:
                _ioctl.create_subvolume(directory, name)
                with open_subvolume(os.path.join(path, name)) as root:
                    os.fchmod(root, 0o755)  # whatever the umask
                    _ioctl.set_read_only(root, read_only=is_view)
            if limit is not None and not _limit(directory, _find(os.path.join(path, name)).id, limit):
                _log.warning(
                    "cannot limit the size of a snapshot: quotas are off (btrfs quota enable)",
                    extra={"id": record.id, "key": record.info.name, MAX_SIZE: limit},
                )

    def mounts(self, record: Record) -> list[Mount]:
        """Return the mount of the subvolume from its device, by id."""
        try:
            id_ = self._find(record.id, _subvolume_name(record)).id
        except OSError as error:
            raise from_os_error(error, f"find the subvolume of snapshot {record.info.name!r}") from error
        return [subvolume_mount(self._device, id_, read_only=record.info.kind is Kind.VIEW)]

    def usage(self, record: Record) -> Usage:
        """Measure what an active snapshot occupies beyond its parent.

        The btrfs transaction is committed first, because cached data would not count. The size is the exclusive
        size of the qgroup if quotas are on, else that of the files that were added or changed.
        """
        with open_directory(self.path(record.id)) as directory:
            _ioctl.sync(directory)
            own = self._find(record.id, _subvolume_name(record))
            parent = self._find(record.parent_ids[0], COMMITTED) if record.parent_ids else None
            size, inodes = changed_usage(directory, own, parent)
            own_size = exclusive_size(directory, own.id)
        # During a commit, and after a failed one, all data is shared with the committed subvolume.
        is_shared = self._is_committed(record)
        return Usage(size if own_size is None or is_shared else own_size, inodes)

    def commit(self, record: Record) -> None:
        """Create the `committed` subvolume, a read-only snapshot of the active one.

        Raises:
            FailedPrecondition: The subvolume contains others, which a btrfs snapshot leaves out. Nothing changed.
        """
        path = self.path(record.id)
        with open_directory(path) as directory, open_subvolume(self._subvolume_path(record.id, ACTIVE)) as active:
            _check_no_nested_subvolumes(record, active)
            self._destroy(path, COMMITTED)  # left over from a failed commit
            _ioctl.create_snapshot(active, directory, COMMITTED, read_only=True)
            try:
                _check_no_nested_subvolumes(record, active)  # one may have been created meanwhile
            except FailedPrecondition:
                self._destroy(path, COMMITTED)
                raise
            # Remove the limit, which children would inherit.
            _limit(directory, self._find(record.id, COMMITTED).id, _ioctl.UNLIMITED)

    def committed(self, record: Record) -> None:
        """Delete the active subvolume, unless it is all that is left of the data."""
        if self._is_committed(record):
            self._destroy(self.path(record.id), ACTIVE)

    def undo_commit(self, record: Record) -> None:
        """Delete the `committed` subvolume, unless it is all that is left of the data."""
        if os.path.lexists(self._subvolume_path(record.id, ACTIVE)):
            self._destroy(self.path(record.id), COMMITTED)

    def destroy(self, path: str) -> None:
        """Delete the subvolumes of a removed snapshot, with all nested ones."""
        for name in (ACTIVE, VIEW, COMMITTED):
            self._destroy(path, name)
        remove_tree(path)

    def _destroy(self, path: str, name: str) -> None:
        """Delete a subvolume in a snapshot's directory, if it exists."""
        with contextlib.suppress(FileNotFoundError, NotASubvolume), open_directory(path) as directory:
            with open_subvolume(os.path.join(path, name)) as root:
                id_ = _ioctl.subvolume(root).id
            delete_nested(directory, id_, self._make_writable)

    def _make_writable(self, id_: int) -> None:
        """Clear the read-only flag of a subvolume by its id."""
        with (
            temporary_mount([subvolume_mount(self._device, id_)], directory=self.root) as mounted,
            open_subvolume(mounted) as root,
        ):
            _ioctl.set_read_only(root, read_only=False)

    def _is_committed(self, record: Record) -> bool:
        """Return whether the committed subvolume exists."""
        return os.path.lexists(self._subvolume_path(record.id, COMMITTED))

    def _find(self, id_: int, name: str) -> _ioctl.Subvolume:
        return _find(self._subvolume_path(id_, name))

    def _subvolume_path(self, id_: int, name: str) -> str:
        return os.path.join(self.path(id_), name)


def subvolume_mount(device: str, id_: int, *, read_only: bool = False) -> Mount:
    """Return the mount of a subvolume."""
    options = (f"subvolid={id_}", "ro") if read_only else (f"subvolid={id_}",)
    return Mount(type="btrfs", source=device, options=options)


def _check_no_nested_subvolumes(record: Record, active: int) -> None:
    """Check that the subvolume of an active snapshot contains no other subvolumes.

    Raises:
        FailedPrecondition: It does. The message names some of them, and the remedy.
    """
    found = list(itertools.islice(nested_paths(active, _ioctl.subvolume(active).id), MAX_NAMED + 1))
    if found:
        # Names are bytes, and messages must be valid UTF-8.
        named = [shorten(path.encode(errors="backslashreplace").decode()) for path in found[:MAX_NAMED]]
        more = " and others" if len(found) > MAX_NAMED else ""
        raise FailedPrecondition(
            f"commit snapshot {shorten(record.info.name)}: it contains btrfs subvolumes, whose data would "
            f"be lost: {', '.join(named)}{more}. Replace each by a directory, innermost first (mv P "
            "P.old; cp -a --reflink=auto P.old P; btrfs subvolume delete P.old), and commit again"
        )


def _find(path: str) -> _ioctl.Subvolume:
    with open_subvolume(path) as root:
        return _ioctl.subvolume(root)


def _subvolume_name(record: Record) -> str:
    return record.info.kind.name.lower()


def _limit(directory: int, id_: int, size: int) -> bool:
    """Limit the exclusive size of a subvolume; return False if quotas are off."""
    try:
        _ioctl.limit_exclusive(directory, id_, size)
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            return False
        raise
    return True
