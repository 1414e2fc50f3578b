"""What became of each plugin, and the look-ups that one plugin uses to find another."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from lamina.errdefs import (
    AlreadyExists,
    Error,
    LockHeld,
    MultipleInstances,
    NoInstance,
    PluginBlocked,
    PluginFailed,
    PluginUnavailable,
    ReadOnly,
    ResourceExhausted,
    Unavailable,
    from_os_error,
    message,
)
from lamina.plugin._location import Location

_MAY_GO: Final = (ResourceExhausted, Unavailable, ReadOnly, LockHeld)


class Status(enum.StrEnum):
    """What became of a plugin."""

    OK = "ok"
    SKIPPED = "skipped"
    """It does not apply here, and said so."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """Something that it requires does not work. Its error names what, down to the root cause."""


@attrs.define
class Meta:
    """What a plugin tells of itself. Its init fills this in; it is kept when init fails."""

    platforms: list[str] = attrs.field(factory=list)
    """Such as `linux/amd64`."""
    exports: dict[str, str] = attrs.field(factory=dict)
    capabilities: list[str] = attrs.field(factory=list)


@attrs.frozen(kw_only=True, eq=False)
class Plugin:
    """The record of one plugin, made when its init has ended."""

    type: str
    id: str
    requires: tuple[str, ...] = ()
    distribution: str = ""
    """Normalised name of the distribution that registered it, or the module given with `-p`."""
    meta: Meta = attrs.field(factory=Meta)
    status: Status = Status.OK
    instance: Any = None
    """What init returned. A failed plugin has one only if that was refused."""
    error: BaseException | None = None
    """Why it is skipped, failed or blocked; with the traceback, where it failed."""
    blocked_by: Plugin | None = None
    """The plugin that blocks this one; None also where no plugin provides a required type."""
    retrying: bool = False
    """Whether a host tries it again: its init failed for a cause that may go (`may_go`), or one whose init did so
    blocks it."""
    registered_readiness: bool = False
    """Whether init called `register_readiness`. The host cannot become ready if such a plugin is not OK."""
    seconds: float = 0.0
    """How long init took."""
    location: Location | None = None
    """Where in whose code it failed; of one that was left behind, the line at which it was at its deadline."""

    @property
    def uri(self) -> str:
        """`<type>.<id>`."""
        return f"{self.type}.{self.id}"

    @property
    def problem(self) -> str:
        """Why it does not work, for people; "" where it works."""
        return f"skipped: {self.reason}" if self.status is Status.SKIPPED else self.reason

    @property
    def reason(self) -> str:
        """As `problem`, for where the status is told beside."""
        if self.error is None:
            return ""
        return message(self.error) if self.status is Status.SKIPPED else describe(self.error)


def describe(error: BaseException) -> str:
    """An error in one line: lamina's own speak for themselves, others need their class."""
    return message(error) if isinstance(error, Error) else f"{type(error).__name__}: {message(error)}"


def may_go(error: BaseException) -> bool:
    """Whether the cause of an error may go while the process runs.

    A full disk may get space, a read-only one be remounted, a peer answer, a lock be let go. An OSError counts as
    the class that `from_os_error` makes of it.
    """
    return isinstance(from_os_error(error, "") if isinstance(error, OSError) else error, _MAY_GO)


def blocked_by(blocker: Plugin) -> PluginBlocked:
    """The error of what a plugin blocks: names the whole chain, and says once what is wrong at its end."""
    chain = [blocker]
    while chain[-1].blocked_by is not None:
        chain.append(chain[-1].blocked_by)
    path = " <- ".join(plugin.uri for plugin in chain)
    error = PluginBlocked(f"blocked by {path}: {chain[-1].problem}")
    error.__cause__ = blocker.error
    return error


@attrs.frozen(eq=False)
class Instances(Mapping[str, Any]):
    """The working instances of one type by plugin id, in the order in which they were initialised."""

    _working: Mapping[str, Any]
    failed: Mapping[str, Plugin]
    """Those that failed or are blocked, by plugin id: not to be taken for absent."""

    def __getitem__(self, id: str) -> Any:  # noqa: A002 - containerd's word
        return self._working[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._working)

    def __len__(self) -> int:
        return len(self._working)


class PluginSet:
    """The plugins of a host, in the order in which they were initialised. Disabled ones are not among them.

    One thread adds and replaces while any number look.
    """

    def __init__(self) -> None:
        self._plugins: list[Plugin] = []
        self._by_type: dict[str, list[Plugin]] = {}

    def add(self, plugin: Plugin) -> None:
        """Add a record.

        Raises:
            AlreadyExists: There is one of that URI.
        """
        same_type = self._by_type.setdefault(plugin.type, [])
        if any(other.id == plugin.id for other in same_type):
            raise AlreadyExists(f"plugin add failed for {plugin.uri}: plugin: already initialized")
        same_type.append(plugin)
        self._plugins.append(plugin)

    def replace(self, plugin: Plugin) -> None:
        """Put a later record of a plugin in the place of the one that is there.

        It keeps its place: those that use it come after it, and are closed before it.
        """
        for plugins in (self._by_type[plugin.type], self._plugins):
            (index,) = (index for index, other in enumerate(plugins) if other.uri == plugin.uri)
            plugins[index] = plugin

    def __iter__(self) -> Iterator[Plugin]:
        return iter(self.get_all())

    def __len__(self) -> int:
        return len(self._plugins)

    def get_all(self) -> tuple[Plugin, ...]:
        """Every record: also the skipped, failed and blocked ones."""
        return tuple(self._plugins)

    def of_type(self, type: str) -> tuple[Plugin, ...]:  # noqa: A002 - containerd's word
        """Every record of a type; none is no error."""
        return tuple(self._by_type.get(type, ()))

    def get_single(self, type: str) -> Any:  # noqa: A002 - containerd's word
        """The instance of the only plugin of a type that works.

        Raises:
            MultipleInstances: Several work.
            PluginFailed: None works, and at least one failed or is blocked: `PluginUnavailable` if one is tried
                again.
            NoInstance: None is registered and enabled, or all of them are skipped.
        """
        working = self.get_by_type(type)
        if len(working) > 1:
            raise MultipleInstances(f"multiple plugins registered for {type}: {', '.join(working)}")
        return next(iter(working.values()))

    def get_by_id(self, type: str, id: str) -> Any:  # noqa: A002 - containerd's words
        """The instance of one plugin.

        Raises:
            SkipPlugin: It is skipped: the very error that its init raised.
            PluginFailed: It failed, or is blocked. The cause is the plugin's own error. One that is tried again
                raises `PluginUnavailable`, which is one.
            NoInstance: It is not registered, or disabled.
        """
        for plugin in self.of_type(type):
            if plugin.id != id:
                continue
            if plugin.status is Status.OK:
                return plugin.instance
            if plugin.status is Status.SKIPPED and plugin.error is not None:
                # Raised again as it was: otherwise its traceback would grow with each look-up.
                raise plugin.error.with_traceback(None)
            raise _failure(plugin, f"{plugin.uri} does not work: {plugin.problem}") from plugin.error
        raise NoInstance(f"no plugins registered for {type}.{id}")

    def get_by_type(self, type: str) -> Instances:  # noqa: A002 - containerd's word
        """The instances of all plugins of a type that work, at least one.

        Raises:
            PluginFailed: None works, and at least one failed or is blocked: `PluginUnavailable` if one is tried
                again.
            NoInstance: None is registered and enabled, or all of them are skipped.
        """
        plugins = self.of_type(type)
        working = {plugin.id: plugin.instance for plugin in plugins if plugin.status is Status.OK}
        failed = {plugin.id: plugin for plugin in plugins if plugin.status in {Status.FAILED, Status.BLOCKED}}
        if working:
            return Instances(working, failed)
        if failed:
            first = most_hopeful(failed.values())
            said = f"no plugin of type {type} works: {first.uri}: {first.problem}"
            raise _failure(first, said) from first.error
        skipped = "".join(f"; {plugin.id} is {plugin.problem}" for plugin in plugins)
        raise NoInstance(f"no plugins registered for {type}{skipped}")


def most_hopeful(plugins: Iterable[Plugin]) -> Plugin:
    """Of plugins that do not work, the first that is tried again; or else the first."""
    return max(plugins, key=lambda plugin: plugin.retrying)


def _failure(plugin: Plugin, said: str) -> PluginFailed:
    return PluginUnavailable(f"{said}; it is being retried") if plugin.retrying else PluginFailed(said)
