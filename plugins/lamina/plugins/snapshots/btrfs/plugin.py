"""The registration of the btrfs snapshotter."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.plugins.snapshots._data_root import create_data_root, diagnosed_data_root
from lamina.plugins.snapshots.btrfs._device import btrfs_device

if TYPE_CHECKING:
    from lamina.plugin import DiagnoseContext, Finding
    from lamina.snapshots.local import LocalSnapshotter

ID = "btrfs"


@attrs.frozen(eq=False, repr=False)
class BtrfsConfig:
    """Configuration of the btrfs snapshotter."""

    root_path: str = ""
    """Directory of the subvolumes, on btrfs; empty for the plugin's own directory below the host's root."""
    sync_remove: bool = False
    """Delete the subvolume of a removed snapshot before answering, not in the background."""
    sync_fs: bool = True
    """Sync the file system before answering a commit."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the btrfs snapshotter."""
    return [
        Registration(
            type=PluginType.SNAPSHOTTER,
            id=ID,
            requires=(PluginType.METASTORE,),
            config=BtrfsConfig,
            init=init_btrfs,
            diagnose=diagnose_btrfs,
            examine=examine_btrfs,
        )
    ]


def init_btrfs(ic: InitContext[BtrfsConfig]) -> LocalSnapshotter:
    """Probe btrfs and open the snapshotter.

    Raises:
        SkipPlugin: The data root is not on btrfs, or subvolumes cannot be created there.
    """
    config = ic.config
    root = create_data_root(ic, ID, config.root_path)
    btrfs_device(root)  # most hosts need nothing of what follows
    from lamina.plugins.snapshots.btrfs import BtrfsBackend, probe
    from lamina.snapshots.local import LocalSnapshotter

    device = probe(root)
    if stat.S_IMODE(os.stat(root).st_mode) != 0o700:  # chmod(2) would fail on a read-only disk
        os.chmod(root, 0o700)
    store = ic.get_single(PluginType.METASTORE).snapshotter(ID)
    backend = BtrfsBackend(root, device=device)
    return LocalSnapshotter.open(backend, store, sync_fs=config.sync_fs, sync_remove=config.sync_remove)


def diagnose_btrfs(context: DiagnoseContext[BtrfsConfig]) -> Iterator[Finding]:
    """Check the requirements of subvolumes."""
    from lamina.plugins.snapshots.btrfs._diagnose import diagnose

    root_path = context.config.root_path
    return diagnose(diagnosed_data_root(context, root_path), context.host_pid, configured=bool(root_path))


def examine_btrfs(context: DiagnoseContext[BtrfsConfig]) -> Iterator[Finding]:
    """Check that every snapshot has a subvolume, and compare the limits of subvolumes with labels."""
    from lamina.plugins.snapshots._trees import examine_trees
    from lamina.plugins.snapshots.btrfs._backend import ACTIVE, COMMITTED, VIEW
    from lamina.plugins.snapshots.btrfs._quotas import check_quotas
    from lamina.plugins.snapshots.btrfs._subvolume import is_subvolume

    root = diagnosed_data_root(context, context.config.root_path)
    yield from examine_trees(root, [ACTIVE, VIEW, COMMITTED], is_subvolume)
    yield from check_quotas(root)
