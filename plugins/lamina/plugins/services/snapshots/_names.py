"""Which snapshotter a name means."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lamina.errdefs import InvalidArgument, Unavailable, Unimplemented
from lamina.plugin import Plugin, Status
from lamina.plugins.services.snapshots._config import with_own_names
from lamina.snapshots import Snapshotter


class Snapshotters(Mapping[str, Snapshotter]):
    """The snapshotters that work, by plugin id: those that do when they are looked up."""

    def __init__(self, plugins: Callable[[], Iterable[Plugin]]) -> None:
        """Look nothing up yet.

        Args:
            plugins: Returns the records of all snapshotters.
        """
        self._plugins = plugins

    @property
    def ids(self) -> tuple[str, ...]:
        """The plugin ids of all, those that work first."""
        return tuple(plugin.id for plugin in sorted(self._plugins(), key=lambda one: one.status is not Status.OK))

    def plugin(self, id: str) -> Plugin | None:  # noqa: A002 - containerd's word
        """The record of a snapshotter, be it one that works or not; None if there is none."""
        return next((plugin for plugin in self._plugins() if plugin.id == id), None)

    def outage(self) -> str:
        """Why none works, "" where one does. A plugin's `outage`: see `lamina.plugins.services.health`."""
        waiting = (plugin for plugin in self._plugins() if plugin.retrying)
        return "" if self else next((f"{plugin.uri}: {plugin.problem}" for plugin in waiting), "")

    def __getitem__(self, id: str) -> Snapshotter:  # noqa: A002 - containerd's word
        return self._working()[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._working())

    def __len__(self) -> int:
        return len(self._working())

    def _working(self) -> dict[str, Snapshotter]:
        return {plugin.id: plugin.instance for plugin in self._plugins() if plugin.status is Status.OK}


class Names:
    """The names that clients may use for a snapshotter: its plugin id, its aliases, and `lamina-<id>`.

    An alias is also a keyspace of that name: clients that use different aliases see nothing of each other.
    """

    def __init__(self, snapshotters: Snapshotters, aliases: Mapping[str, str]) -> None:
        """Check the aliases. One whose snapshotter does not work is kept: `find` says why.

        Args:
            snapshotters: The host's snapshotters.
            aliases: Alias to plugin id. One that is spelled `lamina-<id>` takes that name's place.

        Raises:
            InvalidArgument: An alias is empty, or the plugin id of another snapshotter.
        """
        ids = snapshotters.ids
        for alias, target in aliases.items():
            if not alias:
                raise InvalidArgument(f'aliases: "" = {target!r}: an alias cannot be empty')
            if alias in ids and alias != target:
                raise InvalidArgument(f"aliases: {alias} = {target!r}: {alias} is the id of another snapshotter")
        self.snapshotters = snapshotters
        self._aliases = with_own_names(ids, aliases)
        self._configured = tuple(aliases)
        self._found: dict[str, Snapshotter] = {}

    def preferred(self) -> str:
        """A name for one more client to use: if any works, one with a keyspace of its own; "" if none works."""
        return next(filter(self._works, self._best_first()), "")

    def by_snapshotter(self) -> dict[str, list[str]]:
        """The names for clients of each snapshotter that works, best first, by plugin id.

        Each is a keyspace of its own: the aliases and `lamina-<id>`, or the id if the snapshotter has only one.
        """
        names: dict[str, list[str]] = {id_: [] for id_ in self.snapshotters}
        for name in self._best_first():
            found = names.get(self._aliases.get(name, name))
            if found is not None and (name in self._aliases or not found) and self._works(name):
                found.append(name)
        return names

    def dangling(self) -> dict[str, str]:
        """The aliases of snapshotters that the host does not have, and the plugin id that each stands for."""
        ids = self.snapshotters.ids
        return {alias: target for alias, target in self._aliases.items() if target not in ids}

    def id(self, name: str) -> str:
        """The plugin id that a name stands for, be there such a snapshotter or not."""
        return self._aliases.get(name, name)

    def find(self, name: str) -> Snapshotter:
        """The snapshotter, in the keyspace that goes with the name.

        Raises:
            InvalidArgument: The name is empty or unknown, or what it means does not work.
            Unavailable: What it means does not work yet, and is tried again.
            Unimplemented: It is the alias of a snapshotter that has one keyspace only.
        """
        if not name:
            raise InvalidArgument("snapshotter argument missing")
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._open(name)
        return found

    def _best_first(self) -> Iterator[str]:
        """The names of the snapshotters that work, and all aliases, in the order in which to prefer them."""
        own = [f"lamina-{id_}" for id_ in self.snapshotters]
        return iter(dict.fromkeys((*self._configured, *own, *self.snapshotters)))

    def _works(self, name: str) -> bool:
        try:
            self.find(name)
        except Exception:  # noqa: BLE001 - whatever a snapshotter raises, whoever uses this name is told then
            return False
        return True

    def _open(self, name: str) -> Snapshotter:
        target = self._aliases.get(name)
        plugin = self.snapshotters.plugin(name)
        if plugin is not None and plugin.status is Status.OK:
            return _snapshotter(plugin)
        if target is None:
            raise _refusal(name, plugin, f" (loaded: {', '.join(self._loaded())})")
        plugin = self.snapshotters.plugin(target)
        if plugin is not None and plugin.status is Status.OK:
            return _keyspace(_snapshotter(plugin), target, name)
        raise _refusal(f"{name}: alias of {target}", plugin, ": not installed, or disabled")

    def _loaded(self) -> list[str]:
        aliases = (alias for alias, target in self._aliases.items() if target in self.snapshotters)
        return sorted({*self.snapshotters, *aliases})


def _snapshotter(plugin: Plugin) -> Snapshotter:
    snapshotter: Snapshotter = plugin.instance
    return snapshotter


def _refusal(name: str, plugin: Plugin | None, missing: str) -> InvalidArgument | Unavailable:
    """The error for a name whose snapshotter does not work, or is missing."""
    said = f"snapshotter not loaded: {name}"
    if plugin is None:
        return InvalidArgument(said + missing)
    if plugin.retrying:
        return Unavailable(f"{said}: {plugin.problem}; it is being retried")
    return InvalidArgument(f"{said}: {plugin.problem}")


def _keyspace(snapshotter: Snapshotter, id_: str, alias: str) -> Snapshotter:
    try:
        return snapshotter.keyspace(alias)
    except Unimplemented as error:
        # To share the one keyspace would let a client that collects garbage delete what is not its own.
        raise Unimplemented(f"{alias} is an alias of {id_}: {error}: use the name {id_}") from error
