"""Finding the plugins of installed packages, so that a broken package harms nobody but itself."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import itertools
import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any, Final

import attrs
import pluggy

from lamina.errdefs import InvalidArgument, InvalidRegistration, NotFound
from lamina.plugin._hooks import new_manager
from lamina.plugin._location import Location, Owner
from lamina.plugin._plugins import Plugin, Status, blocked_by, describe
from lamina.plugin._registration import Registration
from lamina.plugin._registry import Registry, loop_error
from lamina.plugin._slow import SlowLoads
from lamina.plugin._types import ENTRY_POINT_TYPE

_log = logging.getLogger(__name__)

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
        registry = Registry({one.uri: one for one in self.registry if one.uri not in errors})
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
        return attrs.evolve(self, registry=registry, failed=(*self.failed, *failed))


@attrs.frozen
class _Source:
    """A module to load, and where that is asked for."""

    distribution: str
    name: str
    """The entry point's name; "" for a module given with `-p`."""
    module: str
    load: Callable[[], object]

    @property
    def id(self) -> str:
        return f"{self.distribution}:{self.name}" if self.name else self.distribution


@attrs.frozen
class _Offence:
    """Why a distribution was set aside."""

    source: _Source
    error: BaseException
    registration: Registration[Any] | None
    """What offends, where that is known."""
    withdrawn: tuple[Registration[Any], ...]
    """What else was registered before the offence."""
    location: Location | None


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
    disabled = {_normalise(name) for name in disabled_distributions}
    sources = list(_installed(group) if entry_points is None else map(_given, entry_points))
    own = _normalise(group.partition(".")[0])
    with SlowLoads() as slow:
        collector = _Collector(own, slow)
        for together in _together((source for source in sources if source.distribution not in disabled), own):
            collector.add(together)
        for module in modules:
            collector.add_module(module)
    collector.break_loops(disabled_plugins)
    failed = _records(collector.offences, collector.registry)
    not_imported = sorted(source.id for source in sources if source.distribution in disabled)
    return Discovery(collector.registry, failed, collector.manager, tuple(not_imported))


def _normalise(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(group: str) -> Iterator[_Source]:
    """What is installed for a group. Of a distribution that is seen twice, what comes first on sys.path.

    `importlib.metadata.entry_points` would do, but one malformed file of anybody's makes it fail for all.
    """
    seen = set()
    for distribution in importlib.metadata.distributions():
        try:
            if group not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = _normalise(distribution.name)
        except Exception as error:  # noqa: BLE001 - a damaged file that nobody can say is a plugin's
            fields = {"path": str(distribution.locate_file("")), "error": str(error)}
            _log.warning("cannot read the entry points of a distribution", extra=fields)
            continue
        if name not in seen:
            seen.add(name)
            yield from _sources(name, distribution, group)


def _sources(name: str, distribution: importlib.metadata.Distribution, group: str) -> list[_Source]:
    """What a distribution declares in a group; if that cannot be parsed, one source whose load says so."""
    try:
        return [_source(point, name) for point in distribution.entry_points.select(group=group)]
    except Exception as error:  # noqa: BLE001 - the parser promises nothing about what it raises
        unreadable = InvalidRegistration(f"entry_points.txt of {name} is malformed: {error}")
        return [_Source(name, "entry_points.txt", "", functools.partial(_raise, unreadable))]


def _raise(error: Exception) -> object:
    raise error


def _given(point: EntryPoint) -> _Source:
    # An entry point made by hand belongs to no distribution: its top-level package stands in.
    name = point.dist.name if point.dist is not None else re.split(r"[.:]", point.value, maxsplit=1)[0]
    return _source(point, _normalise(name))


def _source(point: EntryPoint, distribution: str) -> _Source:
    module = point.value.partition(":")[0].strip()
    return _Source(distribution, point.name, module, point.load)


def _together(sources: Iterable[_Source], own: str) -> Iterator[list[_Source]]:
    """What stands or falls together, in the order in which to load it; `own` is the host's distribution."""

    def key(source: _Source) -> tuple[bool, str]:
        return source.distribution != own, source.distribution

    for (foreign, _), together in itertools.groupby(sorted(sources, key=lambda one: (key(one), one.name)), key):
        if foreign:
            yield list(together)
        else:
            yield from ([source] for source in together)


class _Collector:
    """What was found so far."""

    def __init__(self, own: str, slow: SlowLoads) -> None:
        self._own = own
        self._slow = slow
        self.manager = new_manager()
        self.registry = Registry()
        self.offences: list[_Offence] = []
        self._source_of: dict[str, _Source] = {}

    def add(self, sources: Sequence[_Source]) -> None:
        """Take in all of these sources, or set them aside."""
        offence = self._take(sources)
        if offence is None:
            return
        self.offences.append(offence)
        for source in sources:
            if self.manager.has_plugin(source.id):
                self.manager.unregister(name=source.id)

    def add_module(self, module: str) -> None:
        """Take in a module that the user asked for by name."""
        offence = self._take([_Source(module, "", module, functools.partial(importlib.import_module, module))])
        if offence is None:
            return
        error = offence.error
        if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
            raise NotFound(
                f"plugin module {module!r}: no module named {error.name!r}; "
                "is it installed, or its directory in PYTHONPATH?"
            ) from error
        raise InvalidArgument(f"plugin module {module!r}: {describe(error)}") from error

    def break_loops(self, disabled_plugins: Collection[str]) -> None:
        """Set distributions aside until no circle is left."""
        while loop := self.registry.loop(disabled_plugins):
            offender = self._last_foreign(loop)
            # What the user asked for by name is not set aside in silence.
            if offender is None or not self._source_of[offender.uri].name:
                raise loop_error(loop)
            self._withdraw(offender, loop_error(loop))

    def _take(self, sources: Sequence[_Source]) -> _Offence | None:
        """Register everything that the sources bring; or nothing, and say why."""
        registry = self.registry
        taken: dict[str, Registration[Any]] = {}
        for source in sources:
            registration: Registration[Any] | None = None
            try:
                for registration in self._load(source):
                    registry = registry.register(registration)
                    taken[registration.uri] = registration
                    self._source_of[registration.uri] = source
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - a package may raise what it likes, SystemExit too
                location = self._place(source, error)
                return _Offence(source, error, registration, tuple(taken.values()), location)
        self.registry = registry
        return None

    def _load(self, source: _Source) -> list[Registration[Any]]:
        """Import one module, take in its hooks, and ask it for its registrations.

        There is no deadline: an import that was left behind would keep the module's import lock, and whoever
        imports the same module would wait for ever. `SlowLoads` tells which one it is.
        """
        _log.debug("loading plugin module", extra={"entry_point": source.id})
        self._slow.begin(source.distribution, source.name, source.module)
        module = source.load()
        if self.manager.is_registered(module):
            return []
        self.manager.register(module, name=source.id)
        self.manager.check_pending()
        registrations = _hook_of(self.manager, module, source)()
        if not isinstance(registrations, Iterable):
            raise InvalidRegistration(
                f"{source.id}: lamina_register returned {registrations!r}: it must return a list of registrations"
            )
        found = []
        for registration in registrations:
            if not isinstance(registration, Registration):
                raise InvalidRegistration(
                    f"{source.id}: lamina_register gave {registration!r}: not a Registration"
                )
            found.append(attrs.evolve(registration, distribution=source.distribution, module=source.module))
        return found

    def _place(self, source: _Source, error: BaseException) -> Location | None:
        """Where an offence lies: where it was raised in the source's own code, else where that registers."""
        owner = Owner(source.distribution, source.module)
        raised = owner.raised(error)
        if raised is not None and raised.distribution:
            return raised
        register = getattr(self.manager.get_plugin(source.id), "lamina_register", None)
        return (owner.defined(register) if register else None) or raised

    def _last_foreign(self, loop: Collection[Registration[Any]]) -> Registration[Any] | None:
        uris = {registration.uri for registration in loop if registration.distribution != self._own}
        return next((one for one in reversed(tuple(self.registry)) if one.uri in uris), None)

    def _withdraw(self, offender: Registration[Any], error: BaseException) -> None:
        """Set the distribution of a registration aside, after all."""
        distribution = offender.distribution
        rest = tuple(one for one in self.registry if one.distribution == distribution and one is not offender)
        source = self._source_of[offender.uri]
        self.offences.append(_Offence(source, error, offender, rest, self._place(source, error)))
        for name, _ in self.manager.list_name_plugin():
            if name.startswith(f"{distribution}:"):
                self.manager.unregister(name=name)
        self.registry = self.registry.without(distribution)


def _hook_of(manager: pluggy.PluginManager, module: object, source: _Source) -> Callable[[], object]:
    """The module's own `lamina_register`. pluggy would call everybody's, the last registered first."""
    hooks = {
        caller.name: implementation
        for caller in manager.get_hookcallers(module) or ()
        for implementation in caller.get_hookimpls()
        if implementation.plugin is module
    }
    if "lamina_register" not in hooks:
        raise InvalidRegistration(f"{source.id}: no function lamina_register marked @hookimpl")
    if any(hook.wrapper or hook.hookwrapper for hook in hooks.values()):
        raise InvalidRegistration(f"{source.id}: a hook of lamina cannot be wrapped")
    return hooks["lamina_register"].function


def _records(offences: Iterable[_Offence], registry: Registry) -> tuple[Plugin, ...]:
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
