"""Registrations of the snapshots service, and the contract and proxies of snapshotters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from lamina.errdefs import InvalidArgument
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    Contract,
    InitContext,
    Plugin,
    PluginSet,
    PluginType,
    ProxyType,
    Registration,
    Status,
    hookimpl,
    host_platform,
)
from lamina.plugins.services.snapshots._config import SnapshotsConfig, SnapshotterProxy
from lamina.snapshots import Snapshotter

if TYPE_CHECKING:
    from lamina.metadata import MetadataStore
    from lamina.plugins.services.snapshots._names import Snapshotters
    from lamina.plugins.services.snapshots._service import SnapshotsService

ID: Final = "snapshots"
SERVICE: Final = "snapshots-service"


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    """Register the mapping of snapshotters and the gRPC service."""
    return [
        Registration(
            type=PluginType.SERVICE,
            id=SERVICE,
            requires=(PluginType.SNAPSHOTTER,),
            late_binding=True,
            init=init_snapshotters,
        ),
        Registration(
            type=PluginType.GRPC,
            id=ID,
            requires=(PluginType.SERVICE,),
            config=SnapshotsConfig,
            live=("aliases",),
            references={"aliases": PluginType.SNAPSHOTTER},
            init=init_service,
        ),
    ]


@hookimpl
def lamina_contracts() -> Iterable[Contract]:
    """Register the contract of snapshotters."""
    return [Contract(PluginType.SNAPSHOTTER, Snapshotter)]


@hookimpl
def lamina_proxy_types() -> Iterable[ProxyType[Any]]:
    """Register snapshotters behind other sockets."""
    snapshot = ("snapshot",)  # containerd's short name of the type
    return [ProxyType(type=PluginType.SNAPSHOTTER, names=snapshot, config=SnapshotterProxy, init=init_proxy)]


@hookimpl
def lamina_initialised(plugin: Plugin, plugins: PluginSet) -> None:
    """Export the names of a snapshotter that was initialised after the service."""
    if plugin.type == PluginType.SNAPSHOTTER:
        for one in plugins.of_type(PluginType.GRPC):
            if one.id == ID and one.status is Status.OK:
                one.instance.export_names()


def init_snapshotters(ic: InitContext[None]) -> Snapshotters:
    """Return the mapping of the host's snapshotters, including those initialised later."""
    from lamina.plugins.services.snapshots._names import Snapshotters

    return Snapshotters(lambda: [plugin for plugin in ic.get_all() if plugin.type == PluginType.SNAPSHOTTER])


def init_service(ic: InitContext[SnapshotsConfig]) -> SnapshotsService:
    """Return the service for the snapshotters under their ids and aliases.

    Raises:
        InvalidArgument: An alias is empty, or the id of another snapshotter.
    """
    from lamina.plugins.services.snapshots._names import Names
    from lamina.plugins.services.snapshots._service import SnapshotsService

    snapshotters: Snapshotters = ic.get_by_id(PluginType.SERVICE, SERVICE)
    names = Names(snapshotters, ic.config.aliases_beside(snapshotters.ids))
    return SnapshotsService(names, ic.meta, lambda: _metadata(ic.get_all()))


def _metadata(plugins: Iterable[Plugin]) -> MetadataStore | None:
    """Return the metadata of the host, if it has any that works."""
    working = (plugin for plugin in plugins if plugin.type == PluginType.METADATA and plugin.status is Status.OK)
    return next((plugin.instance for plugin in working), None)


def init_proxy(proxy: SnapshotterProxy, ic: InitContext[None]) -> Snapshotter:
    """Return a snapshotter that connects to the other socket when it is first used.

    Raises:
        InvalidArgument: The address is malformed, or is this host's own.
    """
    from lamina.client import ProxySnapshotter

    path = proxy.address.removeprefix("unix://")
    ic.meta.platforms.append(proxy.platform or host_platform())
    ic.meta.exports.update(proxy.exports, address=path)
    ic.meta.capabilities.extend(proxy.capabilities)
    own = ic.properties[PROPERTY_GRPC_ADDRESS]
    if own and os.path.realpath(path) == os.path.realpath(own):
        raise InvalidArgument(f"address {proxy.address!r}: this host itself answers there")
    return ProxySnapshotter.connect(
        proxy.address,
        proxy.snapshotter or ic.uri.removeprefix(f"{PluginType.SNAPSHOTTER}."),
        timeout=proxy.timeout,
        quick_timeout=proxy.quick_timeout,
        namespace=proxy.namespace,
    )
