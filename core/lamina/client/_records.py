"""What a server says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

from lamina.api import PluginDetails
from lamina.errdefs import Error, SkipPlugin


@attrs.frozen
class Plugin:
    """A plugin of the server, as its introspection service shows it."""

    type: str
    id: str
    requires: tuple[str, ...] = ()
    """Plugin types; a single `*` stands for every other plugin."""
    platforms: tuple[str, ...] = ()
    """Each as `os/architecture` or `os/architecture/variant`."""
    exports: Mapping[str, str] = attrs.field(factory=dict)
    capabilities: tuple[str, ...] = ()
    init_error: Error | None = None
    """Why it does not work; None where it does."""
    details: PluginDetails = attrs.field(factory=PluginDetails)
    """What only a lamina host tells."""

    @property
    def uri(self) -> str:
        """`<type>.<id>`."""
        return f"{self.type}.{self.id}"

    @property
    def status(self) -> Literal["ok", "skip", "error"]:
        """In the words of `ctr plugins ls`. A skip is told from an error by its text alone, as `ctr` does."""
        if self.init_error is None:
            return "ok"
        return "skip" if SkipPlugin.text in str(self.init_error) else "error"

    @property
    def reason(self) -> str:
        """Why it does not work, and whether it is being retried; "" where it does.

        It is without the words that tell `ctr` of a skip.
        """
        if self.init_error is None:
            return ""
        reason = str(self.init_error).removesuffix(f": {SkipPlugin.text}") or self.init_error.text
        return f"{reason}; it is being retried" if self.details.retrying else reason


@attrs.frozen
class Server:
    """Which server answers."""

    uuid: str
    """Stays the same when it is started again on the same root."""
    pid: int
    """0 where the server does not say, as containerd before 1.7."""
    pidns: int
    """Inode of its pid namespace, or 0."""


@attrs.frozen
class Version:
    """What the server was built from."""

    version: str
    revision: str
    """Of the source, or ""."""
