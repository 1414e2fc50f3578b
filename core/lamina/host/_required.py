"""The plugins without which a host does not start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.config import HostConfig
from lamina.errdefs import NoInstance, PluginFailed
from lamina.plugin import ENTRY_POINT_TYPE, Plugin, Status


def check_outcome(plugin: Plugin, required: Iterable[str]) -> None:
    """Do nothing if the host can go on after a plugin's init.

    Raises:
        PluginFailed: It is required and does not work; or holds readiness back and does not work, so that the
            host would never become ready.
    """
    if plugin.status is Status.OK:
        return
    if plugin.uri in required:
        raise PluginFailed(f"load required plugin {plugin.uri}: {plugin.problem}") from plugin.error
    if plugin.registered_readiness:
        raise PluginFailed(
            f"plugin failed after registering readiness {plugin.uri}: {plugin.problem}"
        ) from plugin.error


def check_presence(host: HostConfig, known: Sequence[str], failed: Iterable[Plugin]) -> None:
    """Do nothing if every required plugin will be initialised.

    Args:
        host: Says which are required, and which disabled.
        known: URIs of what was found, disabled or not.
        failed: What could not be loaded: perhaps the required plugin is in there.

    Raises:
        NoInstance: One will not, with the reason.
    """
    for uri in host.required_plugins:
        if uri in host.disabled_plugins:
            raise NoInstance(f"required plugin {uri} is disabled: it is also in disabled_plugins")
        if uri not in known:
            raise NoInstance(f"required plugin {uri} is not installed{_nearest(uri, known)}{_unloadable(failed)}")


def _nearest(uri: str, known: Sequence[str]) -> str:
    import difflib  # noqa: PLC0415 # only a mistake needs it

    nearest = difflib.get_close_matches(uri, known, n=1)
    return f" (did you mean {nearest[0]}?)" if nearest else ""


def _unloadable(failed: Iterable[Plugin]) -> str:
    """What could not be loaded, to go on a message with; "" where there is nothing."""
    problems = [f"{plugin.id}: {plugin.problem}" for plugin in failed if plugin.type == ENTRY_POINT_TYPE]
    return f"; could not be loaded: {'; '.join(problems)}" if problems else ""
