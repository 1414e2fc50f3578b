"""Snapshots as ext4 images: each one file, a copy of its parent's, mounted through a loop device."""

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
"""The image in a data root that snapshots without a parent are copies of."""


@attrs.frozen
class BlockfileConfig:
    """How the blockfile snapshotter makes and mounts images."""

    root_path: str = ""
    """Where images are kept; empty: in the plugin's own directory below the host's root."""
    image_size: str = "10G"
    """How large a tree can become, as mkfs.ext4 takes it. An image takes up only what was written to it."""
    mkfs_options: tuple[str, ...] = ("-I", "256", "-m", "0", "-O", "^resize_inode")
    """Options of mkfs.ext4. Smaller inodes have no room for the nanoseconds of times."""
    mount_options: tuple[str, ...] = ("discard", "data_err=abort")
    """Options of each mount. Deleted files give their space back, and content that is not written is an error."""


class BlockfileBackend(Backend):
    """One image for each snapshot but views of a parent, which show the parent's own."""

    def __init__(self, root: str, config: BlockfileConfig) -> None:
        """Keep images in a data root where `make_empty_image` has made the first."""
        super().__init__(root)
        self._config = config

    def has_data(self, record: Record) -> bool:
        """Whether a snapshot has an image of its own."""
        return record.info.kind is not Kind.VIEW or not record.parent_ids

    def create(self, record: Record, path: str) -> None:
        """Copy the parent's image, or the empty one."""
        if self.has_data(record):
            empty = os.path.join(self.root, EMPTY)
            copy_file(self.path(record.parent_ids[0]) if record.parent_ids else empty, path)

    def mounts(self, record: Record) -> list[Mount]:
        """The image, or the parent's, through a loop device; for a view, one that cannot be written to."""
        shown = record.id if self.has_data(record) else record.parent_ids[0]
        access = "ro" if record.info.kind is Kind.VIEW else "rw"
        return [Mount("ext4", self.path(shown), ("loop", *self._config.mount_options, access))]

    def usage(self, record: Record) -> Usage:
        """What the image takes up, also what was copied, and blocks that are shared with the parent's."""
        return Usage(*disk_usage(self.path(record.id)))

    def commit(self, record: Record) -> None:
        """Refuse an image that somebody can still write to, or that lacks what was written to it.

        Raises:
            FailedPrecondition: It was not unmounted, or its file system met an error.
        """
        image = self.path(record.id)
        if not is_clean(image):
            raise FailedPrecondition(
                f"the image of snapshot {record.info.name!r} is not clean: unmount it. If it is not mounted, the "
                f"machine stopped or its disk was full while it was written to: check it with `e2fsck -p {image}`"
            )


def is_clean(image: str) -> bool:
    """Whether all was written, and nothing will be (the kernel's documentation: ext4, The Super Block)."""
    with open(image, "rb") as file:
        state, incompatible = struct.unpack_from("<58x H 36x I", file.read(2048), offset=1024)
    return state == 1 and not incompatible & 4  # valid, without errors; no journal to be replayed


def make_empty_image(root: str, config: BlockfileConfig) -> None:
    """Make a data root and the `EMPTY` image in it, and see by it whether images work here.

    Raises:
        SkipPlugin: They cannot be formatted or mounted.
        InvalidArgument: They can, but not as configured.
    """
    os.makedirs(root, mode=0o700, exist_ok=True)
    trial = tempfile.mkdtemp(prefix="trial-", dir=root)
    image = os.path.join(trial, "image")
    try:
        format_image(image, config)
        try:
            with temporary_mount([Mount("ext4", image, ("loop",))], directory=trial) as mounted:
                os.rmdir(os.path.join(mounted, "lost+found"))  # else it would be part of every tree
        except MountFailed as error:
            raise SkipPlugin(f"ext4 images cannot be mounted in {root}: {error}") from error
        try:
            with temporary_mount([Mount("ext4", image, ("loop", *config.mount_options))], directory=trial):
                pass
        except MountFailed as error:
            raise InvalidArgument(f"mount_options {list(config.mount_options)}: {error}") from error
        os.rename(image, os.path.join(root, EMPTY))
    finally:
        remove_tree(trial)


def format_image(image: str, config: BlockfileConfig) -> None:
    """Make a sparse file with an empty file system."""
    command = ["mkfs.ext4", "-q", *config.mkfs_options, image, config.image_size]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SkipPlugin("there is no program mkfs.ext4: install e2fsprogs") from error
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
    """Try out images and open the snapshotter."""
    root = os.path.abspath(ic.config.root_path or str(ic.root))
    ic.meta.exports["root"] = root
    ic.meta.platforms.append(host_platform())
    make_empty_image(root, ic.config)
    store = ic.get_single(PluginType.METASTORE).snapshotter(ID)
    return LocalSnapshotter.open(BlockfileBackend(root, ic.config), store)
