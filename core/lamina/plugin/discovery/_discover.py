"""Discovery of the plugins of installed packages. A broken package does not affect the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pluggy

from lamina.plugin._plugins import Plugin, Status, blocked_by
from lamina.plugin._registration import Registration
from lamina.plugin._registry import Registry
from lamina.plugin._types import ENTRY_POINT_TYPE
from lamina.plugin.discovery._collector import Collector, Rejection
from lamina.plugin.discovery._distributions import normalise
from lamina.plugin.discovery._entry_points import in_load_order, installed, source_of
from lamina.plugin.discovery._slow_imports import SlowImports
from lamina.plugin.lifecycle._location import Owner

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP: Final = "lamina.plugins"
"""The entry-point group of lamina's plugin modules."""


class Discovery:
    """The result of `discover`."""

    def __init__(
        self,
        registry: Registry,
        failed: tuple[Plugin, ...],
        manager: pluggy.PluginManager,
        not_imported: tuple[str, ...] = (),
    ) -> None:
        self.registry = registry
        """The valid registrations. Their graph has no cycle."""
        self.failed = failed
        """The records of rejected distributions: FAILED for the registration at fault, BLOCKED for the others. No
        URI occurs twice, or in the registry."""
        self.manager = manager
        """The pluggy manager with the hooks of the accepted modules."""
        self.not_imported = not_imported
        """`<distribution>:<entry point>` of each module that was not imported, because its distribution is
        disabled."""

    def set_aside(self, errors: Mapping[str, BaseException]) -> Discovery:
        """Return a copy in which plugins have failed before their initialisation.

        Args:
            errors: The errors, by the URI of the plugin.
        """
        if not errors:
            return self
        failed = [
            one.record(
                status=Status.FAILED,
                error=errors[one.uri],
                location=Owner(one.distribution, one.module).raised(errors[one.uri]),
            )
            for one in self.registry
            if one.uri in errors
        ]
        registry = self.registry.without_plugins(errors)
        return Discovery(registry, (*self.failed, *failed), self.manager, self.not_imported)


def discover(
    modules: Sequence[str] = (),
    disabled_distributions: Collection[str] = (),
    disabled_plugins: Collection[str] = (),
    entry_points: Iterable[EntryPoint] | None = None,
    group: str = ENTRY_POINT_GROUP,
) -> Discovery:
    """Import the modules that the entry points of a group name, and collect their registrations.

    The order is fixed: first the host's own distribution, whose name the group begins with (`lamina` in
    `lamina.plugins`), then by normalised distribution name and entry-point name, then `modules` as given. A
    distribution that cannot be loaded, or has an invalid registration, is rejected as a whole; of the host's own
    distribution, only the entry point. Because of a cycle, the distribution of the last registered plugin in it is
    rejected, the host's own excepted. Disabled distributions are not imported, since importing runs their code.

    Args:
        modules: Further modules to load.
        disabled_distributions: Names of distributions to ignore, compared as in PEP 503.
        disabled_plugins: URIs that the host will not initialise; cycles through them do not count.
        entry_points: Entry points to use instead of the installed ones.
        group: The entry-point group.

    Raises:
        NotFound: One of `modules` does not exist.
        InvalidArgument: One of `modules` cannot be loaded or has an invalid registration.
        PluginLoop: The host's own plugins form a cycle, or one of `modules` closes one.
    """
    disabled = {normalise(name) for name in disabled_distributions}
    sources = list(installed(group) if entry_points is None else map(source_of, entry_points))
    own = normalise(group.partition(".")[0])
    with SlowImports() as slow:
        collector = Collector(own, slow)
        for sources_of_one in in_load_order(
            (source for source in sources if source.distribution not in disabled), own
        ):
            collector.add(sources_of_one)
        for module in modules:
            collector.add_module(module)
    collector.break_loops(disabled_plugins)
    failed = _records(collector.rejections, collector.registry)
    not_imported = sorted(source.id for source in sources if source.distribution in disabled)
    return Discovery(collector.registry, failed, collector.manager, tuple(not_imported))


def _records(rejections: Iterable[Rejection], registry: Registry) -> tuple[Plugin, ...]:
    """Return the records of rejected plugins. A record whose URI is taken is renamed or left out."""
    records: dict[str, Plugin] = {}

    def free(registration: Registration[Any]) -> bool:
        return registration.uri not in registry and registration.uri not in records

    for rejection in rejections:
        culprit = rejection.registration
        named = culprit is not None and culprit.has_name() and free(culprit)
        failed = Plugin(
            type=culprit.type if culprit and named else ENTRY_POINT_TYPE,
            id=culprit.id if culprit and named else rejection.source.id,
            distribution=rejection.source.distribution,
            status=Status.FAILED,
            error=rejection.error,
            location=rejection.location,
        )
        records[failed.uri] = failed
        for registration in filter(free, rejection.withdrawn):
            blocked = registration.record(status=Status.BLOCKED, error=blocked_by(failed), blocked_by=failed)
            records[registration.uri] = blocked
    return tuple(records.values())
