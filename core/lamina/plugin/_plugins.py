"""Records of plugins, and look-ups of their instances."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from lamina.errdefs import (
    AlreadyExists,
    LockHeld,
    MultipleInstances,
    NoInstance,
    PluginBlocked,
    PluginFailed,
    PluginUnavailable,
    ReadOnly,
    ResourceExhausted,
    Unavailable,
    describe,
    from_os_error,
    message,
)
from lamina.plugin.lifecycle._location import Location

_RETRYABLE: Final = (ResourceExhausted, Unavailable, ReadOnly, LockHeld)


class Status(enum.StrEnum):
    """The outcome of a plugin's initialisation."""

    OK = "ok"
    SKIPPED = "skipped"
    """Its init raised `SkipPlugin`: it does not apply here."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """A plugin that it requires does not work. Its error names the chain of plugins down to the root cause."""


@attrs.define(repr=False)
class Meta:
    """Metadata of a plugin, filled in by its init, and kept if init fails."""

    platforms: list[str] = attrs.field(factory=list)
    """Supported platforms, such as `linux/amd64`."""
    exports: dict[str, str] = attrs.field(factory=dict)
    capabilities: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Plugin:
    """The record of one plugin after its init."""

    type: str
    id: str
    requires: tuple[str, ...] = ()
    distribution: str = ""
    """Normalised name of the distribution that registered it, or the name of a module given with `-p`."""
    meta: Meta = attrs.field(factory=Meta)
    status: Status = Status.OK
    instance: Any = None
    """The object that init returned. A failed plugin has one only if the object violated a rule."""
    error: BaseException | None = None
    """The error of a skipped, failed or blocked plugin."""
    blocked_by: Plugin | None = None
    """The plugin that blocks this one; None if no plugin provides a required type."""
    retrying: bool = False
    """True while a host retries it: its init failed with a temporary error (`is_retryable`), or it is blocked by
    such a plugin."""
    registered_readiness: bool = False
    """True if init called `register_readiness`. The host cannot become ready if such a plugin does not work."""
    seconds: float = 0.0
    """Duration of init, in seconds."""
    location: Location | None = None
    """The line of code at which init failed, or that it executed when it missed its deadline."""

    @property
    def uri(self) -> str:
        """`<type>.<id>`."""
        return f"{self.type}.{self.id}"

    @property
    def problem(self) -> str:
        """The reason why it does not work, as text; "" if it works."""
        return f"skipped: {self.reason}" if self.status is Status.SKIPPED else self.reason

    @property
    def reason(self) -> str:
        """`problem` without the word "skipped"."""
        if self.error is None:
            return ""
        return message(self.error) if self.status is Status.SKIPPED else describe(self.error)


def is_retryable(error: BaseException) -> bool:
    """Return whether an error is temporary, such as a full disk, a peer that is down, or a held lock.

    An OSError is judged by the class that `from_os_error` returns for it.
    """
    return isinstance(from_os_error(error, "") if isinstance(error, OSError) else error, _RETRYABLE)


def blocked_by(blocker: Plugin) -> PluginBlocked:
    """Return the error of a blocked plugin. It names the chain of plugins and the problem at its end."""
    chain = [blocker]
    while chain[-1].blocked_by is not None:
        chain.append(chain[-1].blocked_by)
    path = " <- ".join(plugin.uri for plugin in chain)
    error = PluginBlocked(f"blocked by {path}: {chain[-1].problem}")
    error.__cause__ = blocker.error
    return error


class Instances(Mapping[str, Any]):
    """The working instances of one type by plugin id, in the order of initialisation."""

    def __init__(self, working: Mapping[str, Any], failed: Mapping[str, Plugin]) -> None:
        self._working = working
        self.failed = failed
        """The records of failed and blocked plugins of the type, by plugin id."""

    def __getitem__(self, id: str) -> Any:  # noqa: A002 - containerd's word
        return self._working[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._working)

    def __len__(self) -> int:
        return len(self._working)


class PluginSet:
    """The records of a host's plugins, in the order of initialisation, without disabled ones.

    One thread may add and replace records while other threads look plugins up.
    """

    def __init__(self) -> None:
        self._plugins: list[Plugin] = []
        self._by_type: dict[str, list[Plugin]] = {}

    def add(self, plugin: Plugin) -> None:
        """Add a record.

        Raises:
            AlreadyExists: There is a record with this URI.
        """
        same_type = self._by_type.setdefault(plugin.type, [])
        if any(other.id == plugin.id for other in same_type):
            raise AlreadyExists(f"plugin add failed for {plugin.uri}: plugin: already initialized")
        same_type.append(plugin)
        self._plugins.append(plugin)

    def replace(self, plugin: Plugin) -> None:
        """Replace the record of a plugin.

        The new record keeps the place of the old one: plugins that use it come after it, and are closed before it.
        """
        for plugins in (self._by_type[plugin.type], self._plugins):
            (index,) = (index for index, other in enumerate(plugins) if other.uri == plugin.uri)
            plugins[index] = plugin

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self.get_all())

    def __len__(self) -> int:
        return len(self._plugins)

    def get_all(self) -> tuple[Plugin, ...]:
        """Return all records, including skipped, failed and blocked ones."""
        return tuple(self._plugins)

    def of_type(self, type: str) -> tuple[Plugin, ...]:  # noqa: A002 - containerd's word
        """Return all records of a type, possibly none."""
        return tuple(self._by_type.get(type, ()))

    def get_single(self, type: str) -> Any:  # noqa: A002 - containerd's word
        """Return the instance of the only plugin of a type that works.

        Raises:
            MultipleInstances: Several plugins work.
            PluginFailed: None works, and at least one failed or is blocked; `PluginUnavailable` if one is being
                retried.
            NoInstance: None is registered and enabled, or all of them are skipped.
        """
        working = self.get_by_type(type)
        if len(working) > 1:
            raise MultipleInstances(f"multiple plugins registered for {type}: {', '.join(working)}")
        return next(iter(working.values()))

    def get_by_id(self, type: str, id: str) -> Any:  # noqa: A002 - containerd's words
        """Return the instance of one plugin.

        Raises:
            SkipPlugin: The plugin is skipped; the error is that of its init.
            PluginFailed: The plugin failed or is blocked; the cause is its error. The subclass `PluginUnavailable`
                is raised if it is being retried.
            NoInstance: The plugin is not registered, or is disabled.
        """
        for plugin in self.of_type(type):
            if plugin.id != id:
                continue
            if plugin.status is Status.OK:
                return plugin.instance
            if plugin.status is Status.SKIPPED and plugin.error is not None:
                # Without its traceback, which would grow with each look-up.
                raise plugin.error.with_traceback(None)
            raise _failure(plugin, f"{plugin.uri} does not work: {plugin.problem}") from plugin.error
        raise NoInstance(f"no plugins registered for {type}.{id}")

    def get_by_type(self, type: str) -> Instances:  # noqa: A002 - containerd's word
        """Return the instances of all plugins of a type that work, at least one.

        Raises:
            PluginFailed: None works, and at least one failed or is blocked; `PluginUnavailable` if one is being
                retried.
            NoInstance: None is registered and enabled, or all of them are skipped.
        """
        plugins = self.of_type(type)
        working = {plugin.id: plugin.instance for plugin in plugins if plugin.status is Status.OK}
        failed = {plugin.id: plugin for plugin in plugins if plugin.status in {Status.FAILED, Status.BLOCKED}}
        if working:
            return Instances(working, failed)
        if failed:
            first = first_retrying(failed.values())
            text = f"no plugin of type {type} works: {first.uri}: {first.problem}"
            raise _failure(first, text) from first.error
        skipped = "".join(f"; {plugin.id} is {plugin.problem}" for plugin in plugins)
        raise NoInstance(f"no plugins registered for {type}{skipped}")


def first_retrying(plugins: Iterable[Plugin]) -> Plugin:
    """Return the first plugin that is being retried, or else the first one."""
    return max(plugins, key=lambda plugin: plugin.retrying)


def _failure(plugin: Plugin, text: str) -> PluginFailed:
    return PluginUnavailable(f"{text}; it is being retried") if plugin.retrying else PluginFailed(text)
