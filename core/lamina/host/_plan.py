"""From a configuration to a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from lamina.config import GRPC_SERVER, Config, Problem, dotted
from lamina.errdefs import nearest
from lamina.host._proxies import proxy_registrations
from lamina.places import SOCKET
from lamina.plugin import SERVING_TYPES, Discovery, Plan, PluginType, discover

_SNAPSHOTS: Final = f"{PluginType.GRPC}.snapshots"


@attrs.frozen(eq=False)
class Prepared:
    """A configuration, complete, and what a host will do with it."""

    config: Config
    """With what the plugins' own migrations made of it."""
    plan: Plan
    configs: dict[str, object]
    """The decoded configuration of each plugin that takes one, by URI."""
    warnings: tuple[str, ...]
    """What in the configuration has no effect, a sentence each."""
    dangling_aliases: tuple[Problem, ...]
    """Aliases that the configuration gives to snapshotters that there are none of. No host fails for them."""

    @property
    def address(self) -> str:
        """Path of the gRPC socket: the listener's setting, or what it will take; "" where there is no listener."""
        if not any(one.uri == GRPC_SERVER for one in self.plan.order):
            return ""
        given: object = getattr(self.configs.get(GRPC_SERVER), "address", "")
        if isinstance(given, str) and given:
            return given.removeprefix("unix://")
        return f"{self.config.host.state}/{SOCKET}"

    @property
    def snapshotters(self) -> dict[str, str]:
        """The plugin id of the snapshotter behind each name that a client can ask for."""
        ids = [one.id for one in self.plan.registry if one.type == PluginType.SNAPSHOTTER]
        aliases = getattr(self.configs.get(_SNAPSHOTS), "aliases", {})
        return {**{f"lamina-{id_}": id_ for id_ in ids}, **aliases, **{id_: id_ for id_ in ids}}


def prepare(
    config: Config, modules: Sequence[str] = (), *, embedded: bool = False, discovery: Discovery | None = None
) -> Prepared:
    """Find the plugins, decode their configurations, and plan their initialisation.

    Packages are imported, since their registrations say what they are; nothing else happens.

    Args:
        config: The configuration at hand.
        modules: Plugin modules besides those of installed packages.
        embedded: Whether plugins of `SERVING_TYPES` are left out, whatever `required_plugins` says of them.
        discovery: What a host found when it started; nothing is imported then. None: look for the plugins.

    Raises:
        ConfigError: The configuration is wrong; the message has all problems of all plugins' tables, and the
            deferred ones (`lamina.config.load`).
        Error: A module cannot be loaded, or it closes a circle.
    """
    host = config.host
    if discovery is None:
        group = f"{config.program.replace('-', '_')}.plugins"
        discovery = discover(modules, host.disabled_distributions, host.disabled_plugins, group=group)
    migrations = {one.uri: one.migrate for one in discovery.registry if one.migrate is not None}
    config = config.with_migrations(migrations)
    discovery = discovery.set_aside(config.failed_migrations)
    schemas = {one.uri: one.config for one in discovery.registry}
    configs, warnings = config.decode_plugins(schemas, [plugin.uri for plugin in discovery.failed])
    found = (*discovery.registry, *discovery.failed)
    left_out = [one.uri for one in found if one.type in SERVING_TYPES] if embedded else []
    plan = Plan.of(
        discovery,
        more=proxy_registrations(host.proxy_plugins),
        disabled=[*host.disabled_plugins, *left_out],
        required=[uri for uri in host.required_plugins if uri not in left_out],
    )
    dangling = tuple(_dangling_aliases(config, plan, getattr(configs.get(_SNAPSHOTS), "aliases", {})))
    return Prepared(config, plan, configs, (*config.warnings, *warnings, *map(str, dangling)), dangling)


def _dangling_aliases(config: Config, plan: Plan, aliases: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with each alias that the configuration sets, where no plugin found has the id behind it."""
    if not any(one.uri == _SNAPSHOTS for one in plan.order):
        return
    prefix = f"{PluginType.SNAPSHOTTER}."
    ids = [uri.removeprefix(prefix) for uri, type_ in plan.known().items() if type_ == PluginType.SNAPSHOTTER]
    for alias, target in aliases.items():
        path = ("plugins", _SNAPSHOTS, "aliases", alias)
        if target not in ids and (origin := config.origin_of(path)):
            found = f"no snapshotter {target!r} is installed"
            yield Problem(origin.name, dotted(path), origin.line, found, nearest=nearest(target, ids))
