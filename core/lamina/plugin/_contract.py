"""The interface that the plugins of a type share, which their users rely on."""

from __future__ import annotations

import abc
import builtins
from typing import Any, Protocol

import attrs

from lamina.errdefs import InvalidRegistration
from lamina.plugin._registration import is_text
from lamina.plugin._types import PluginType


@attrs.frozen(eq=False, repr=False)
class Contract:
    """The interface of every plugin of a type, registered once by the package that defines the type.

    A module registers contracts with the hook `lamina_contracts`:

        @hookimpl
        def lamina_contracts() -> Iterable[Contract]:
            return [Contract("com.example.tape.v1", Tape)]

    A plugin of that type, from any package, fails if its init returns an object that lacks one of the interface's
    abstract members. Only names are compared: the object need not inherit from the interface.
    """

    type: str
    """The plugin type."""
    interface: builtins.type[Any]
    """An abstract base class or a protocol. Its abstract members are required, all others are optional."""
    distribution: str = ""
    """The distribution that registered it. Set by `discover`."""

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the interface's abstract members, in the order of their definition."""
        abstract = self.interface.__abstractmethods__
        names = dict.fromkeys(name for base in reversed(self.interface.__mro__) for name in vars(base))
        return tuple(name for name in names if name in abstract)

    def check(self) -> None:
        """Check the fields.

        Raises:
            InvalidRegistration: The type is not a string, or the interface has no abstract member.
        """
        if not is_text(self.type):
            raise InvalidRegistration(f"contract: type must be a UTF-8 string, not {self.type!r}")
        if not getattr(self.interface, "__abstractmethods__", ()):
            raise InvalidRegistration(
                f"contract of {self.type}: expected an abstract base class or a protocol with abstract members, "
                f"found {self.interface!r}"
            )


class Server(Protocol):
    """The interface of plugins of the type SERVER, which a host starts when all plugins are initialised."""

    @abc.abstractmethod
    def start(self) -> None:
        """Start answering clients."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stop answering them, and close the address."""


SERVER = Contract(PluginType.SERVER, Server)
"""The framework's only contract of its own: the host itself starts and closes servers."""
