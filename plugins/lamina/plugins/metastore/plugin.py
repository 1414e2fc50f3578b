"""The registration of the metastore."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.snapshots.storage import MetaStore


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the metastore."""
    return [Registration(type=PluginType.METASTORE, id="lmdb", init=init_metastore)]


def init_metastore(ic: InitContext[None]) -> MetaStore:
    """Open the metastore in the plugin's own directory."""
    ic.meta.exports["path"] = str(ic.root)
    return MetaStore.open(str(ic.root))
