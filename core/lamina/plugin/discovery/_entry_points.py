"""Entry points and the modules that they name."""

from __future__ import annotations

import functools
import importlib
import itertools
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from lamina.errdefs import InvalidRegistration, message
from lamina.plugin.discovery._distributions import distributions, normalise

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_log = logging.getLogger(__name__)

_REFERENCE: Final = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+)\s*)?(?:\[.*\]\s*)?")
"""`module:object [extras]`, the last two optional (packaging.python.org/specifications/entry-points)."""


class Source(NamedTuple):
    """A plugin module to load, and the entry point that names it."""

    distribution: str
    name: str
    """The name of the entry point; "" for a module given with `-p`."""
    module: str
    load: Callable[[], object]

    @property
    def id(self) -> str:
        """The name in messages and records."""
        return f"{self.distribution}:{self.name}" if self.name else self.distribution


def installed(group: str) -> Iterator[Source]:
    """Return the sources of a group in the installed distributions; of duplicates, the first on sys.path.

    `importlib.metadata.entry_points` is not used, since one malformed file makes it fail as a whole.
    """
    seen = set()
    for distribution in distributions():
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if group not in text:
                continue
            name = normalise(distribution.name)
        except Exception as error:  # noqa: BLE001 - any damaged metadata, which may not be a plugin's
            fields = {"path": str(distribution.locate_file(""))}
            # Commands print the message alone.
            _log.warning("cannot read the entry points of a distribution: %s", message(error), extra=fields)
            continue
        if name not in seen:
            seen.add(name)
            yield from _sources(name, text, group)


def _sources(name: str, text: str, group: str) -> list[Source]:
    """Return the entry points of a distribution in a group; if malformed, one source that fails to load."""
    try:
        return [
            Source(name, point, _module(reference), functools.partial(_load, reference))
            for point, reference in _points(text, group)
        ]
    except ValueError as error:
        unreadable = InvalidRegistration(f"entry_points.txt of {name} is malformed: {error}")
        return [Source(name, "entry_points.txt", "", functools.partial(_raise, unreadable))]


def _points(text: str, group: str) -> Iterator[tuple[str, str]]:
    """Return the names and references of a group in an `entry_points.txt`.

    Raises:
        ValueError: A line of the group has no `=`.
    """
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == group and line and not line.startswith("#"):
            name, found, reference = line.partition("=")
            if not found:
                raise ValueError(f"{line!r} has no =")
            yield name.strip(), reference.strip()


def _module(reference: str) -> str:
    return reference.partition(":")[0].strip()


def _load(reference: str) -> object:
    matched = _REFERENCE.fullmatch(reference)
    if matched is None:
        raise InvalidRegistration(f"entry point {reference!r}: expected `module` or `module:object`")
    module, path = matched.groups()
    return functools.reduce(getattr, path.split(".") if path else (), importlib.import_module(module))


def _raise(error: Exception) -> object:
    raise error


def source_of(point: EntryPoint) -> Source:
    """Return the source of an entry point. Without a distribution, its top-level package stands for one."""
    name = point.dist.name if point.dist is not None else re.split(r"[.:]", point.value, maxsplit=1)[0]
    return Source(normalise(name), point.name, _module(point.value), point.load)


def in_load_order(sources: Iterable[Source], own: str) -> Iterator[list[Source]]:
    """Group sources that are accepted or rejected together, in load order; `own` is the host's distribution."""

    def key(source: Source) -> tuple[bool, str]:
        return source.distribution != own, source.distribution

    for (foreign, _), together in itertools.groupby(sorted(sources, key=lambda one: (key(one), one.name)), key):
        if foreign:
            yield list(together)
        else:
            yield from ([source] for source in together)
