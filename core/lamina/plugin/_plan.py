"""The plan of a start: everything that is decided before a plugin runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from lamina.errdefs import Error, NoInstance, PluginFailed, nearest
from lamina.plugin._plugins import Plugin, PluginSet, Status, blocked_by, first_retrying
from lamina.plugin._registration import Registration
from lamina.plugin._types import ENTRY_POINT_TYPE, EVERY_TYPE, PluginType
from lamina.plugin.discovery._discover import Discovery
from lamina.plugin.lifecycle._init import predict


class Plan:
    """The order of initialisation, and everything else that is decided before a plugin runs.

    A host carries the plan out; `dry_run` predicts its outcome, assuming that every init succeeds.
    """

    def __init__(
        self,
        discovery: Discovery,
        *,
        more: Iterable[Registration[Any]] = (),
        disabled: Collection[str] = (),
        required: Collection[str] = (),
    ) -> None:
        """Create a plan.

        Args:
            discovery: The plugins that were found.
            more: Additional registrations of the host.
            disabled: URIs of plugins not to initialise.
            required: URIs of plugins that must work for the host to start.

        Raises:
            InvalidRegistration: One of `more` is invalid, or its URI is taken.
            PluginLoop: One of `more` closes a dependency cycle.
        """
        registry = discovery.registry
        for registration in more:
            registry = registry.register(registration)
        self.discovery = discovery
        self.registry = registry
        """All registrations: discovered ones and those that the host adds, disabled ones included."""
        self.order = registry.graph(disabled)
        """The registrations to initialise, in order."""
        self.failed = tuple(plugin for plugin in discovery.failed if plugin.uri not in disabled)
        """Records of plugins that could not be loaded."""
        self.disabled = frozenset(disabled)
        """URIs of plugins that are not initialised."""
        self.required = tuple(required)
        """URIs of plugins that must work for the host to start."""

    def carry_out(self, plugins: PluginSet, init: Callable[[Registration[Any]], Plugin]) -> Iterator[Plugin]:
        """Initialise the plugins in order, and add their records to a set.

        Args:
            plugins: An empty set.
            init: Returns the record of one plugin, as `initialise` does. The records before it are in the set.

        Yields:
            Each record after it was added. The caller passes it to `check` before it continues.
        """
        for plugin in self.failed:
            plugins.add(plugin)
            yield plugin
        for registration in self.order:
            plugin = init(registration)
            plugins.add(plugin)
            yield plugin

    def check_presence(self) -> None:
        """Check that every required plugin is installed and enabled.

        Raises:
            NoInstance: A required plugin is not.
        """
        for reason in self.missing().values():
            raise NoInstance(reason)

    def missing(self) -> dict[str, str]:
        """Return the reason why each missing required plugin is not installed or not enabled, by URI."""
        known, missing = self.known(), {}
        for uri in self.required:
            if uri in self.disabled:
                missing[uri] = f"required plugin {uri} is disabled: it is also in disabled_plugins"
            elif uri not in known:
                guess = self.did_you_mean(uri)
                missing[uri] = f"required plugin {uri} is not installed{guess}{self._unloadable()}"
        return missing

    def check(self, plugin: Plugin) -> None:
        """Check that the host can continue its start after a plugin.

        Raises:
            PluginFailed: The plugin does not work, and is required or has delayed readiness, so that the host
                would never become ready.
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
        """Check that no required plugin that works depends on a plugin that is being retried.

        Raises:
            PluginFailed: One does, directly or not (`Registration.late_binding`).
        """
        for uri in self.required:
            registration = self.registry.get(uri)
            awaited = registration and self._awaited(registration, plugins)
            if awaited:
                raise PluginFailed(f"load required plugin {uri}: {blocked_by(awaited)}") from awaited.error

    def _awaited(self, registration: Registration[Any], plugins: PluginSet) -> Plugin | None:
        """Return a plugin being retried that this one depends on: for a required type, no other plugin works."""
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
                    return first_retrying(waiting)
        return None

    def check_servers(self, plugins: PluginSet) -> None:
        """Check that a server works, after all plugins are initialised.

        Raises:
            NoInstance: There are no servers, or all are skipped. A host can run without.
            PluginFailed: There are servers, and none works.
        """
        plugins.get_by_type(PluginType.SERVER)

    def dry_run(self) -> DryRun:
        """Predict the outcome of the plan, assuming that every init succeeds. Nothing is initialised."""
        plugins = PluginSet()
        records = list(self.carry_out(plugins, lambda registration: predict(registration, plugins)))
        try:
            self.check_presence()
            for plugin in records:
                self.check(plugin)
            with contextlib.suppress(NoInstance):
                self.check_servers(plugins)
        except Error as error:
            return DryRun(plugins, error)
        return DryRun(plugins)

    def providers(self, requires: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the URIs of the plugins of each type, including disabled ones and those that could not be loaded.

        Args:
            requires: The types. `EVERY_TYPE` is left out.
        """
        known = self.known()
        return {
            required: tuple(uri for uri, type_ in known.items() if type_ == required)
            for required in requires
            if required != EVERY_TYPE
        }

    def known(self) -> dict[str, str]:
        """Return the type of every plugin by URI: first the plugins to initialise, in order."""
        found = [*self.order, *self.failed, *self.registry, *self.discovery.failed]
        return {one.uri: one.type for one in found}

    def ids(self) -> dict[str, str]:
        """Return the id of every plugin by URI, in the order of `known`."""
        return {uri: uri.removeprefix(f"{type_}.") for uri, type_ in self.known().items()}

    def did_you_mean(self, uri: str) -> str:
        """Return the end of a message about an unknown URI or id: the most similar known one, or ""."""
        ids = {id_: known for known, id_ in self.ids().items()}
        like = nearest(uri, self.known()) or ids.get(nearest(uri, ids) or "")
        return f" (did you mean {like}?)" if like else ""

    def _unloadable(self) -> str:
        """Return a hint for a message that lists the packages that could not be loaded; "" if there are none."""
        problems = [f"{plugin.id}: {plugin.problem}" for plugin in self.failed if plugin.type == ENTRY_POINT_TYPE]
        return f"; could not be loaded: {'; '.join(problems)}" if problems else ""


class DryRun(NamedTuple):
    """The predicted outcome of a plan."""

    plugins: PluginSet
    """The records. OK means that the plugin would be initialised."""
    refusal: Error | None = None
    """The error with which the host would not start; None if it would."""
