"""Finding the plugins of installed packages, so that a broken package harms nobody but itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs
import pluggy

from lamina.plugin._collector import Collector, Offence
from lamina.plugin._distributions import normalise
from lamina.plugin._entry_points import given, in_order, installed
from lamina.plugin._location import Owner
from lamina.plugin._plugins import Plugin, Status, blocked_by
from lamina.plugin._registration import Registration
from lamina.plugin._registry import Registry
from lamina.plugin._slow import SlowLoads
from lamina.plugin._types import ENTRY_POINT_TYPE

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP: Final = "lamina.plugins"
"""The entry-point group in which a distribution names its plugin modules for lamina."""


@attrs.frozen
class Discovery:
    """What `discover` found."""

    registry: Registry
    """The registrations of everybody who is in order. Its graph has no circle."""
    failed: tuple[Plugin, ...]
    """Records of what was set aside: FAILED for what offends, BLOCKED for the rest of its distribution. No
    URI occurs twice, or in the registry."""
    manager: pluggy.PluginManager
    """Has the hooks of everybody who is in order."""
    not_imported: tuple[str, ...] = ()
    """`<distribution>:<entry point>` of each module that was left alone, as its distribution is disabled."""

    def set_aside(self, errors: Mapping[str, BaseException]) -> Discovery:
        """This, with plugins set aside that failed before they could be initialised.

        Args:
            errors: What was raised, by URI of the plugin.
        """
        if not errors:
            return self
        failed = [
            Plugin(
                type=one.type,
                id=one.id,
                requires=one.requires,
                distribution=one.distribution,
                status=Status.FAILED,
                error=errors[one.uri],
                location=Owner(one.distribution, one.module).raised(errors[one.uri]),
            )
            for one in self.registry
            if one.uri in errors
        ]
        return attrs.evolve(self, registry=self.registry.without_plugins(errors), failed=(*self.failed, *failed))


def discover(
    modules: Sequence[str] = (),
    disabled_distributions: Collection[str] = (),
    disabled_plugins: Collection[str] = (),
    entry_points: Iterable[EntryPoint] | None = None,
    group: str = ENTRY_POINT_GROUP,
) -> Discovery:
    """Load every module named by an entry point of a group, and collect their registrations.

    The order is fixed: the host's own, then by normalised distribution name and entry-point name, then `modules`
    as given. The host's own are those of the distribution whose name the group begins with, as lamina's are in
    `lamina.plugins`. A distribution that cannot be loaded, or registers what it must not, is set aside as a whole;
    of the host's own, only the entry point. For a circle that is the distribution of the last registered plugin
    in it that is not the host's own. Importing is running somebody's code: what is disabled is not imported.

    Args:
        modules: Modules to load besides, asked for by name.
        disabled_distributions: Distributions to leave alone, in any spelling that PEP 503 takes for equal.
        disabled_plugins: URIs that the host will not initialise: a circle through one of them is none.
        entry_points: Those to use instead of what is installed.
        group: Where to look for entry points.

    Raises:
        NotFound: One of `modules` does not exist.
        InvalidArgument: One of `modules` cannot be loaded or registers what it must not.
        PluginLoop: The host's own plugins require each other in a circle, or one of `modules` closes one.
    """
    disabled = {normalise(name) for name in disabled_distributions}
    sources = list(installed(group) if entry_points is None else map(given, entry_points))
    own = normalise(group.partition(".")[0])
    with SlowLoads() as slow:
        collector = Collector(own, slow)
        for sources_of_one in in_order((source for source in sources if source.distribution not in disabled), own):
            collector.add(sources_of_one)
        for module in modules:
            collector.add_module(module)
    collector.break_loops(disabled_plugins)
    failed = _records(collector.offences, collector.registry)
    not_imported = sorted(source.id for source in sources if source.distribution in disabled)
    return Discovery(collector.registry, failed, collector.manager, tuple(not_imported))


def _records(offences: Iterable[Offence], registry: Registry) -> tuple[Plugin, ...]:
    """The records of what was set aside. One named after a URI that somebody else has is not made, or renamed."""
    records: dict[str, Plugin] = {}

    def free(registration: Registration[Any]) -> bool:
        return registration.uri not in registry and registration.uri not in records

    for offence in offences:
        offender = offence.registration
        named = offender is not None and offender.has_name() and free(offender)
        failed = Plugin(
            type=offender.type if offender and named else ENTRY_POINT_TYPE,
            id=offender.id if offender and named else offence.source.id,
            distribution=offence.source.distribution,
            status=Status.FAILED,
            error=offence.error,
            location=offence.location,
        )
        records[failed.uri] = failed
        for registration in filter(free, offence.withdrawn):
            records[registration.uri] = Plugin(
                type=registration.type,
                id=registration.id,
                requires=registration.requires,
                distribution=registration.distribution,
                status=Status.BLOCKED,
                error=blocked_by(failed),
                blocked_by=failed,
            )
    return tuple(records.values())
