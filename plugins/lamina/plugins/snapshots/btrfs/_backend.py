"""Snapshots as subvolumes of btrfs (Documentation/filesystems/btrfs.rst, btrfs-subvolume(8))."""

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
    destroy,
    open_directory,
    open_subvolume,
    paths_inside,
)
from lamina.plugins.snapshots.btrfs._usage import changed, exclusive
from lamina.snapshots import Kind, Usage
from lamina.snapshots.labels import MAX_SIZE
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record, shorten

_log = logging.getLogger(__name__)

NAMED: Final = 10
"""How many subvolumes inside a snapshot a message names."""
ACTIVE, VIEW, COMMITTED = (kind.name.lower() for kind in (Kind.ACTIVE, Kind.VIEW, Kind.COMMITTED))


class BtrfsBackend(Backend):
    """A directory for each snapshot, and in it a subvolume that is named after the snapshot's kind.

    A commit takes a read-only snapshot, `committed`, of the subvolume `active`, which is deleted when the commit
    is durable. While there are both, the record says which of them counts. So whoever goes on writing through a
    mount or an open file that is older than the commit never reaches what was committed.
    """

    freezes = True

    def __init__(self, root: str, *, device: str) -> None:
        """Keep subvolumes below a directory that `probe` has found fit.

        Args:
            root: The directory's absolute path; it must exist.
            device: The block device of its file system, as `probe` returned it.
        """
        super().__init__(root)
        self._device = device

    def mend(self, record: Record) -> bool:
        """As `Backend.mend`: all depends on the subvolume, which no log holds."""
        return os.path.lexists(self._subvolume(record.id, _name(record)))

    def needs_sync(self, record: Record) -> bool:
        """Whether a new subvolume could be there without its files: btrfs writes them in one transaction."""
        return False

    def create(self, record: Record, path: str) -> None:
        """Make the subvolume of an active snapshot or a view: a snapshot of its parent's, or an empty one."""
        is_view = record.info.kind is Kind.VIEW
        limit = None if is_view else max_size(record.info.labels)
        name = _name(record)
        os.mkdir(path, 0o700)
        with open_directory(path) as directory:
            if record.parent_ids:
                with open_subvolume(self._subvolume(record.parent_ids[0], COMMITTED)) as parent:
                    _ioctl.create_snapshot(parent, directory, name, read_only=is_view)
            else:
                _ioctl.create_subvolume(directory, name)
                with open_subvolume(os.path.join(path, name)) as root:
                    os.fchmod(root, 0o755)  # the umask has no say in it
                    _ioctl.set_read_only(root, read_only=is_view)
            if limit is not None and not _limit(directory, _find(os.path.join(path, name)).id, limit):
                _log.warning(
                    "a snapshot is not limited in size, since quotas are off (btrfs quota enable)",
                    extra={"id": record.id, "key": record.info.name, MAX_SIZE: limit},
                )

    def mounts(self, record: Record) -> list[Mount]:
        """The subvolume, mounted from its device by id."""
        try:
            id_ = self._find(record.id, _name(record)).id
        except OSError as error:
            raise from_os_error(error, f"find the subvolume of snapshot {record.info.name!r}") from error
        return [subvolume_mount(self._device, id_, read_only=record.info.kind is Kind.VIEW)]

    def usage(self, record: Record) -> Usage:
        """What an active snapshot takes up beyond its parent.

        The transaction is committed first: what is in memory only would not count. The size is what qgroups say
        that the subvolume has for itself, where quotas are on, else that of the files that were added or changed.
        """
        with open_directory(self.path(record.id)) as directory:
            _ioctl.sync(directory)
            own = self._find(record.id, _name(record))
            parent = self._find(record.parent_ids[0], COMMITTED) if record.parent_ids else None
            size, inodes = changed(directory, own, parent)
            own_size = exclusive(directory, own.id)
        # While a commit is under way, and after one that failed, everything is shared with its copy.
        is_shared = os.path.lexists(self._subvolume(record.id, COMMITTED))
        return Usage(size if own_size is None or is_shared else own_size, inodes)

    def commit(self, record: Record) -> None:
        """Take the read-only snapshot that is committed.

        Raises:
            FailedPrecondition: There are subvolumes inside, which a snapshot leaves out. Nothing has changed.
        """
        path = self.path(record.id)
        with open_directory(path) as directory, open_subvolume(self._subvolume(record.id, ACTIVE)) as active:
            _check_whole(record, active)
            self._destroy(path, COMMITTED)  # what a commit that failed has left behind
            _ioctl.create_snapshot(active, directory, COMMITTED, read_only=True)
            try:
                _check_whole(record, active)  # one may have been made meanwhile
            except FailedPrecondition:
                self._destroy(path, COMMITTED)
                raise
            # Else everything that is built on it would have the limit of this one snapshot.
            _limit(directory, self._find(record.id, COMMITTED).id, _ioctl.UNLIMITED)

    def committed(self, record: Record) -> None:
        """Delete the subvolume that was written to."""
        self._destroy(self.path(record.id), ACTIVE)

    def destroy(self, path: str) -> None:
        """Delete the subvolumes of a removed snapshot, those that others have made inside them too."""
        for name in (ACTIVE, VIEW, COMMITTED):
            self._destroy(path, name)
        remove_tree(path)

    def _destroy(self, path: str, name: str) -> None:
        """Delete a subvolume in a snapshot's directory. Where there is none, nothing happens."""
        with contextlib.suppress(FileNotFoundError, NotASubvolume), open_directory(path) as directory:
            with open_subvolume(os.path.join(path, name)) as root:
                id_ = _ioctl.subvolume(root).id
            destroy(directory, id_, self._make_writable)

    def _make_writable(self, id_: int) -> None:
        """Clear the read-only flag of a subvolume of which only the id is known."""
        with (
            temporary_mount([subvolume_mount(self._device, id_)], directory=self.root) as mounted,
            open_subvolume(mounted) as root,
        ):
            _ioctl.set_read_only(root, read_only=False)

    def _find(self, id_: int, name: str) -> _ioctl.Subvolume:
        return _find(self._subvolume(id_, name))

    def _subvolume(self, id_: int, name: str) -> str:
        return os.path.join(self.path(id_), name)


def subvolume_mount(device: str, id_: int, *, read_only: bool = False) -> Mount:
    """The mount of a subvolume."""
    options = (f"subvolid={id_}", "ro") if read_only else (f"subvolid={id_}",)
    return Mount(type="btrfs", source=device, options=options)


def _check_whole(record: Record, active: int) -> None:
    """Check that all that shows in an active snapshot is in its subvolume.

    Raises:
        FailedPrecondition: There are subvolumes inside; the message names some, and says what to do.
    """
    found = list(itertools.islice(paths_inside(active, _ioctl.subvolume(active).id), NAMED + 1))
    if found:
        # Names are any bytes, and the message is sent as text.
        named = [shorten(path.encode(errors="backslashreplace").decode()) for path in found[:NAMED]]
        more = " and others" if len(found) > NAMED else ""
        raise FailedPrecondition(
            f"commit snapshot {shorten(record.info.name)}: there are btrfs subvolumes inside, and what is in them "
            f"would be lost: {', '.join(named)}{more}. Make each a directory, those inside others first (mv P "
            "P.old; cp -a --reflink=auto P.old P; btrfs subvolume delete P.old), and commit again"
        )


def _find(path: str) -> _ioctl.Subvolume:
    with open_subvolume(path) as root:
        return _ioctl.subvolume(root)


def _name(record: Record) -> str:
    return record.info.kind.name.lower()


def _limit(directory: int, id_: int, size: int) -> bool:
    """Limit what a subvolume may take up beyond its parent; return False where quotas are off."""
    try:
        _ioctl.limit_exclusive(directory, id_, size)
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            return False
        raise
    return True
