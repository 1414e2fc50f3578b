"""The active configuration of a running host, and its reload."""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import attrs

from lamina.config import HostConfig, dotted
from lamina.context import current
from lamina.errdefs import ConfigError, FailedPrecondition, LeftBehind
from lamina.host._plan import Prepared
from lamina.plugin import Plugin, PluginSet, Status, call_within

_LIVE: Final = ("debug", "timeouts")
"""Top-level settings that a reload applies. The host reads timeouts each time it needs one."""

_TIMEOUTS: Final = {"init": 60.0, "start": 60.0, "reconfigure": 10.0, "close": 10.0}
"""Default deadlines of the calls of a plugin, in seconds; `io.lamina.timeout.plugin.<call>` in `[timeouts]`
overrides them. systemd allows 90 s for the whole start (`DefaultTimeoutStartSec`)."""

_Path = tuple[str, ...]
"""The keys from the top level to a setting."""


class Reloaded(NamedTuple):
    """The result of a reload. Keys are dotted: `debug.level`."""

    changed: tuple[str, ...] = ()
    """Settings that were applied."""
    needs_restart: tuple[str, ...] = ()
    """Settings that differ from the active configuration and take effect only after a restart."""
    failed: Mapping[str, BaseException] = MappingProxyType({})
    """Errors of plugins that keep their old configuration, by URI."""


class ActiveConfig:
    """The configuration in use by a host, which may differ from its file."""

    def __init__(self, host: HostConfig) -> None:
        """Start with a top level, and no configuration of plugins."""
        self.host = host
        self.configs: dict[str, object] = {}
        """The configuration of each plugin that has one, by URI."""
        self.left_behind: dict[str, LeftBehind] = {}
        """Calls of `reconfigure` that missed their deadline, by URI. The configuration of these plugins is
        unknown."""

    def timeout(self, step: str) -> float:
        """Return the deadline of a call of a plugin, in seconds: "init", "start", "reconfigure" or "close"."""
        return self.host.timeouts.get(f"io.lamina.timeout.plugin.{step}", _TIMEOUTS[step])

    def reload(self, new: Prepared, plugins: PluginSet) -> Reloaded:
        """Apply the reloadable settings of another configuration.

        All settings of a plugin that is being retried are reloadable: the next retry uses them.

        Args:
            new: The other configuration, decoded.
            plugins: The plugins of the host.

        Raises:
            Canceled: The current call context was cancelled. Changes already made are kept.
        """
        differing = _differences(_comparable(self.host), _comparable(new.config.host), ())
        changed, needs_restart = _split(differing, (), _LIVE)
        self.host = attrs.evolve(self.host, **{name: getattr(new.config.host, name) for name in _LIVE})
        failed: dict[str, BaseException] = {}
        for plugin in plugins:
            # A plugin that the new configuration disables is reported with `disabled_plugins`.
            if plugin.uri not in new.config.host.disabled_plugins:
                applied, others, error = self._reload_plugin(plugin, new)
                changed += applied
                needs_restart += others
                if error is not None:
                    failed[plugin.uri] = error
        return Reloaded(tuple(map(dotted, changed)), tuple(map(dotted, needs_restart)), failed)

    def _reload_plugin(
        self, plugin: Plugin, new: Prepared
    ) -> tuple[list[_Path], list[_Path], BaseException | None]:
        """Return the applied settings of a plugin, those that need a restart, and the error if it failed."""
        path = ("plugins", plugin.uri)
        if plugin.uri not in self.configs:
            was_missing = isinstance(plugin.error, ConfigError) and plugin.uri in new.config.plugins
            return [], [path] if was_missing else [], None
        current().check()
        if plugin.uri in new.failures:
            return [], [], new.failures[plugin.uri]
        wanted = new.configs[plugin.uri]
        differences = _differences(self.configs[plugin.uri], wanted, path)
        if plugin.retrying:
            applied = list(differences)
            self.configs[plugin.uri] = wanted
            return applied, [], None
        live = _live_fields(plugin, new)
        live_paths, others = _split(differences, path, live)
        if not live_paths and plugin.uri not in self.left_behind:
            return [], others, None
        error = self._reconfigure(plugin, wanted, live)
        return [] if error else live_paths, others, error

    def _reconfigure(self, plugin: Plugin, wanted: object, live: Collection[str]) -> BaseException | None:
        """Call `reconfigure` with new live fields; return the error if the plugin keeps its old configuration."""
        before = self.left_behind.get(plugin.uri)
        if before and before.is_running:
            return FailedPrecondition("an earlier reconfigure was left behind and still runs")
        try:
            config = _with_fields(self.configs[plugin.uri], wanted, live)
            reconfigure = functools.partial(plugin.instance.reconfigure, config)
            call_within(self.timeout("reconfigure"), "reconfigure", plugin.uri, reconfigure)
        except BaseException as error:
            behind = error if isinstance(error, LeftBehind) else error.__cause__
            if isinstance(behind, LeftBehind):
                self.left_behind[plugin.uri] = behind
            if isinstance(error, KeyboardInterrupt):
                raise
            return error
        self.configs[plugin.uri] = config
        self.left_behind.pop(plugin.uri, None)
        return None


def _live_fields(plugin: Plugin, prepared: Prepared) -> tuple[str, ...]:
    registration = prepared.plan.registry.get(plugin.uri)
    return registration.live if registration is not None and plugin.status is Status.OK else ()


def _with_fields(old: object, new: object, names: Collection[str]) -> object:
    """Return a configuration with some fields of another one, and run the validators on the combination.

    `attrs.evolve` is not used: it would run converters on values that are converted already.
    """
    mixed = copy.copy(old)
    for name in names:
        object.__setattr__(mixed, name, getattr(new, name))
    attrs.validate(mixed)  # type: ignore[arg-type] # configurations are instances of attrs classes
    return mixed


def _comparable(host: HostConfig) -> HostConfig:
    """Return a top level with sorted lists, and without imports, version and tables of plugins."""
    lists = ("disabled_plugins", "required_plugins", "disabled_distributions")
    in_order: dict[str, Any] = {name: sorted(set(getattr(host, name))) for name in lists}
    return attrs.evolve(host, version=0, imports=[], plugins={}, **in_order)


def _differences(old: Any, new: Any, path: _Path) -> Iterator[_Path]:
    """Return the paths at which two configurations of the same class differ, down to single settings."""
    if attrs.has(type(old)) and type(old) is type(new):
        for field in attrs.fields(type(old)):
            if field.init:  # the others are derived
                yield from _differences(getattr(old, field.name), getattr(new, field.name), (*path, field.name))
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in {**old, **new}:
            if key in old and key in new:
                yield from _differences(old[key], new[key], (*path, str(key)))
            else:
                yield (*path, str(key))
    elif old != new:
        yield path


def _split(paths: Iterator[_Path], table: _Path, names: Collection[str]) -> tuple[list[_Path], list[_Path]]:
    """Split paths into those at or below one of these names in a table, and the others."""
    found, live = list(paths), {(*table, name) for name in names}
    through = [path for path in found if path[: len(table) + 1] in live]
    return through, [path for path in found if path not in through]
