"""The modules that entry points name, of what is installed or given."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint

import attrs

from lamina.errdefs import InvalidRegistration

_log = logging.getLogger(__name__)


@attrs.frozen
class Source:
    """A module to load, and where that is asked for."""

    distribution: str
    name: str
    """The entry point's name; "" for a module given with `-p`."""
    module: str
    load: Callable[[], object]

    @property
    def id(self) -> str:
        """What messages and records name it by."""
        return f"{self.distribution}:{self.name}" if self.name else self.distribution


def normalise(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(group: str) -> Iterator[Source]:
    """What is installed for a group. Of a distribution that is seen twice, what comes first on sys.path.

    `importlib.metadata.entry_points` would do, but one malformed file of anybody's makes it fail for all.
    """
    seen = set()
    for distribution in importlib.metadata.distributions():
        try:
            if group not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = normalise(distribution.name)
        except Exception as error:  # noqa: BLE001 - a damaged file that nobody can say is a plugin's
            fields = {"path": str(distribution.locate_file("")), "error": str(error)}
            _log.warning("cannot read the entry points of a distribution", extra=fields)
            continue
        if name not in seen:
            seen.add(name)
            yield from _sources(name, distribution, group)


def _sources(name: str, distribution: importlib.metadata.Distribution, group: str) -> list[Source]:
    """What a distribution declares in a group; if that cannot be parsed, one source whose load says so."""
    try:
        return [_source(point, name) for point in distribution.entry_points.select(group=group)]
    except Exception as error:  # noqa: BLE001 - the parser promises nothing about what it raises
        unreadable = InvalidRegistration(f"entry_points.txt of {name} is malformed: {error}")
        return [Source(name, "entry_points.txt", "", functools.partial(_raise, unreadable))]


def _raise(error: Exception) -> object:
    raise error


def given(point: EntryPoint) -> Source:
    """The source that an entry point names. One made by hand belongs to no distribution: its package stands in."""
    name = point.dist.name if point.dist is not None else re.split(r"[.:]", point.value, maxsplit=1)[0]
    return _source(point, normalise(name))


def _source(point: EntryPoint, distribution: str) -> Source:
    module = point.value.partition(":")[0].strip()
    return Source(distribution, point.name, module, point.load)


def in_order(sources: Iterable[Source], own: str) -> Iterator[list[Source]]:
    """What stands or falls together, in the order in which to load it; `own` is the host's distribution."""

    def key(source: Source) -> tuple[bool, str]:
        return source.distribution != own, source.distribution

    for (foreign, _), together in itertools.groupby(sorted(sources, key=lambda one: (key(one), one.name)), key):
        if foreign:
            yield list(together)
        else:
            yield from ([source] for source in together)
