"""The registration of the overlay snapshotter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import attrs

from lamina.errdefs import FailedPrecondition
from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.plugins.snapshots._data_root import create_data_root, diagnosed_data_root

if TYPE_CHECKING:
    from lamina.plugin import DiagnoseContext, Finding
    from lamina.snapshots.local import LocalSnapshotter

ID = "overlayfs"


@attrs.frozen(eq=False, repr=False)
class OverlayConfig:
    """Configuration of the overlay snapshotter."""

    root_path: str = ""
    """Directory of the layers; empty for the plugin's own directory below the host's root."""
    upperdir_label: bool = False
    """Report the upper directory of each snapshot in the label containerd.io/snapshot/overlay.upperdir."""
    sync_remove: bool = False
    """Delete the data of a removed snapshot before answering, not in the background."""
    sync_fs: bool = True
    """Sync the file system before answering a commit."""
    remap_ids: Literal["auto", True, False] = "auto"
    """Let the kernel map the owners of a snapshot for a user namespace: "auto" if it can, true or fail, or never.
    With false, clients chown a copy. containerd 1.x cannot mount id-mapped snapshots."""
    slow_chown: bool = False
    """If layers cannot be id-mapped, let clients chown a copy of the snapshot instead."""
    mount_options: tuple[str, ...] = ()
    """Extra options of every overlay mount."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the overlay snapshotter."""
    return [
        Registration(
            type=PluginType.SNAPSHOTTER,
            id=ID,
            requires=(PluginType.METASTORE,),
            config=OverlayConfig,
            init=init_overlay,
            diagnose=diagnose_overlay,
            examine=examine_overlay,
        )
    ]


def init_overlay(ic: InitContext[OverlayConfig]) -> LocalSnapshotter:
    """Probe overlayfs and open the snapshotter.

    Raises:
        SkipPlugin: overlayfs does not work in the data root.
        FailedPrecondition: Layers cannot be id-mapped there, but `remap_ids = true` requires it.
    """
    from lamina.mount import in_user_namespace
    from lamina.plugins.snapshots.overlay._backend import OverlayBackend
    from lamina.plugins.snapshots.overlay._probe import probe
    from lamina.snapshots.local import LocalSnapshotter

    config = ic.config
    root = create_data_root(ic, ID, config.root_path)
    options, remap_ids = probe(root, config.mount_options, remap_ids=config.remap_ids is not False)
    if config.remap_ids is True and not remap_ids:
        raise FailedPrecondition(
            f"remap_ids = true: layers in {root} cannot be id-mapped: the kernel is older than Linux 5.19, or the "
            "file system does not support it. With false, clients chown a copy"
        )
    if remap_ids:
        ic.meta.capabilities.append("remap-ids")
    if not config.slow_chown and config.remap_ids is not False:
        ic.meta.capabilities.append("only-remap-ids")
    if not in_user_namespace():
        # A rebased layer has whiteouts, which are devices, and mknod(2) fails in a user namespace.
        ic.meta.capabilities.append("rebase")
    backend = OverlayBackend(root, options=options, upperdir_label=config.upperdir_label, remap_ids=remap_ids)
    store = ic.get_single(PluginType.METASTORE).snapshotter(ID)
    return LocalSnapshotter.open(backend, store, sync_fs=config.sync_fs, sync_remove=config.sync_remove)


def diagnose_overlay(context: DiagnoseContext[OverlayConfig]) -> Iterator[Finding]:
    """Check the requirements of overlayfs."""
    from lamina.plugins.snapshots.overlay._diagnose import diagnose

    root = diagnosed_data_root(context, context.config.root_path)
    config = context.config
    return diagnose(root, config.mount_options, config.remap_ids, context.host_pid)


def examine_overlay(context: DiagnoseContext[OverlayConfig]) -> Iterator[Finding]:
    """Check that every snapshot has an `fs` directory."""
    from lamina.plugins.snapshots._trees import examine_trees

    return examine_trees(diagnosed_data_root(context, context.config.root_path), ["fs"])
