"""The names of snapshotters that a configuration gives to clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.plugin import PluginType

if TYPE_CHECKING:
    from lamina.host import Prepared


def snapshotter_names(found: Prepared) -> dict[str, str]:
    """Return the plugin id of the snapshotter behind each name that clients of the host can use."""
    ids = [one.id for one in found.plan.registry if one.type == PluginType.SNAPSHOTTER]
    service: Any = found.configs.get(f"{PluginType.GRPC}.snapshots")
    names: dict[str, str] = {id_: id_ for id_ in ids} if service is None else service.names(ids)
    return names


def snapshotter_id(name: str, found: Prepared | None) -> str:
    """Return the plugin id of the snapshotter behind a name, which may have a keyspace: `lamina/images/default`.

    Args:
        name: The name.
        found: The host that the configuration describes; None if it cannot be read.
    """
    names = {} if found is None else snapshotter_names(found)
    if name in names:
        return names[name]
    short = name.partition("/")[0]
    return names.get(short, short)
