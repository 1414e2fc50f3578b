"""Check the plugins of a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.client import RemotePlugin
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.plugin import Finding


def of_host(plugins: Sequence[RemotePlugin], why: str, wanted: str) -> Iterator[Finding]:
    """Report the plugins of a running host that do not work, and the number of those that do.

    Args:
        plugins: The records of the plugins.
        why: The command that explains the plugin whose URI is appended.
        wanted: URI of the plugin that must work; "" for none.
    """
    broken = [plugin for plugin in plugins if plugin.init_error is not None]
    for plugin in broken:
        if plugin.status == "skipped" and plugin.uri != wanted:
            yield Finding.ok(plugin.uri, f"skipped: {plugin.reason}")
        else:
            yield Finding.problem(plugin.uri, f"{plugin.status}: {plugin.reason}", f"{why} {plugin.uri}")
    if wanted and not any(plugin.uri == wanted for plugin in plugins):
        yield Finding.problem(wanted, "the host has no such plugin", f"{why} {wanted}")
    yield Finding.ok("others" if broken else "all", f"{len(plugins) - len(broken)} work")


def of_configuration(host: ConfiguredHost, why: str) -> Iterator[Finding]:
    """Report the plugins that cannot be loaded, if no host answers."""
    for plugin in host.broken:
        yield Finding.problem(plugin.uri, f"{plugin.status}: {plugin.reason}", f"{why} {plugin.uri}")
    if host.prepared is None:
        yield Finding.unknown("all", "unknown until the configuration is valid", "fix the configuration")
    elif not host.broken:
        count = len(host.prepared.plan.order)
        yield Finding.ok("all", f"{count} can be loaded; start a host to see whether they work")
