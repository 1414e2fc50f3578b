"""A backend that stacks layers with overlayfs (Documentation/filesystems/overlayfs.rst)."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.fs import SecureDirectory, TreeVisitor, disk_usage, is_full_or_read_only, quick_disk_usage
from lamina.mount import Mount
from lamina.plugins.snapshots.overlay._container_ids import ContainerIds
from lamina.plugins.snapshots.overlay._root_metadata import MODE, RootMetadataCopier
from lamina.plugins.snapshots.overlay._whiteouts import (
    TRUSTED_PREFIX,
    WhiteoutAdapter,
    WhiteoutRemover,
    expand_opaque_root,
    is_opaque,
)
from lamina.snapshots import Kind, Usage
from lamina.snapshots.labels import GID_MAPPING, MAX_SIZE, UID_MAPPING, UPPERDIR
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record

_log = logging.getLogger(__name__)

EMPTY: Final = "empty"
"""The empty directory in the data root that serves as the lower layer if a snapshot has no parent."""
_EMPTY_MODE: Final = 0o555
_ASIDE: Final = "removed"
"""The name, beside `fs`, that a whiteout has for a moment before it is deleted."""
_ADAPTED: Final = "adapted"
"""The name, beside `fs`, of a symbolic link to the parent for which a commit that has not ended adapts a layer."""
_EXTRACTION: Final = "extract-"
"""The prefix, after the last slash, of the keys under which containerd unpacks layers (`UnpackKeyFormat` in its
package `snapshots`): `default/12/extract-123456789-AbCd sha256:…`."""


class OverlayBackend(Backend):
    """Stores each snapshot in a directory `fs`; an active one also has the `work` directory of overlayfs.

    The mounts have the same options as those of containerd's overlay snapshotter, with one exception: a layer that
    containerd unpacks without a parent is mounted as an overlay, not a bind mount. It is rebased at commit, and
    containerd writes whiteouts for what it deletes from its parent only if the mount is an overlay.
    """

    rebases = True
    is_pure = True

    def __init__(
        self,
        root: str,
        *,
        options: Sequence[str] = (),
        upperdir_label: bool = False,
        remap_ids: bool = False,
    ) -> None:
        """Store layers in a directory that passed `probe`.

        Args:
            root: The absolute path of an existing directory.
            options: The options of every overlay mount, as returned by `probe`.
            upperdir_label: Report the `fs` directory of each snapshot in a label.
            remap_ids: Return id-mapped mounts for snapshots with id mapping labels, except on a parent that the
                client has chowned; see `probe`.
        """
        super().__init__(root)
        self._options = tuple(options)
        self._upperdir_label = upperdir_label
        self._remap_ids = remap_ids
        self._xattr_prefix = "user.overlay." if "userxattr" in options else TRUSTED_PREFIX
        self._root_metadata = RootMetadataCopier(xattr_prefix=self._xattr_prefix)
        self._adapted: set[int] = set()
        """Identifiers of active snapshots for which a commit of this process has made the link `_ADAPTED`."""
        self._empty = os.path.join(root, EMPTY)
        self._lower = functools.lru_cache(maxsize=64)(self._join)
        """The value of `lowerdir`, by the parents. Snapshots of one image share it."""

    def open(self) -> None:
        """Create and verify the empty lower layer."""
        with SecureDirectory.open(self.root) as root:
            try:
                root.subdirectory(EMPTY, create_mode=_EMPTY_MODE).close()
            except OSError as error:
                if not is_full_or_read_only(error):
                    raise
                _log.warning("cannot create the empty lower layer", exc_info=error, extra={"path": self._empty})

    def repair(self, record: Record) -> bool:
        """Recreate a missing `work` directory; return False if `fs` is missing, which has the data."""
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
        """Return False: `create` makes nothing but directories."""
        return False

    def creates_empty(self, record: Record) -> bool:
        """Return True: `create` makes an empty upper directory."""
        return True

    def is_unchanged(self, record: Record) -> bool:
        """Return whether the upper directory of a snapshot has the same metadata as its parent's."""
        return self._root_metadata.is_equal(self._upper(record.parent_ids[0]), self._upper(record.id))

    def create_blocks(self, record: Record) -> bool:
        """Return False: `create` makes nothing but directories."""
        return False

    def create(self, record: Record, path: str) -> None:
        """Create the directories of a snapshot; `fs` gets the metadata of the parent's root directory.

        A size limit is ignored with a warning: overlayfs has none.
        """
        if MAX_SIZE in record.info.labels:
            _log.warning(
                "overlayfs cannot limit the size of a snapshot: ignoring its label",
                extra={"key": record.info.name, "max_size": record.info.labels[MAX_SIZE]},
            )
        ids = ContainerIds.from_labels(record.info.labels)
        if self._id_maps(record):
            _log.info(
                "returning an id-mapped mount, which containerd 1.x does not support: for 1.x, set "
                "remap_ids = false and remove remap-ids from its table",
                extra={"key": record.info.name},
            )
        os.mkdir(path, 0o700)
        upper = os.path.join(path, "fs")
        os.mkdir(upper)
        if record.info.kind is Kind.ACTIVE:
            _make_directory(os.path.join(path, "work"), 0o711)
        if record.parent_ids:
            self._root_metadata.copy(self._upper(record.parent_ids[0]), upper, ids)
            return
        if _is_extraction(record):
            with contextlib.suppress(FileExistsError):  # missing only if the disk was full at start-up
                _make_directory(self._empty, _EMPTY_MODE)
        os.chmod(upper, MODE)  # whatever the umask
        if ids is not None and not self._is_mapped_by_bind_mount(record):
            os.chown(upper, *ids.root)

    def rebase(self, record: Record) -> None:
        """Copy metadata of the new parent's `fs` directory where the layer has not changed it; times stay."""
        self._adapt_to_parent(record)  # `finish_quickly` has not checked it
        ids = None if self._is_mapped_by_bind_mount(record) else ContainerIds.from_labels(record.info.labels)
        self._root_metadata.copy_missing(self._upper(record.parent_ids[0]), self._upper(record.id), ids)

    def _is_mapped_by_bind_mount(self, record: Record) -> bool:
        """Return whether a bind mount of a snapshot's directory maps root to the container's root.

        containerd still changes the owner on disk, so that it is mapped twice.
        """
        return len(self._wanted_id_maps(record)) == 2 and not _is_extraction(record)

    def mounts(self, record: Record) -> list[Mount]:
        """Return a bind mount if a single directory contains the whole snapshot, else an overlay mount."""
        read_only = record.info.kind is Kind.VIEW
        id_maps = self._id_maps(record)
        if not record.parent_ids and not _is_extraction(record):
            return [_bind(self._upper(record.id), *id_maps, "ro" if read_only else "rw")]
        if read_only and len(record.parent_ids) == 1:
            return [_bind(self._upper(record.parent_ids[0]), *id_maps, "ro")]
        options = [f"lowerdir={self._lower(record.parent_ids)}", *self._options]
        if not read_only:
            work = f"{self.path(record.id)}/work"
            options = [f"workdir={work}", f"upperdir={self._upper(record.id)}", *options]
        return [Mount(type="overlay", source="overlay", options=(*id_maps, *options))]

    def _join(self, parent_ids: tuple[int, ...]) -> str:
        """Return the value of `lowerdir`."""
        return ":".join([f"{self.snapshots}{id_}/fs" for id_ in parent_ids]) or self._empty

    def mounts_vary(self, record: Record) -> bool:
        """Return whether the mounts depend on the owner of the parent's files."""
        return bool(self._wanted_id_maps(record))

    def usage(self, record: Record) -> Usage:
        """Measure the snapshot's own layer."""
        return self._usage(record, None)

    def finish(self, record: Record) -> Usage:
        """Measure an active snapshot, and adapt its whiteouts and opaque directories to its final parents."""
        self._adapt_to_parent(record)
        aside = f"{self.path(record.id)}/{_ASIDE}"
        if not record.parent_ids:
            return self._usage(record, WhiteoutRemover(self._xattr_prefix, aside))
        lower = [self._upper(id_) for id_ in record.parent_ids]
        expand_opaque_root(self._upper(record.id), lower, self._xattr_prefix)
        return self._usage(record, WhiteoutAdapter(self._xattr_prefix, lower, aside))

    def _adapt_to_parent(self, record: Record) -> None:
        """Remember the parent for which a commit adapts a layer, before it does.

        Raises:
            FailedPrecondition: An earlier commit adapted it to another parent: it may lack whiteouts that the new
                one needs.
        """
        self._adapted.add(record.id)
        link = f"{self.path(record.id)}/{_ADAPTED}"
        parent = f"../{record.parent_ids[0]}" if record.parent_ids else f"../../{EMPTY}"
        try:
            os.symlink(parent, link)  # with its content at once, unlike a file
        except FileExistsError:
            if os.readlink(link) != parent:
                raise FailedPrecondition(
                    "an earlier commit, which failed, adapted the layer to another parent or to none: above this "
                    "one it could show files that it deletes. Commit it with the same parent as before, or remove "
                    "the snapshot and unpack the layer again"
                ) from None

    def committed(self, record: Record) -> None:
        """Forget for which parent the layer was adapted.

        After a crash the link stays: it means nothing for a committed snapshot, and looking for it costs time.
        """
        if record.id in self._adapted:
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                os.unlink(f"{self.path(record.id)}/{_ADAPTED}")
            self._adapted.discard(record.id)

    def finish_quickly(self, record: Record) -> Usage | None:
        """Measure a snapshot with few files and nothing to adapt."""
        upper = self._upper(record.id)
        if is_opaque(upper, self._xattr_prefix):
            return None
        usage = quick_disk_usage(upper)
        if usage is None or (not record.parent_ids and usage[1] > 1):  # there may be whiteouts
            return None
        return Usage(*usage)

    def _usage(self, record: Record, visitor: TreeVisitor | None) -> Usage:
        return Usage(*disk_usage(self._upper(record.id), visitor=visitor))

    def labels(self, id_: int) -> Mapping[str, str]:
        """Return the label with the `fs` directory, if configured."""
        return {UPPERDIR: self._upper(id_)} if self._upperdir_label else {}

    def destroy(self, path: str) -> None:
        """Delete the directories. An empty snapshot takes three system calls."""
        try:
            for name in (f"{path}/work", f"{path}/fs", path):
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(name)
        except OSError:  # not empty; the removal of the tree reports other errors
            super().destroy(path)

    def _id_maps(self, record: Record) -> list[str]:
        """Return the id-mapping mount options; none if the files already have the host's ids."""
        wanted = self._wanted_id_maps(record)
        return [] if wanted and self._parent_is_chowned(record) else wanted

    def _parent_is_chowned(self, record: Record) -> bool:
        """Return whether the container's root owns the parent on disk.

        A client without support for id-mapped mounts chowns a copy of an image, and prepares a snapshot on it with
        the same labels.
        """
        ids = ContainerIds.from_labels(record.info.labels)
        if ids is None or ids.root == (0, 0) or not record.parent_ids:
            return False
        status = os.stat(self._upper(record.parent_ids[0]))
        return (status.st_uid, status.st_gid) == ids.root

    def _wanted_id_maps(self, record: Record) -> list[str]:
        if not self._remap_ids:
            return []
        labels = record.info.labels
        keys = {"uidmap": UID_MAPPING, "gidmap": GID_MAPPING}
        return [f"{key}={labels[label]}" for key, label in keys.items() if label in labels]

    def _upper(self, id_: int) -> str:
        return f"{self.path(id_)}/fs"


def _is_extraction(record: Record) -> bool:
    """Return whether containerd unpacks a layer into an active snapshot."""
    return record.info.kind is Kind.ACTIVE and record.info.name.rpartition("/")[2].startswith(_EXTRACTION)


def _bind(source: str, *options: str) -> Mount:
    return Mount(type="bind", source=source, options=(*options, "rbind"))


def _make_directory(path: str, mode: int) -> None:
    os.mkdir(path)
    os.chmod(path, mode)  # whatever the umask
