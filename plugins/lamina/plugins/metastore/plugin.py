"""Registrations of the metastore and its service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lamina.places import LOCK
from lamina.plugin import PROPERTY_ROOT_DIR, PROPERTY_STATE_DIR, InitContext, PluginType, Registration, hookimpl

if TYPE_CHECKING:
    from lamina.api import Handlers, Service
    from lamina.plugin import DiagnoseContext, Finding
    from lamina.snapshots.storage import MetaStore


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the metastore and its service."""
    return [
        Registration(type=PluginType.METASTORE, id="lmdb", init=init_metastore, diagnose=diagnose_metastore),
        Registration(
            type=PluginType.GRPC,
            id="metastore",
            requires=(PluginType.METASTORE,),
            late_binding=True,
            init=init_service,
        ),
    ]


def init_metastore(ic: InitContext[None]) -> MetaStore:
    """Open the metastore in the plugin's own directory."""
    from lamina.snapshots.storage import MetaStore

    root = ic.properties[PROPERTY_ROOT_DIR]
    ic.meta.exports["path"] = root
    return MetaStore.open(root, ic.properties[PROPERTY_STATE_DIR])


def init_service(ic: InitContext[None]) -> Service:
    """Return the service, which looks the metastore up for each call."""
    return metastore_service(lambda: ic.get_single(PluginType.METASTORE))


def metastore_service(store: Callable[[], MetaStore]) -> Service:
    """Return the service, whose first call loads the rest.

    Args:
        store: Returns the metastore, or raises the reason why it is not available.
    """
    from lamina.api import LazyMethod, Service
    from lamina.lazy import once

    @once
    def load() -> Handlers:
        from lamina.plugins.metastore._service import MetastoreService

        return MetastoreService(store).handlers

    return Service(
        "lamina.services.metastore.v1.Metastore", (LazyMethod("Copy", load=load, streams=True, slow=True),)
    )


def diagnose_metastore(context: DiagnoseContext[None]) -> Iterator[Finding]:
    """Check the directory and its lock, without opening the metastore, which a host may use."""
    from lamina.diagnosis import directory, lock

    path = context.exports.get("path") or str(context.root)
    yield from directory("directory", path, lasts=True)
    yield lock("lock", f"{path}/{LOCK}", context.host_pid)
