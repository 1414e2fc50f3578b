"""The registration of the native snapshotter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.plugins.snapshots._data_root import create_data_root, diagnosed_data_root

if TYPE_CHECKING:
    from lamina.plugin import DiagnoseContext, Finding
    from lamina.snapshots.local import LocalSnapshotter

ID = "native"


@attrs.frozen(eq=False, repr=False)
class NativeConfig:
    """Configuration of the native snapshotter."""

    root_path: str = ""
    """Directory of the trees; empty for the plugin's own directory below the host's root."""
    sync_remove: bool = False
    """Delete the data of a removed snapshot before answering, not in the background."""
    sync_fs: bool = True
    """Sync the file system before answering a commit or a prepare with a parent."""


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the native snapshotter."""
    return [
        Registration(
            type=PluginType.SNAPSHOTTER,
            id=ID,
            requires=(PluginType.METASTORE,),
            config=NativeConfig,
            init=init_native,
            diagnose=diagnose_native,
            examine=examine_native,
        )
    ]


def init_native(ic: InitContext[NativeConfig]) -> LocalSnapshotter:
    """Open the snapshotter."""
    from lamina.plugins.snapshots.native import NativeBackend
    from lamina.snapshots.local import LocalSnapshotter

    config = ic.config
    root = create_data_root(ic, ID, config.root_path)
    store = ic.get_single(PluginType.METASTORE).snapshotter(ID)
    return LocalSnapshotter.open(
        NativeBackend(root), store, sync_fs=config.sync_fs, sync_remove=config.sync_remove
    )


def diagnose_native(context: DiagnoseContext[NativeConfig]) -> Iterator[Finding]:
    """Check the data root, the only requirement."""
    from lamina import diagnosis

    return diagnosis.data_root(diagnosed_data_root(context, context.config.root_path), context.host_pid)


def examine_native(context: DiagnoseContext[NativeConfig]) -> Iterator[Finding]:
    """Check that the data of every snapshot is a directory."""
    from lamina.plugins.snapshots._trees import examine_trees

    return examine_trees(diagnosed_data_root(context, context.config.root_path), [""])
