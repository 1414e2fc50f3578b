"""Plugins that a configuration creates: containerd's `[proxy_plugins]`."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any, Generic

import attrs

from lamina.errdefs import InvalidRegistration
from lamina.plugin._registration import Registration, is_text, is_tuple_of_strings
from lamina.plugin.lifecycle._context import C, InitContext


@attrs.frozen(kw_only=True, eq=False, repr=False)
class ProxyType(Generic[C]):
    """A type of plugin that a host creates from tables `[proxy_plugins.<name>]`, one plugin for each table.

    A module registers them with the hook `lamina_proxy_types`:

        @hookimpl
        def lamina_proxy_types() -> Iterable[ProxyType[Any]]:
            return [ProxyType(type="com.example.tape.v1", names=("tape",), config=TapeProxy, init=connect_tape)]

    A table is a proxy of this type if its key `type` is the plugin type or one of the other names. The id of the
    plugin is the name of the table.
    """

    type: str
    """The type of the plugins."""
    names: tuple[str, ...] = ()
    """Other values of the key `type` that mean this type, such as containerd's short names."""
    config: builtins.type[C]
    """The attrs class of a table, which has a field `type`."""
    init: Callable[[C, InitContext[None]], object]
    """Returns the instance, given the decoded table. As `Registration.init` otherwise."""
    distribution: str = ""
    """The distribution that registered it. Set by `discover`."""
    module: str = ""
    """The module that registered it. Set by `discover`."""

    @property
    def all_names(self) -> tuple[str, ...]:
        """Return every value of the key `type` that means this type."""
        return (*self.names, self.type)

    def registration(self, name: str, config: C) -> Registration[None]:
        """Return the registration of the plugin of one table."""
        return Registration(
            type=self.type,
            id=name,
            init=functools.partial(self.init, config),
            distribution=self.distribution,
            module=self.module,
        )

    def check(self) -> None:
        """Check the fields.

        Raises:
            InvalidRegistration: A field has the wrong type, or the class of the tables has no field `type`.
        """
        config: Any = self.config
        if not is_text(self.type) or not is_tuple_of_strings(self.names):
            names = f"{self.type!r} and {self.names!r}"
            raise InvalidRegistration(f"proxy type: expected a UTF-8 string and a tuple of them, found {names}")
        if not attrs.has(config) or "type" not in attrs.fields_dict(config):
            raise InvalidRegistration(f"proxy type {self.type}: expected an attrs class with a field `type`")
        if not callable(self.init):
            raise InvalidRegistration(f"proxy type {self.type}: init must be a function, not {self.init!r}")
