"""`Registry`: registrations and the order of their initialisation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from lamina.errdefs import InvalidRegistration, PluginLoop
from lamina.plugin._contract import SERVER, Contract
from lamina.plugin._proxy import ProxyType
from lamina.plugin._registration import Registration
from lamina.plugin._types import EVERY_TYPE
from lamina.plugin.lifecycle._location import package_of


def loop_error(loop: Sequence[Registration[Any]]) -> PluginLoop:
    """Return the error of a dependency cycle, whose message shows the path."""
    path = " -> ".join(registration.uri for registration in (*loop, loop[0]))
    return PluginLoop(f"circular plugin dependency: {path}")


def _by(distribution: str) -> str:
    return f" by {distribution}" if distribution else ""


class Registry:
    """Registrations in their order, contracts and proxy types. Immutable: methods that add return another."""

    def __init__(self) -> None:
        """Create a registry with nothing but the contract of servers."""
        self._by_uri: Mapping[str, Registration[Any]] = {}
        self._contracts: Mapping[str, Contract] = {SERVER.type: SERVER}
        self.proxy_types: Mapping[str, ProxyType[Any]] = {}
        """The proxy types, by each value that the key `type` of a table may have."""

    def _with(
        self,
        by_uri: Mapping[str, Registration[Any]] | None = None,
        contracts: Mapping[str, Contract] | None = None,
        proxy_types: Mapping[str, ProxyType[Any]] | None = None,
    ) -> Registry:
        """Return a copy with other registrations, contracts or proxy types; None: the same."""
        changed = Registry()
        changed._by_uri = self._by_uri if by_uri is None else by_uri
        changed._contracts = self._contracts if contracts is None else contracts
        changed.proxy_types = self.proxy_types if proxy_types is None else proxy_types
        return changed

    def __iter__(self) -> Iterator[Registration[Any]]:
        return iter(self._by_uri.values())

    def __len__(self) -> int:
        return len(self._by_uri)

    def __contains__(self, uri: object) -> bool:
        return uri in self._by_uri

    @property
    def packages(self) -> set[str]:
        """The packages of the plugins. All that is in them belongs to plugins."""
        return {package_of(one.module) for one in self}

    def get(self, uri: str) -> Registration[Any] | None:
        """Return the registration of a URI, or None."""
        return self._by_uri.get(uri)

    def register(self, registration: Registration[Any]) -> Registry:
        """Return a registry with one more registration.

        Raises:
            InvalidRegistration: The registration is invalid, or its URI is taken.
        """
        registration.check()
        if other := self.get(registration.uri):
            raise InvalidRegistration(
                f"{registration.uri}: plugin: id already registered{_by(other.distribution)}"
            )
        return self._with(by_uri={**self._by_uri, registration.uri: registration})

    def add_contract(self, contract: Contract) -> Registry:
        """Return a registry with one more contract.

        Raises:
            InvalidRegistration: The contract is malformed, or the type already has one.
        """
        contract.check()
        if other := self.contract(contract.type):
            by = _by(other.distribution)
            raise InvalidRegistration(f"contract of {contract.type}: the type already has a contract{by}")
        return self._with(contracts={**self._contracts, contract.type: contract})

    def contract(self, type: str) -> Contract | None:  # noqa: A002 - containerd's word
        """Return the contract of a plugin type, or None if no package registered one."""
        return self._contracts.get(type)

    def add_proxy_type(self, proxy_type: ProxyType[Any]) -> Registry:
        """Return a registry with one more proxy type.

        Raises:
            InvalidRegistration: The proxy type is malformed, or another one has one of its names.
        """
        proxy_type.check()
        added = dict.fromkeys(proxy_type.all_names, proxy_type)
        for name in added.keys() & self.proxy_types.keys():
            by = _by(self.proxy_types[name].distribution)
            raise InvalidRegistration(f"proxy type {proxy_type.type}: there is another one named {name!r}{by}")
        return self._with(proxy_types={**self.proxy_types, **added})

    def without(self, distribution: str) -> Registry:
        """Return a registry without anything that a distribution registered."""
        contracts = {name: one for name, one in self._contracts.items() if one.distribution != distribution}
        proxy_types = {name: one for name, one in self.proxy_types.items() if one.distribution != distribution}
        by_uri = {uri: one for uri, one in self._by_uri.items() if one.distribution != distribution}
        return self._with(by_uri, contracts, proxy_types)

    def without_plugins(self, uris: Collection[str]) -> Registry:
        """Return a registry without these registrations."""
        return self._with(by_uri={uri: one for uri, one in self._by_uri.items() if uri not in uris})

    def graph(self, disabled: Collection[str] = ()) -> tuple[Registration[Any], ...]:
        """Return the registrations in the order of initialisation: each after those of the types it requires.

        Otherwise the order of registration is kept. A required type without plugins has no effect.

        Args:
            disabled: URIs to leave out. Their requirements do not count.

        Raises:
            PluginLoop: There is a dependency cycle.
        """
        order, loop = self._walk(disabled)
        if loop:
            raise loop_error(loop)
        return order

    def loop(self, disabled: Collection[str] = ()) -> tuple[Registration[Any], ...]:
        """Return the first dependency cycle: each member requires the next, and the last the first; or ()."""
        return self._walk(disabled)[1]

    def _walk(
        self, disabled: Collection[str]
    ) -> tuple[tuple[Registration[Any], ...], tuple[Registration[Any], ...]]:
        """Return the order and (), or the part ordered so far and a cycle."""
        enabled = [registration for registration in self if registration.uri not in disabled]
        by_type: dict[str, list[Registration[Any]]] = {EVERY_TYPE: enabled}
        for registration in enabled:
            by_type.setdefault(registration.type, []).append(registration)

        def required(registration: Registration[Any]) -> Iterator[Registration[Any]]:
            for required_type in registration.requires:
                for candidate in by_type.get(required_type, ()):
                    if candidate is not registration:
                        yield candidate

        order: dict[str, Registration[Any]] = {}
        for root in enabled:
            if root.uri in order:
                continue
            # Depth first with an explicit stack, since chains may exceed Python's recursion limit.
            path = {root.uri: required(root)}
            while path:
                uri = next(reversed(path))
                candidate = next((other for other in path[uri] if other.uri not in order), None)
                if candidate is None:
                    del path[uri]
                    order[uri] = self._by_uri[uri]
                elif candidate.uri in path:
                    uris = list(path)
                    cycle = uris[uris.index(candidate.uri) :]
                    return tuple(order.values()), tuple(self._by_uri[uri] for uri in cycle)
                else:
                    path[candidate.uri] = required(candidate)
        return tuple(order.values()), ()
