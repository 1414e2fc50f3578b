"""Collects the registrations of modules. A distribution is accepted as a whole or rejected as a whole."""

from __future__ import annotations

import functools
import importlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import attrs
import pluggy

from lamina.errdefs import InvalidArgument, InvalidRegistration, NotFound, describe, is_interrupt
from lamina.plugin._contract import Contract
from lamina.plugin._hooks import new_manager
from lamina.plugin._proxy import ProxyType
from lamina.plugin._registration import Registration
from lamina.plugin._registry import Registry, loop_error
from lamina.plugin.discovery._entry_points import Source
from lamina.plugin.discovery._slow_imports import SlowImports
from lamina.plugin.lifecycle._location import Location, Owner

_log = logging.getLogger(__name__)

T = TypeVar("T")
_Hooks = Mapping[str, Callable[..., object]]
"""A module's own hook implementations, by the name of the hook."""


class Rejection(NamedTuple):
    """A distribution that was rejected, and the reason."""

    source: Source
    error: BaseException
    registration: Registration[Any] | None
    """The registration at fault, if it is known."""
    withdrawn: tuple[Registration[Any], ...]
    """The registrations of the distribution before the error."""
    location: Location | None


class Collector:
    """The registrations, contracts, proxy types and hooks collected so far."""

    def __init__(self, own: str, slow: SlowImports) -> None:
        """Create an empty collector.

        Args:
            own: The host's own distribution.
            slow: Notified of each module that is loaded.
        """
        self._own = own
        self._slow = slow
        self.manager = new_manager()
        self.registry = Registry()
        self.rejections: list[Rejection] = []
        self._source_of: dict[str, Source] = {}

    def add(self, sources: Sequence[Source]) -> None:
        """Add all of these sources, or reject them."""
        rejection = self._add(sources)
        if rejection is None:
            return
        self.rejections.append(rejection)
        for source in sources:
            if self.manager.has_plugin(source.id):
                self.manager.unregister(name=source.id)

    def add_module(self, module: str) -> None:
        """Add a module that the user named.

        Raises:
            NotFound: The module does not exist.
            InvalidArgument: The module cannot be loaded, or a registration is invalid.
        """
        rejection = self._add([Source(module, "", module, functools.partial(importlib.import_module, module))])
        if rejection is None:
            return
        error = rejection.error
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise NotFound(
                f"plugin module {module!r}: no module named {error.name!r}; "
                "is it installed, or its directory in PYTHONPATH?"
            ) from error
        raise InvalidArgument(f"plugin module {module!r}: {describe(error)}") from error

    def break_loops(self, disabled_plugins: Collection[str]) -> None:
        """Reject distributions until there is no dependency cycle.

        Raises:
            PluginLoop: The host's own plugins form a cycle, or a module that the user named closes one.
        """
        while loop := self.registry.loop(disabled_plugins):
            culprit = self._last_foreign(loop)
            # A module that the user named is not rejected silently.
            if culprit is None or not self._source_of[culprit.uri].name:
                raise loop_error(loop)
            self._withdraw(culprit, loop_error(loop))

    def _add(self, sources: Sequence[Source]) -> Rejection | None:
        """Register everything in the sources, or nothing; return the rejection then."""
        registry = self.registry
        added: dict[str, Registration[Any]] = {}
        for source in sources:
            registration: Registration[Any] | None = None
            try:
                hooks = self._load(source)
                for contract in _results(hooks, "lamina_contracts", Contract, source):
                    registry = registry.add_contract(attrs.evolve(contract, distribution=source.distribution))
                for proxy in _results(hooks, "lamina_proxy_types", ProxyType, source):
                    proxy_type = attrs.evolve(proxy, distribution=source.distribution, module=source.module)
                    registry = registry.add_proxy_type(proxy_type)
                for found in _results(hooks, "lamina_register", Registration, source):
                    registration = attrs.evolve(found, distribution=source.distribution, module=source.module)
                    registry = registry.register(registration)
                    added[registration.uri] = registration
                    self._source_of[registration.uri] = source
            except BaseException as error:
                if is_interrupt(error):
                    raise
                location = self._place(source, error)
                return Rejection(source, error, registration, tuple(added.values()), location)
        self.registry = registry
        return None

    def _load(self, source: Source) -> _Hooks:
        """Import a module, register its hooks and return them; none if the module is registered already.

        There is no deadline: an abandoned import would hold the module's import lock, on which other imports of
        the module would block forever. `SlowImports` reports the module.
        """
        _log.debug("loading plugin module", extra={"entry_point": source.id})
        self._slow.begin(source.distribution, source.name, source.module)
        module = source.load()
        if self.manager.is_registered(module):
            return {}
        self.manager.register(module, name=source.id)
        self.manager.check_pending()
        return _hooks_of(self.manager, module, source)

    def _place(self, source: Source, error: BaseException) -> Location | None:
        """Return where an error was raised in the source's own code, or else its function `lamina_register`."""
        owner = Owner(source.distribution, source.module)
        raised = owner.raised(error)
        if raised is not None and raised.distribution:
            return raised
        register = getattr(self.manager.get_plugin(source.id), "lamina_register", None)
        return (owner.defined(register) if register else None) or raised

    def _last_foreign(self, loop: Collection[Registration[Any]]) -> Registration[Any] | None:
        uris = {registration.uri for registration in loop if registration.distribution != self._own}
        return next((one for one in reversed(tuple(self.registry)) if one.uri in uris), None)

    def _withdraw(self, culprit: Registration[Any], error: BaseException) -> None:
        """Reject the distribution of a registration that was accepted before."""
        distribution = culprit.distribution
        rest = tuple(one for one in self.registry if one.distribution == distribution and one is not culprit)
        source = self._source_of[culprit.uri]
        self.rejections.append(Rejection(source, error, culprit, rest, self._place(source, error)))
        for name, _ in self.manager.list_name_plugin():
            if name.startswith(f"{distribution}:"):
                self.manager.unregister(name=name)
        self.registry = self.registry.without(distribution)


def _hooks_of(manager: pluggy.PluginManager, module: object, source: Source) -> _Hooks:
    """Return the module's own hooks. pluggy would call those of all modules, the last registered first."""
    hooks = {
        caller.name: implementation
        for caller in manager.get_hookcallers(module) or ()
        for implementation in caller.get_hookimpls()
        if implementation.plugin is module
    }
    if "lamina_register" not in hooks:
        raise InvalidRegistration(f"{source.id}: no function lamina_register marked @hookimpl")
    if any(hook.wrapper or hook.hookwrapper for hook in hooks.values()):
        raise InvalidRegistration(f"{source.id}: a hook of lamina cannot be wrapped")
    return {name: hook.function for name, hook in hooks.items()}


def _results(hooks: _Hooks, name: str, kind: type[T], source: Source) -> Iterator[T]:
    """Call a hook of a module, if it has one, and check the type of each result."""
    results = hooks[name]() if name in hooks else ()
    if not isinstance(results, Iterable):
        raise InvalidRegistration(
            f"{source.id}: {name} returned {results!r}: it must return a list of {kind.__name__}s"
        )
    for result in results:
        if not isinstance(result, kind):
            raise InvalidRegistration(f"{source.id}: {name} gave {result!r}: not a {kind.__name__}")
        yield result
