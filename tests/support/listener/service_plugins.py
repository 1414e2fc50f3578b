"""The listener and the services as plugins, initialised without a host."""

from __future__ import annotations

from lamina.errdefs import SkipPlugin
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    PluginSet,
    PluginType,
    Readiness,
    Registration,
    Registry,
    initialise,
)
from lamina.plugins.servers.grpc import plugin as listener_plugin
from lamina.plugins.services.health import plugin as health_plugin
from lamina.plugins.services.introspection import plugin as introspection_plugin
from lamina.plugins.services.snapshots import plugin as snapshots_plugin
from lamina.plugins.services.version import plugin as version_plugin

MODULES = (snapshots_plugin, introspection_plugin, version_plugin, health_plugin, listener_plugin)


def skip(_ic):
    raise SkipPlugin("no btrfs here")


def start_plugins(directory, overlay, configs=None, snapshotter=None, others=None, registrations=()):
    """Initialise everything, and return the plugins.

    Args:
        directory: Holds the root, the state and the socket, `x.sock`.
        overlay: What the plugin `overlayfs` is.
        configs: By URI; the others have their defaults.
        snapshotter: The init of `overlayfs`, instead of that.
        others: The inits of further snapshotters, by id.
        registrations: Further plugins.
    """
    registry = Registry()
    for module in MODULES:
        for registration in module.lamina_register():
            registry = registry.register(registration)
    inits = {"overlayfs": snapshotter or (lambda _ic: overlay), "btrfs": skip, **(others or {})}
    for plugin_id, init in inits.items():
        registry = registry.register(Registration(type=PluginType.SNAPSHOTTER, id=plugin_id, init=init))
    for registration in registrations:
        registry = registry.register(registration)
    plugins = PluginSet()
    for registration in registry.graph():
        default = registration.config() if registration.config else None
        plugins.add(
            initialise(
                registration,
                config=(configs or {}).get(registration.uri, default),
                root=directory / "root",
                state=directory / "state",
                plugins=plugins,
                readiness=Readiness(),
                properties={PROPERTY_GRPC_ADDRESS: str(directory / "x.sock")},
            )
        )
    return plugins


def snapshots_of(plugins):
    """The snapshots service, and its record."""
    (record,) = [plugin for plugin in plugins if plugin.uri == "io.containerd.grpc.v1.snapshots"]
    return record.instance, record
