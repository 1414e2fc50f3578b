"""Whether plugins work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.client import Plugin
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.plugin import Finding


def of_host(plugins: Sequence[Plugin], why: str, wanted: str) -> Iterator[Finding]:
    """What became of the plugins of a host: those that do not work, or that all do.

    Args:
        plugins: What the host says of them.
        why: The command that says more of the plugin whose URI is put after it.
        wanted: URI of the plugin without which it is all for nothing; "" where there is none.
    """
    broken = [plugin for plugin in plugins if plugin.init_error is not None]
    for plugin in broken:
        if plugin.status == "skip" and plugin.uri != wanted:
            yield Finding.ok(plugin.uri, f"skipped: {plugin.reason}")
        else:
            outcome = plugin.details.outcome or plugin.status
            yield Finding.problem(plugin.uri, f"{outcome}: {plugin.reason}", f"{why} {plugin.uri}")
    if wanted and not any(plugin.uri == wanted for plugin in plugins):
        yield Finding.problem(wanted, "the host has no such plugin", f"{why} {wanted}")
    yield Finding.ok("others" if broken else "all", f"{len(plugins) - len(broken)} work")


def of_site(site: ConfiguredHost, why: str) -> Iterator[Finding]:
    """The plugins that cannot be loaded, of a host that cannot be asked.

    Args:
        site: The configuration.
        why: As for `of_host`.
    """
    for plugin in site.broken:
        yield Finding.problem(plugin.uri, f"{plugin.status}: {plugin.reason}", f"{why} {plugin.uri}")
    if site.prepared is None:
        yield Finding.unknown("all", "which there are, the configuration must say", "mend the configuration")
    elif not site.broken:
        count = len(site.prepared.plan.order)
        yield Finding.ok("all", f"{count} can be loaded; whether they work, a host must tell")
