"""Preparation of a start: plugins, their configurations, and the plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from lamina.config import GRPC_SERVER, Config, Problem, config_error, dotted
from lamina.errdefs import Error, nearest
from lamina.places import SOCKET
from lamina.plugin import SERVING_TYPES, Discovery, Plan, discover


class Prepared:
    """A complete configuration and the plan that a host carries out with it."""

    def __init__(
        self,
        config: Config,
        plan: Plan,
        configs: dict[str, object],
        ignored: tuple[str, ...],
        failures: Mapping[str, Error],
        dangling: tuple[Problem, ...],
        problems: tuple[Problem, ...],
    ) -> None:
        self.config = config
        """The configuration, migrated by the plugins and with proxy plugins decoded."""
        self.plan = plan
        self.configs = configs
        """The decoded configuration of each plugin that has one, by URI."""
        self.ignored = ignored
        """Settings without effect, one sentence each."""
        self.failures = failures
        """The errors of plugins without a configuration, by URI: a migration or the defaults failed."""
        self.dangling = dangling
        """Settings that name plugins which no package provides (`Registration.references`). A host starts
        anyway."""
        self.problems = problems
        """Mistakes, with which no host starts. The plugins that they concern have no configuration."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Settings without effect, and those that name missing plugins: what a host logs."""
        return (*self.ignored, *map(str, self.dangling))

    def check(self) -> None:
        """Check that a host may start.

        Raises:
            ConfigError: There are `problems`.
        """
        if self.problems:
            raise config_error(self.problems)

    @property
    def address(self) -> str:
        """Return the path of the gRPC socket, or "" if no plugin serves gRPC."""
        if not any(one.uri == GRPC_SERVER for one in self.plan.order):
            return ""
        given: object = getattr(self.configs.get(GRPC_SERVER), "address", "")
        if isinstance(given, str) and given:
            return given.removeprefix("unix://")
        return f"{self.config.host.state}/{SOCKET}"


def prepare(
    config: Config,
    modules: Sequence[str] = (),
    *,
    embedded: bool = False,
    discovery: Discovery | None = None,
    defer: bool = False,
) -> Prepared:
    """Find the plugins, decode their configurations, and plan their initialisation.

    Plugin packages are imported; there are no other side effects.

    Args:
        config: The configuration.
        modules: Plugin modules to load besides those of installed packages.
        embedded: Whether to leave out plugins of `SERVING_TYPES`, even if `required_plugins` names them.
        discovery: The plugins that a running host found at its start. None: find and import them.
        defer: Whether to leave mistakes to the caller, in `Prepared.problems`.

    Raises:
        ConfigError: The configuration is wrong; the message has all problems, including the deferred ones
            (`lamina.config.load`).
        Error: A module cannot be loaded, or closes a dependency cycle.
    """
    host = config.host
    if discovery is None:
        group = f"{config.program.replace('-', '_')}.plugins"
        discovery = discover(modules, host.disabled_distributions, host.disabled_plugins, group=group)
    migrations = {one.uri: one.migrate for one in discovery.registry if one.migrate is not None}
    types = discovery.registry.proxy_types
    config = config.with_migrations(migrations)
    tables = config.host.proxy_plugins
    config = config.with_proxies({name: one.config for name, one in types.items()})
    schemas = {one.uri: one.config for one in discovery.registry}
    failures = {**config.failed_defaults(schemas), **config.failed_migrations}
    discovery = discovery.set_aside(failures)
    schemas = {uri: schema for uri, schema in schemas.items() if uri not in failures}
    proxies = [types[table.type].registration(name, table) for name, table in config.host.proxy_plugins.items()]
    problems: list[Problem] = []
    unloadable = [plugin.uri for plugin in discovery.failed]
    configs, warnings = config.decode_plugins(
        schemas, unloadable, {proxy.id: proxy.uri for proxy in proxies}, problems
    )
    found = (*discovery.registry, *discovery.failed)
    left_out = [one.uri for one in found if one.type in SERVING_TYPES] if embedded else []
    plan = Plan(
        discovery,
        more=[proxy for proxy in proxies if proxy.uri not in {*schemas, *unloadable}],
        disabled=[*host.disabled_plugins, *left_out],
        required=[uri for uri in host.required_plugins if uri not in left_out],
    )
    dangling = tuple(_dangling(config, plan, tables.keys() - config.host.proxy_plugins.keys()))
    ignored = (*config.warnings, *warnings)
    prepared = Prepared(config, plan, configs, ignored, failures, dangling, tuple(problems))
    if not defer:
        prepared.check()
    return prepared


def _dangling(config: Config, plan: Plan, unread: Collection[str]) -> Iterator[Problem]:
    """Return a problem for each setting of a file that names a plugin which no package provides.

    Args:
        config: The configuration. The other settings of a table may be wrong.
        plan: The plan of a host.
        unread: The ids of proxy plugins whose tables are wrong.
    """
    known = plan.known()
    for registration in plan.order:
        table = config.plugins.get(registration.uri, {})
        for field, type_ in registration.references.items():
            ids = [uri.removeprefix(f"{type_}.") for uri, known_type in known.items() if known_type == type_]
            ids += unread
            for key, id_ in _ids(table.get(field, "")):
                path = ("plugins", registration.uri, field, *key)
                if id_ not in ids and (origin := config.origin_of(path)):
                    found = f"plugin {type_}.{id_} is not installed"
                    yield Problem(origin.name, dotted(path), origin.line, found, nearest=nearest(id_, ids))


def _ids(value: object) -> Iterator[tuple[tuple[str, ...], str]]:
    """Return the key path and the text of an id, or of each id in a table. An empty text names no plugin."""
    if isinstance(value, str):
        if value:
            yield (), value
    elif isinstance(value, Mapping):
        yield from (((str(key),), id_) for key, id_ in value.items() if isinstance(id_, str))
