"""A snapshotter that stores each snapshot in an ext4 image, which is a copy of its parent's."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from typing import Any

import attrs

from lamina.errdefs import FailedPrecondition, InvalidArgument, MountFailed, SkipPlugin
from lamina.fs import copy_file, disk_usage, remove_tree
from lamina.mount import Mount, temporary_mount
from lamina.plugin import InitContext, PluginType, Registration, hookimpl, host_platform
from lamina.snapshots import Kind, Usage
from lamina.snapshots.local import Backend, LocalSnapshotter
from lamina.snapshots.storage import Record

ID = "blockfile"
EMPTY = "empty"
"""The image in the data root of which snapshots without a parent are copies."""


@attrs.frozen
class BlockfileConfig:
    """Configuration of the blockfile snapshotter."""

    root_path: str = ""
    """Directory of the images; empty for the plugin's own directory below the host's root."""
    image_size: str = "10G"
    """The size of the file systems, in the notation of mkfs.ext4. Images are sparse."""
    mkfs_options: tuple[str, ...] = ("-I", "256", "-m", "0", "-O", "^resize_inode")
    """Options of mkfs.ext4. Inodes smaller than 256 bytes do not store nanoseconds."""
    mount_options: tuple[str, ...] = ("discard", "data_err=abort")
    """Options of each mount. The default returns the space of deleted files, and reports failed writes."""


class BlockfileBackend(Backend):
    """Stores one image for each snapshot. A view of a parent shows the parent's image."""

    def __init__(self, root: str, config: BlockfileConfig) -> None:
        """Store images in a data root that `make_empty_image` has prepared."""
        super().__init__(root)
        self._config = config

    def has_data(self, record: Record) -> bool:
        """Return whether a snapshot has its own image."""
        return record.info.kind is not Kind.VIEW or not record.parent_ids

    def create(self, record: Record, path: str) -> None:
        """Copy the parent's image or the empty one."""
        if self.has_data(record):
            empty = os.path.join(self.root, EMPTY)
            copy_file(self.path(record.parent_ids[0]) if record.parent_ids else empty, path)

    def mounts(self, record: Record) -> list[Mount]:
        """Return a loop mount of the image or of the parent's, which is read-only for a view."""
        shown = record.id if self.has_data(record) else record.parent_ids[0]
        access = "ro" if record.info.kind is Kind.VIEW else "rw"
        return [Mount("ext4", self.path(shown), ("loop", *self._config.mount_options, access))]

    def usage(self, record: Record) -> Usage:
        """Measure the image, including copied blocks and blocks shared with the parent's."""
        return Usage(*disk_usage(self.path(record.id)))

    def commit(self, record: Record) -> None:
        """Check that the image is cleanly unmounted, so that it is complete and cannot change.

        Raises:
            FailedPrecondition: The image is still mounted, or its file system has an error.
        """
        image = self.path(record.id)
        if not is_clean(image):
            raise FailedPrecondition(
                f"the image of snapshot {record.info.name!r} is not clean: unmount it. If it is not mounted, the "
                f"machine crashed or the disk was full during a write: check it with `e2fsck -p {image}`"
            )


def is_clean(image: str) -> bool:
    """Return whether a file system was unmounted without errors (kernel documentation, ext4, The Super Block)."""
    with open(image, "rb") as file:
        state, incompatible = struct.unpack_from("<58x H 36x I", file.read(2048), offset=1024)
    return state == 1 and not incompatible & 4  # valid, without errors, no journal to replay


def make_empty_image(root: str, config: BlockfileConfig) -> None:
    """Create a data root with the `EMPTY` image, and mount the image to verify that images work.

    Raises:
        SkipPlugin: Images cannot be formatted or mounted.
        InvalidArgument: Images do not work with the configured options.
    """
    os.makedirs(root, mode=0o700, exist_ok=True)
    temporary = tempfile.mkdtemp(prefix="probe-", dir=root)
    image = os.path.join(temporary, "image")
    try:
        format_image(image, config)
        try:
            with temporary_mount([Mount("ext4", image, ("loop",))], directory=temporary) as mounted:
                os.rmdir(os.path.join(mounted, "lost+found"))  # or it would be part of every tree
        except MountFailed as error:
            raise SkipPlugin(f"ext4 images cannot be mounted in {root}: {error}") from error
        try:
            with temporary_mount([Mount("ext4", image, ("loop", *config.mount_options))], directory=temporary):
                pass
        except MountFailed as error:
            raise InvalidArgument(f"mount_options {list(config.mount_options)}: {error}") from error
        os.rename(image, os.path.join(root, EMPTY))
    finally:
        remove_tree(temporary)


def format_image(image: str, config: BlockfileConfig) -> None:
    """Create a sparse file with an empty file system."""
    command = ["mkfs.ext4", "-q", *config.mkfs_options, image, config.image_size]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SkipPlugin("mkfs.ext4 is not installed: install e2fsprogs") from error
    except subprocess.CalledProcessError as error:
        raise InvalidArgument(f"{' '.join(command)}: {error.stderr.strip()}") from error


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the snapshotter."""
    yield Registration(
        type=PluginType.SNAPSHOTTER,
        id=ID,
        requires=(PluginType.METASTORE,),
        config=BlockfileConfig,
        init=init_blockfile,
    )


def init_blockfile(ic: InitContext[BlockfileConfig]) -> LocalSnapshotter:
    """Prepare the data root and open the snapshotter."""
    root = os.path.abspath(ic.config.root_path or str(ic.root))
    ic.meta.exports["root"] = root
    ic.meta.platforms.append(host_platform())
    make_empty_image(root, ic.config)
    store = ic.get_single(PluginType.METASTORE).snapshotter(ID)
    return LocalSnapshotter.open(BlockfileBackend(root, ic.config), store)
