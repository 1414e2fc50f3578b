"""The registration of the overlay snapshotter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import attrs

from lamina.errdefs import FailedPrecondition
from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.plugins.snapshots._root import data_root, diagnosed_root
from lamina.plugins.snapshots.overlay._backend import OverlayBackend
from lamina.plugins.snapshots.overlay._probe import in_user_namespace, probe, remaps_ids
from lamina.snapshots.local import LocalSnapshotter

if TYPE_CHECKING:
    from lamina.plugin import DiagnoseContext, Finding

ID = "overlayfs"


@attrs.frozen
class OverlayConfig:
    """How the overlay snapshotter keeps and mounts layers."""

    root_path: str = ""
    """Where layers are kept; empty: in the plugin's own directory below the host's root."""
    upperdir_label: bool = False
    """Show each snapshot's own directory in the label containerd.io/snapshot/overlay.upperdir."""
    sync_remove: bool = False
    """Answer a removal only when its data is deleted, instead of deleting it in the background."""
    sync_fs: bool = True
    """Answer a commit only when the file system has written the layer to disk."""
    remap_ids: Literal["auto", True, False] = "auto"
    """Have the kernel show a snapshot with the owners that a user namespace wants: "auto": where it can; true: or
    fail; false: never, so that clients chown a copy. containerd 1.x cannot mount what the kernel is to map."""
    slow_chown: bool = False
    """Where layers cannot be id-mapped, let clients remap a snapshot by a copy of it whose files they chown."""
    mount_options: tuple[str, ...] = ()
    """Options that are added to every overlay mount."""


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
        )
    ]


def init_overlay(ic: InitContext[OverlayConfig]) -> LocalSnapshotter:
    """Probe overlayfs and open the snapshotter.

    Raises:
        SkipPlugin: Overlayfs does not work in the data root.
        FailedPrecondition: Layers cannot be id-mapped there, and must be (`remap_ids = true`).
    """
    config = ic.config
    root = data_root(ic, config.root_path)
    options = probe(root, config.mount_options)
    remap_ids = config.remap_ids is not False and remaps_ids(root, options)
    if config.remap_ids is True and not remap_ids:
        raise FailedPrecondition(
            f"remap_ids = true: layers in {root} cannot be id-mapped: the kernel is older than Linux 5.19, or the "
            'file system there does not allow it. With "auto", clients chown a copy'
        )
    if remap_ids:
        ic.meta.capabilities.append("remap-ids")
    if not config.slow_chown and config.remap_ids is not False:
        ic.meta.capabilities.append("only-remap-ids")
    if not in_user_namespace():
        # A rebased layer has whiteouts, which are devices: nobody can make one in a user namespace.
        ic.meta.capabilities.append("rebase")
    backend = OverlayBackend(root, options=options, upperdir_label=config.upperdir_label, remap_ids=remap_ids)
    store = ic.get_single(PluginType.METASTORE).snapshotter(ID)
    return LocalSnapshotter.open(backend, store, sync_fs=config.sync_fs, sync_remove=config.sync_remove)


def diagnose_overlay(context: DiagnoseContext[OverlayConfig]) -> Iterator[Finding]:
    """Look at all that overlayfs needs."""
    from lamina.plugins.snapshots.overlay._diagnose import diagnose

    root = diagnosed_root(context, context.config.root_path)
    config = context.config
    return diagnose(root, config.mount_options, config.remap_ids, context.host_pid)
