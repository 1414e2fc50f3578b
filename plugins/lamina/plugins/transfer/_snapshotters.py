"""The snapshotters to which images are unpacked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from lamina.errdefs import FailedPrecondition, NotFound, Unavailable, nearest
from lamina.images import unpack  # its names are looked up in calls, since few starts need them
from lamina.plugin import Plugin, PluginType, Status

if TYPE_CHECKING:
    from lamina.images.unpack import Destination

_PREFERRED: Final = ("overlayfs", "native")
"""The default snapshotters, the first one that works."""
_REBASE: Final = "rebase"
"""containerd's capability of a snapshotter whose snapshots may get their parent when they are committed."""


class Snapshotters:
    """The snapshotters of the host at the moment of each call."""

    def __init__(
        self,
        plugins: Callable[[], Iterable[Plugin]],
        default: str,
        names: Callable[[Iterable[Plugin]], Mapping[str, str]] = lambda _: {},
    ) -> None:
        """Choose the default snapshotter.

        Args:
            plugins: Returns the records of all plugins.
            default: The id of the default snapshotter; "" for one that works.
            names: Returns the ids of snapshotters by their other names.
        """
        self._names = names
        self._plugins = plugins
        self._default = default

    def destination(self, name: str) -> Destination:
        """Return a snapshotter as a destination.

        Args:
            name: The plugin id, or another name that clients may use for it; "" for the default one. Images have
                keyspaces of their own, so all its names stand for the same.

        Raises:
            NotFound: There is no such snapshotter.
            FailedPrecondition: It does not work, or none does.
            Unavailable: It does not work yet, and is being retried.
        """
        plugins = tuple(self._plugins())
        known = {plugin.id: plugin for plugin in plugins if plugin.type == PluginType.SNAPSHOTTER}
        working = [plugin.id for plugin in known.values() if plugin.status is Status.OK]
        ids = self._names(plugins)
        chosen = name or self._default or next((one for one in (*_PREFERRED, *working) if one in working), "")
        if not chosen:
            raise FailedPrecondition("no snapshotter works: lamina plugins ls says why")
        chosen = chosen if chosen in known else ids.get(chosen, chosen)
        plugin = known.get(chosen)
        if plugin is None:
            like = nearest(chosen.partition("/")[0], [*known, *ids])  # keyspaces are those of the namespaces
            hint = f"did you mean {like}?" if like else f"known are {', '.join(working)}"
            raise NotFound(f"no snapshotter {chosen!r}: {hint}")
        if plugin.retrying:
            raise Unavailable(f"snapshotter {chosen}: {plugin.problem}; it is being retried")
        if plugin.status is not Status.OK:
            raise FailedPrecondition(f"snapshotter {chosen}: {plugin.problem}")
        return unpack.Destination(chosen, plugin.instance, _REBASE in plugin.meta.capabilities)
