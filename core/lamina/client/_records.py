"""Records of a server: its plugins, identity and version."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lamina.api import PluginDetails
from lamina.errdefs import Error, SkipPlugin


@attrs.frozen
class RemotePlugin:
    """A plugin of the server, as reported by its introspection service."""

    type: str
    id: str
    requires: tuple[str, ...] = ()
    """Plugin types; a single `*` stands for all other plugins."""
    platforms: tuple[str, ...] = ()
    """Each as `os/architecture` or `os/architecture/variant`."""
    exports: Mapping[str, str] = attrs.field(factory=dict)
    capabilities: tuple[str, ...] = ()
    init_error: Error | None = None
    """The reason why the plugin does not work; None if it works."""
    details: PluginDetails = attrs.field(factory=PluginDetails)
    """Details that only lamina hosts report."""

    @property
    def uri(self) -> str:
        """`<type>.<id>`."""
        return f"{self.type}.{self.id}"

    @property
    def is_of_lamina(self) -> bool:
        """True if the server is a lamina host."""
        return bool(self.details.distribution)

    @property
    def status(self) -> str:
        """`ok`, `skipped`, `failed` or `blocked`: the words of `lamina.plugin.Status`.

        Other servers than lamina hosts report only failures. As in `ctr`, the error's text marks a skip then.
        """
        if self.init_error is None:
            return "ok"
        return self.details.outcome or ("skipped" if SkipPlugin.text in str(self.init_error) else "failed")

    @property
    def reason(self) -> str:
        """The reason why the plugin does not work, and whether it is being retried; "" if it works.

        The text that marks a skip for `ctr` is removed.
        """
        if self.init_error is None:
            return ""
        reason = str(self.init_error).removesuffix(f": {SkipPlugin.text}") or self.init_error.text
        return f"{reason}; it is being retried" if self.details.retrying else reason


@attrs.frozen
class Server:
    """The identity of a server."""

    uuid: str
    """Stays the same across restarts on the same root."""
    pid: int
    """0 if the server does not report it, as containerd before 1.7."""
    pidns: int
    """Inode of its PID namespace, or 0."""


@attrs.frozen
class Version:
    """The version of a server."""

    version: str
    revision: str
    """Revision of the source, or ""."""
