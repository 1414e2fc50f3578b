"""The names of snapshotters, and look-ups by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lamina.errdefs import InvalidArgument, Unavailable, Unimplemented
from lamina.images import keyspace_of
from lamina.plugin import Plugin, Status
from lamina.plugins.services.snapshots._config import with_own_names
from lamina.plugins.services.snapshots._wrong_result import wrong_result
from lamina.snapshots import Snapshotter


class Snapshotters(Mapping[str, Snapshotter]):
    """The snapshotters that work at the moment, by plugin id."""

    def __init__(self, plugins: Callable[[], Iterable[Plugin]]) -> None:
        """Create the mapping.

        Args:
            plugins: Returns the records of all snapshotters.
        """
        self._plugins = plugins

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the plugin ids of all snapshotters, working ones first."""
        return tuple(plugin.id for plugin in sorted(self._plugins(), key=lambda one: one.status is not Status.OK))

    def plugin(self, id: str) -> Plugin | None:  # noqa: A002 - containerd's word
        """Return the record of a snapshotter, or None if it does not exist."""
        return next((plugin for plugin in self._plugins() if plugin.id == id), None)

    def outage(self) -> str:
        """Return why no snapshotter works, or "". The health service calls it."""
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

    An alias is also the name of a keyspace: clients of different aliases do not see each other's snapshots. With
    `/` and the name of a keyspace behind it, each name stands for that keyspace, such as
    `overlayfs/images/default`; ids have no slash, since they name directories.
    """

    def __init__(self, snapshotters: Snapshotters, aliases: Mapping[str, str]) -> None:
        """Check the aliases. An alias of a snapshotter that does not work is kept; `find` raises the reason.

        Args:
            snapshotters: The snapshotters of the host.
            aliases: The plugin id by alias. An alias `lamina-<id>` overrides the name that exists by default.

        Raises:
            InvalidArgument: An alias is empty, the plugin id of another snapshotter, or the keyspace of images.
        """
        ids = snapshotters.ids
        for alias, target in aliases.items():
            if not alias:
                raise InvalidArgument(f'aliases: "" = {target!r}: an alias cannot be empty')
            if alias.startswith(keyspace_of("")):
                raise InvalidArgument(f"aliases: {alias} = {target!r}: such keyspaces are those of images")
            if alias in ids and alias != target:
                raise InvalidArgument(f"aliases: {alias} = {target!r}: {alias} is the id of another snapshotter")
        self.snapshotters = snapshotters
        self._aliases = with_own_names(ids, aliases)
        self._configured = tuple(aliases)
        self._found: dict[str, Snapshotter] = {}

    def preferred(self) -> str:
        """Return a name for a new client, preferably with a keyspace of its own; "" if no snapshotter works."""
        return next(filter(self._works, self._best_first()), "")

    def by_snapshotter(self) -> dict[str, list[str]]:
        """Return the names for clients of each working snapshotter by plugin id, in order of preference.

        Each name has a keyspace of its own: the aliases and `lamina-<id>`, or the id of a snapshotter that has
        only one keyspace.
        """
        names: dict[str, list[str]] = {id_: [] for id_ in self.snapshotters}
        for name in self._best_first():
            found = names.get(self._aliases.get(name, name))
            if found is not None and (name in self._aliases or not found) and self._works(name):
                found.append(name)
        return names

    def dangling(self) -> dict[str, str]:
        """Return the aliases of snapshotters that do not exist, with the plugin id of each."""
        ids = self.snapshotters.ids
        return {alias: target for alias, target in self._aliases.items() if target not in ids}

    def split(self, name: str) -> tuple[str, str | None]:
        """Return a name without its keyspace, and the keyspace; None if the name has none."""
        if "/" not in name or name in self._aliases:
            return name, None
        name, _, keyspace = name.partition("/")
        return name, keyspace

    def id(self, name: str) -> str:
        """Return the plugin id of a name without keyspace, whether or not the snapshotter exists."""
        return self._aliases.get(name, name)

    def find(self, name: str) -> Snapshotter:
        """Return the snapshotter of a name, in the keyspace of that name.

        Raises:
            InvalidArgument: The name is empty or unknown, or the snapshotter does not work.
            Unavailable: The snapshotter does not work yet, and is being retried.
            Unimplemented: The name is an alias or has a keyspace, and the snapshotter has only one.
            TypeError: The snapshotter returned something else for its keyspace.
        """
        name, keyspace = self.split(name)
        if not name:
            raise InvalidArgument("snapshotter argument missing")
        if keyspace is not None:  # any number of them may exist
            return self._open(name, keyspace)
        found = self._found.get(name)
        if found is None:
            found = self._found[name] = self._open(name)
        return found

    def _best_first(self) -> Iterator[str]:
        """Return all aliases and the names of the working snapshotters, in order of preference."""
        own = [f"lamina-{id_}" for id_ in self.snapshotters]
        return iter(dict.fromkeys((*self._configured, *own, *self.snapshotters)))

    def _works(self, name: str) -> bool:
        try:
            self.find(name)
        except BaseException:  # noqa: BLE001 - a client that uses this name gets the exception
            return False
        return True

    def _open(self, name: str, keyspace: str | None = None) -> Snapshotter:
        plugin = self.snapshotters.plugin(name)
        if plugin is not None and plugin.status is Status.OK:
            return _snapshotter(plugin) if keyspace is None else _keyspace(plugin, keyspace)
        target = self._aliases.get(name)
        if target is None:
            raise _refusal(name, plugin, f" (loaded: {', '.join(self._loaded())})")
        plugin = self.snapshotters.plugin(target)
        if plugin is not None and plugin.status is Status.OK:
            return _keyspace(plugin, name, alias=True) if keyspace is None else _keyspace(plugin, keyspace)
        raise _refusal(f"{name}: alias of {target}", plugin, ": not installed, or disabled")

    def _loaded(self) -> list[str]:
        aliases = (alias for alias, target in self._aliases.items() if target in self.snapshotters)
        return sorted({*self.snapshotters, *aliases})


def _snapshotter(plugin: Plugin) -> Snapshotter:
    snapshotter: Snapshotter = plugin.instance
    return snapshotter


def _refusal(name: str, plugin: Plugin | None, missing: str) -> InvalidArgument | Unavailable:
    """Return the error for a name whose snapshotter does not work or does not exist."""
    text = f"snapshotter not loaded: {name}"
    if plugin is None:
        return InvalidArgument(text + missing)
    if plugin.retrying:
        return Unavailable(f"{text}: {plugin.problem}; it is being retried")
    return InvalidArgument(f"{text}: {plugin.problem}")


def _keyspace(plugin: Plugin, keyspace: str, *, alias: bool = False) -> Snapshotter:
    try:
        found = _snapshotter(plugin).keyspace(keyspace)
    except Unimplemented as error:
        # In a shared keyspace, the garbage collector of one client would delete the snapshots of others.
        which = f"{keyspace} is an alias of {plugin.id}: " if alias else f"{plugin.id}: "
        raise Unimplemented(f"{which}{error}: use the name {plugin.id}") from error
    if not hasattr(found, "prepare"):
        raise wrong_result(plugin.id, found, "a lamina.snapshots.Snapshotter")
    return found
