"""Snapshots as layers of overlayfs (Documentation/filesystems/overlayfs.rst)."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Final

from lamina.fs import SecureDirectory, TreeVisitor, disk_usage, holds_at_most, is_full_or_read_only
from lamina.mount import Mount
from lamina.plugins.snapshots.overlay._marks import TRUSTED, RemovedMarks, RenamedMarks, hide_below
from lamina.plugins.snapshots.overlay._owner import Owners
from lamina.plugins.snapshots.overlay._root_directory import MODE, RootDirectories
from lamina.snapshots import Kind, Usage
from lamina.snapshots.labels import GID_MAPPING, MAX_SIZE, UID_MAPPING, UPPERDIR
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record

_log = logging.getLogger(__name__)

EMPTY: Final = "empty"
"""The directory in the data root that is the lower layer where there is none."""
_EMPTY_MODE: Final = 0o555
_EXTRACTION: Final = "extract-"
"""Begins, after the last slash, the keys under which containerd unpacks layers (`UnpackKeyFormat` of its package
`snapshots`): `default/12/extract-123456789-AbCd sha256:…`."""


class OverlayBackend(Backend):
    """A directory `fs` for each snapshot, and for active ones the `work` directory that overlayfs needs.

    The mounts have the shapes of containerd's overlay snapshotter, option for option. There is one more: a layer
    that containerd unpacks without a parent gets an overlay. It is put on its parent when it is committed, and
    containerd writes down what it deletes of that onto an overlay only.
    """

    rebases = True

    def __init__(
        self,
        root: str,
        *,
        options: Sequence[str] = (),
        upperdir_label: bool = False,
        remap_ids: bool = False,
    ) -> None:
        """Keep layers below a directory that `probe` has found fit.

        Args:
            root: The directory's absolute path; it must exist.
            options: Mount options for every overlay mount, as `probe` returned them.
            upperdir_label: Whether each snapshot shows its `fs` directory in a label.
            remap_ids: Whether the mounts of a snapshot with id mapping labels ask to be id-mapped, unless its
                parent is a copy that the client has chowned; see `remaps_ids`.
        """
        super().__init__(root)
        self._options = tuple(options)
        self._upperdir_label = upperdir_label
        self._remap_ids = remap_ids
        self._own = "user.overlay." if "userxattr" in options else TRUSTED
        self._roots = RootDirectories(own=self._own)
        self._empty = os.path.join(root, EMPTY)

    def open(self) -> None:
        """Make, and check, the directory that is the lower layer where there is none."""
        with SecureDirectory.open(self.root) as root:
            try:
                root.subdirectory(EMPTY, create_mode=_EMPTY_MODE).close()
            except OSError as error:
                if not is_full_or_read_only(error):
                    raise
                _log.warning("cannot make the empty directory", exc_info=error, extra={"path": self._empty})

    def mend(self, record: Record) -> bool:
        """As `Backend.mend`: what was written is in `fs`, and `work` holds nothing that counts."""
        path = self.path(record.id)
        if not os.path.lexists(f"{path}/fs"):
            return False
        if record.info.kind is Kind.ACTIVE and not os.path.lexists(f"{path}/work"):
            try:
                _make_directory(f"{path}/work", 0o711)
            except FileNotFoundError:  # removed meanwhile
                return False
        return True

    def needs_sync(self, record: Record) -> bool:
        """Whether `create` makes more than directories: it does not."""
        return False

    def creates_empty(self, record: Record) -> bool:
        """Report that `create` makes an empty upper directory."""
        return True

    def is_unchanged(self, record: Record) -> bool:
        """Compare the upper directory of a snapshot with its parent's."""
        return self._roots.are_alike(self._upper(record.parent_ids[0]), self._upper(record.id))

    def creates_quickly(self, record: Record) -> bool:
        """Whether `create` is soon done: it makes directories alone."""
        return True

    def commits_quickly(self, record: Record) -> bool:
        """Whether a snapshot has few files."""
        return holds_at_most(self._upper(record.id))

    def create(self, record: Record, path: str) -> None:
        """Make the directories of a snapshot; `fs` becomes like that of the parent, which is the root of its tree.

        A limit of its size is not kept: overlayfs has none.
        """
        if MAX_SIZE in record.info.labels:
            _log.warning(
                "overlayfs cannot limit the size of a snapshot: ignoring its label",
                extra={"key": record.info.name, "max_size": record.info.labels[MAX_SIZE]},
            )
        owners = Owners.of(record.info.labels)
        if self._id_maps(record):
            _log.info(
                "a client gets an id-mapped mount, which containerd 1.x cannot make: for that one, set "
                "remap_ids = false, and take remap-ids out of its table",
                extra={"key": record.info.name},
            )
        os.mkdir(path, 0o700)
        upper = os.path.join(path, "fs")
        os.mkdir(upper)
        if record.info.kind is Kind.ACTIVE:
            _make_directory(os.path.join(path, "work"), 0o711)
        if record.parent_ids:
            self._roots.copy(self._upper(record.parent_ids[0]), upper, owners)
            return
        if _is_extraction(record):
            with contextlib.suppress(FileExistsError):  # it is not there only if the start could not make it
                _make_directory(self._empty, _EMPTY_MODE)
        os.chmod(upper, MODE)  # the umask has no say in it
        if owners is not None and not self._is_mapped_when_bound(record):
            os.chown(upper, *owners.root)

    def rebase(self, record: Record) -> None:
        """Give the `fs` directory what the new parent's has, where it is as it was made. Its times stay."""
        owners = None if self._is_mapped_when_bound(record) else Owners.of(record.info.labels)
        self._roots.complete(self._upper(record.parent_ids[0]), self._upper(record.id), owners)

    def _is_mapped_when_bound(self, record: Record) -> bool:
        """Whether a bind mount of a snapshot's directory shows what is root's on disk as the container's root's.

        (containerd gives the directory away all the same, and so has its owner mapped twice.)
        """
        return len(self._wanted_id_maps(record)) == 2 and not _is_extraction(record)

    def mounts(self, record: Record) -> list[Mount]:
        """One bind mount where a single directory shows the whole snapshot, else one overlay mount."""
        read_only = record.info.kind is Kind.VIEW
        id_maps = self._id_maps(record)
        if not record.parent_ids and not _is_extraction(record):
            return [_bind(self._upper(record.id), *id_maps, "ro" if read_only else "rw")]
        if read_only and len(record.parent_ids) == 1:
            return [_bind(self._upper(record.parent_ids[0]), *id_maps, "ro")]
        lower = ":".join([f"{self.snapshots}{id_}/fs" for id_ in record.parent_ids]) or self._empty
        options = [f"lowerdir={lower}", *self._options]
        if not read_only:
            work = f"{self.path(record.id)}/work"
            options = [f"workdir={work}", f"upperdir={self._upper(record.id)}", *options]
        return [Mount(type="overlay", source="overlay", options=(*id_maps, *options))]

    def usage(self, record: Record) -> Usage:
        """What the snapshot's own layer takes up."""
        return self._usage(record, None)

    def finish(self, record: Record) -> Usage:
        """As `Backend.finish`: below the first layer there is nothing that a mark could hide."""
        if not record.parent_ids:
            return self._usage(record, RemovedMarks(self._own))
        hide_below(self._upper(record.id), map(self._upper, record.parent_ids), self._own)
        return self._usage(record, None if self._own == TRUSTED else RenamedMarks(self._own))

    def _usage(self, record: Record, visitor: TreeVisitor | None) -> Usage:
        return Usage(*disk_usage(self._upper(record.id), visitor=visitor))

    def labels(self, id_: int) -> Mapping[str, str]:
        """The label with the `fs` directory, where that is configured."""
        return {UPPERDIR: self._upper(id_)} if self._upperdir_label else {}

    def destroy(self, path: str) -> None:
        """As `Backend.destroy`; three system calls where nothing was written into the snapshot."""
        try:
            for name in (f"{path}/work", f"{path}/fs", path):
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(name)
        except OSError:  # whatever it is, the removal of the tree meets it again
            super().destroy(path)

    def _id_maps(self, record: Record) -> list[str]:
        """The mount options that the id mapping labels ask for; none where they would map owners twice."""
        wanted = self._wanted_id_maps(record)
        return [] if wanted and self._is_chowned(record) else wanted

    def _is_chowned(self, record: Record) -> bool:
        """Whether the parent belongs to the container's users on disk.

        A client that does not know that the kernel can map owners chowns a copy of an image, and prepares a
        snapshot on that with the same labels.
        """
        owners = Owners.of(record.info.labels)
        if owners is None or owners.root == (0, 0) or not record.parent_ids:
            return False
        status = os.stat(self._upper(record.parent_ids[0]))
        return (status.st_uid, status.st_gid) == owners.root

    def _wanted_id_maps(self, record: Record) -> list[str]:
        if not self._remap_ids:
            return []
        labels = record.info.labels
        keys = {"uidmap": UID_MAPPING, "gidmap": GID_MAPPING}
        return [f"{key}={labels[label]}" for key, label in keys.items() if label in labels]

    def _upper(self, id_: int) -> str:
        return f"{self.path(id_)}/fs"


def _is_extraction(record: Record) -> bool:
    """Whether containerd unpacks a layer into an active snapshot."""
    return record.info.kind is Kind.ACTIVE and record.info.name.rpartition("/")[2].startswith(_EXTRACTION)


def _bind(source: str, *options: str) -> Mount:
    return Mount(type="bind", source=source, options=(*options, "rbind"))


def _make_directory(path: str, mode: int) -> None:
    os.mkdir(path)
    os.chmod(path, mode)  # the umask has no say in it
