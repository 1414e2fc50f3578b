"""What another configuration changes in a host that runs."""

from __future__ import annotations

import copy
import functools
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import attrs

from lamina.config import HostConfig, dotted
from lamina.context import current
from lamina.errdefs import FailedPrecondition, LeftBehind
from lamina.host._plan import Prepared
from lamina.plugin import Plugin, PluginSet, Status, call_within

_LIVE: Final = ("debug", "timeouts")
"""Settings of the top level that can change. Only the host itself looks at timeouts, whenever it needs one."""

_TIMEOUTS: Final = {"init": 60.0, "start": 60.0, "reconfigure": 10.0, "close": 10.0}
"""Seconds that a step of one plugin's life may take, where `io.lamina.timeout.plugin.<step>` in `[timeouts]` does
not say otherwise. systemd gives the whole start 90 s (`DefaultTimeoutStartSec`)."""

_Path = tuple[str, ...]
"""The key of each table on the way to a setting."""


@attrs.frozen
class Reloaded:
    """What became of a configuration that a running host was given. Keys are dotted: `debug.level`."""

    changed: tuple[str, ...] = ()
    """What holds from now on."""
    needs_restart: tuple[str, ...] = ()
    """What differs from what holds, and can change only with a restart."""
    failed: Mapping[str, BaseException] = attrs.field(factory=dict)
    """Why plugins go on with what they had, by URI."""


class InForce:
    """The configuration that holds in a host, which need not be what a file says by now."""

    def __init__(self, host: HostConfig) -> None:
        """Begin with a top level; no plugin has a configuration yet."""
        self.host = host
        self.configs: dict[str, object] = {}
        """The configuration of each plugin that takes one, by URI."""
        self.left_behind: dict[str, LeftBehind] = {}
        """Calls of `reconfigure` that did not end in time, by URI: what holds there is not known."""

    def timeout(self, step: str) -> float:
        """Seconds that a step of a plugin's life may take: "init", "start", "reconfigure" or "close"."""
        return self.host.timeouts.get(f"io.lamina.timeout.plugin.{step}", _TIMEOUTS[step])

    def reload(self, new: Prepared, plugins: PluginSet) -> Reloaded:
        """Have what can change be as in another configuration.

        Of a plugin that is tried again, that is everything: the next attempt takes it.

        Args:
            new: The other configuration, all of it decoded.
            plugins: The plugins of the host.

        Raises:
            Canceled: The call context at hand was cancelled. What was changed before that stays so.
        """
        changed, needs_restart = _split(_host_differences(self.host, new.config.host), (), _LIVE)
        self.host = attrs.evolve(self.host, **{name: getattr(new.config.host, name) for name in _LIVE})
        failed: dict[str, BaseException] = {}
        for plugin in plugins:
            # Of one that is disabled now, `disabled_plugins` is told.
            if plugin.uri not in self.configs or plugin.uri in new.config.host.disabled_plugins:
                continue
            current().check()
            if plugin.uri in new.config.failed_migrations:
                failed[plugin.uri] = new.config.failed_migrations[plugin.uri]
                continue
            live = _live_fields(plugin, new)
            path = ("plugins", plugin.uri)
            differences = _differences(self.configs[plugin.uri], new.configs[plugin.uri], path)
            if plugin.retrying:
                self.configs[plugin.uri] = new.configs[plugin.uri]
                changed += differences
                continue
            live_paths, others = _split(differences, path, live)
            needs_restart += others
            if live_paths or plugin.uri in self.left_behind:
                if error := self._reconfigure(plugin, new.configs[plugin.uri], live):
                    failed[plugin.uri] = error
                else:
                    changed += live_paths
        return Reloaded(tuple(map(dotted, changed)), tuple(map(dotted, needs_restart)), failed)

    def _reconfigure(self, plugin: Plugin, wanted: object, live: Collection[str]) -> BaseException | None:
        """Give a plugin its live fields as they are wanted; returns why it goes on with what it had."""
        before = self.left_behind.get(plugin.uri)
        if before and before.goes_on:
            return FailedPrecondition("an earlier reconfigure was left behind and still goes on")
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
    """A configuration with some of its fields as in another. Together they may be what validators refuse.

    `attrs.evolve` would convert again what was converted before.
    """
    mixed = copy.copy(old)
    for name in names:
        object.__setattr__(mixed, name, getattr(new, name))
    attrs.validate(mixed)  # type: ignore[arg-type] # configurations are instances of attrs classes
    return mixed


def _host_differences(old: HostConfig, new: HostConfig) -> Iterator[_Path]:
    """Where two top levels differ in what they mean."""
    return _differences(_meaning(old), _meaning(new), ())


def _meaning(host: HostConfig) -> HostConfig:
    """A top level without how it was written down, and without the plugins' tables, which are compared decoded."""
    lists = ("disabled_plugins", "required_plugins", "disabled_distributions")
    in_order: dict[str, Any] = {name: sorted(set(getattr(host, name))) for name in lists}
    return attrs.evolve(host, version=0, imports=[], plugins={}, **in_order)


def _differences(old: Any, new: Any, path: _Path) -> Iterator[_Path]:
    """The places at which two configurations of one class differ, as deep as their tables go."""
    if attrs.has(type(old)) and type(old) is type(new):
        for field in attrs.fields(type(old)):
            if field.init:  # others follow from these
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
    """Paths that are, or lead through, one of these names in a table; and the others."""
    found, live = list(paths), {(*table, name) for name in names}
    through = [path for path in found if path[: len(table) + 1] in live]
    return through, [path for path in found if path not in through]
