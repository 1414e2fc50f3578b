"""What a host will do with the plugins that were found, before it does anything."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import attrs

from lamina.errdefs import Error, NoInstance, PluginFailed, nearest
from lamina.plugin._discovery import Discovery
from lamina.plugin._init import foresee
from lamina.plugin._plugins import Plugin, PluginSet, Status, blocked_by, most_hopeful
from lamina.plugin._registration import Registration
from lamina.plugin._registry import Registry
from lamina.plugin._types import ENTRY_POINT_TYPE, EVERY_TYPE, PluginType


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """The order of initialisation, and everything else that is decided before a plugin runs.

    A host carries it out; `foresee` tells what would come of it if every init worked.
    """

    discovery: Discovery
    registry: Registry
    """What was found and can be initialised, and what the host adds; also what is disabled."""
    order: tuple[Registration[Any], ...]
    """What to initialise, in this order."""
    failed: tuple[Plugin, ...]
    """Records of what cannot be initialised, as it could not be loaded."""
    disabled: frozenset[str]
    """URIs that are left out."""
    required: tuple[str, ...]
    """URIs of plugins without which the host does not start."""

    @classmethod
    def of(
        cls,
        discovery: Discovery,
        *,
        more: Iterable[Registration[Any]] = (),
        disabled: Collection[str] = (),
        required: Collection[str] = (),
    ) -> Plan:
        """Make a plan.

        Args:
            discovery: What was found.
            more: What the host itself registers.
            disabled: URIs to leave out.
            required: URIs without which the host does not start.

        Raises:
            InvalidRegistration: One of `more` breaks a rule, or has a name that is taken.
            PluginLoop: Plugins require each other in a circle. Of those that were found, none do.
        """
        registry = discovery.registry
        for registration in more:
            registry = registry.register(registration)
        return cls(
            discovery=discovery,
            registry=registry,
            order=registry.graph(disabled),
            failed=tuple(plugin for plugin in discovery.failed if plugin.uri not in disabled),
            disabled=frozenset(disabled),
            required=tuple(required),
        )

    def carry_out(self, plugins: PluginSet, init: Callable[[Registration[Any]], Plugin]) -> Iterator[Plugin]:
        """Add the record of every plugin to a set, in order.

        Args:
            plugins: An empty set.
            init: Makes the record of one plugin, as `initialise` does; those before it are in the set.

        Yields:
            Each record when it is in the set. Whoever carries out a plan calls `check` with it before going on.
        """
        for plugin in self.failed:
            plugins.add(plugin)
            yield plugin
        for registration in self.order:
            plugin = init(registration)
            plugins.add(plugin)
            yield plugin

    def check_presence(self) -> None:
        """Do nothing if every required plugin was found and is enabled.

        Raises:
            NoInstance: One was not, with the reason.
        """
        known = self.known()
        for uri in self.required:
            if uri in self.disabled:
                raise NoInstance(f"required plugin {uri} is disabled: it is also in disabled_plugins")
            if uri not in known:
                guess = self.did_you_mean(uri)
                raise NoInstance(f"required plugin {uri} is not installed{guess}{self._unloadable()}")

    def check(self, plugin: Plugin) -> None:
        """Do nothing if the host can go on after a plugin.

        Raises:
            PluginFailed: It is required and does not work; or it holds readiness back and does not work, so that
                the host would never become ready.
        """
        if plugin.status is Status.OK:
            return
        if plugin.uri in self.required:
            raise PluginFailed(f"load required plugin {plugin.uri}: {plugin.problem}") from plugin.error
        if plugin.registered_readiness:
            raise PluginFailed(
                f"plugin failed after registering readiness {plugin.uri}: {plugin.problem}"
            ) from plugin.error

    def check_bound(self, plugins: PluginSet) -> None:
        """Do nothing if no required plugin that works waits for one that is tried again.

        Raises:
            PluginFailed: One does, or one that it requires (`Registration.late_binding`).
        """
        for uri in self.required:
            registration = self.registry.get(uri)
            awaited = registration and self._awaited(registration, plugins)
            if awaited:
                raise PluginFailed(f"load required plugin {uri}: {blocked_by(awaited)}") from awaited.error

    def _awaited(self, registration: Registration[Any], plugins: PluginSet) -> Plugin | None:
        """What a plugin waits for: of each type that it requires, one must work that waits for nothing itself."""
        for required in registration.requires:
            waiting = []
            for plugin in plugins.of_type(required):
                provider = self.registry.get(plugin.uri) if plugin.status is Status.OK else None
                awaited = plugin if provider is None else self._awaited(provider, plugins)
                if awaited is None:
                    break
                waiting.append(awaited)
            else:
                if waiting:
                    return most_hopeful(waiting)
        return None

    def check_servers(self, plugins: PluginSet) -> None:
        """Do nothing if something can be served, when everything is initialised.

        Raises:
            NoInstance: There is no plugin of type SERVER, or all are skipped. A host can do without.
            PluginFailed: There are some, and none works.
        """
        plugins.get_by_type(PluginType.SERVER)

    def foresee(self) -> Foresight:
        """What comes of the plan if every init works. Nothing is initialised."""
        plugins = PluginSet()
        records = list(self.carry_out(plugins, lambda registration: foresee(registration, plugins)))
        try:
            self.check_presence()
            for plugin in records:
                self.check(plugin)
            with contextlib.suppress(NoInstance):
                self.check_servers(plugins)
        except Error as error:
            return Foresight(plugins, error)
        return Foresight(plugins)

    def providers(self, requires: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The URIs behind each required type, also of what is disabled or could not be loaded.

        Args:
            requires: Types. `EVERY_TYPE` is left out, as everything would stand behind it.
        """
        known = self.known()
        return {
            required: tuple(uri for uri, type_ in known.items() if type_ == required)
            for required in requires
            if required != EVERY_TYPE
        }

    def known(self) -> dict[str, str]:
        """The type of everything that was found, by URI: first what is initialised, in order."""
        found = [*self.order, *self.failed, *self.registry, *self.discovery.failed]
        return {one.uri: one.type for one in found}

    def ids(self) -> dict[str, str]:
        """The id of everything that was found, by URI, in the order of `known`."""
        return {uri: uri.removeprefix(f"{type_}.") for uri, type_ in self.known().items()}

    def did_you_mean(self, uri: str) -> str:
        """The known name most like a URI, or an id, that nobody has, to go on a message with; "" where none is."""
        ids = {id_: known for known, id_ in self.ids().items()}
        like = nearest(uri, self.known()) or ids.get(nearest(uri, ids) or "")
        return f" (did you mean {like}?)" if like else ""

    def _unloadable(self) -> str:
        """What could not be loaded, to go on a message with; "" where there is nothing."""
        problems = [f"{plugin.id}: {plugin.problem}" for plugin in self.failed if plugin.type == ENTRY_POINT_TYPE]
        return f"; could not be loaded: {'; '.join(problems)}" if problems else ""


@attrs.frozen(eq=False)
class Foresight:
    """What would come of a plan."""

    plugins: PluginSet
    """OK stands for a plugin that would be initialised."""
    refusal: Error | None = None
    """Why the host would not start; None if it would."""
