"""`Collector`: removes what nothing refers to."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from lamina.content import ContentStore
from lamina.errdefs import DataLoss
from lamina.metadata._metadata import Metadata
from lamina.metadata._node import BLOB, IMAGE, Node
from lamina.metadata.collection._answers import SECONDS, Answers
from lamina.metadata.collection._contract import GarbageCollector
from lamina.metadata.collection._edges import Edges
from lamina.metadata.collection._ingests import sweep_ingests
from lamina.metadata.collection._listing import Listing
from lamina.metadata.collection._marking import Marking
from lamina.metadata.collection._recent import Recent
from lamina.metadata.collection._records import Chain, Removed, Usage
from lamina.metadata.collection._snapshots import sweep_failures, sweep_snapshots
from lamina.metadata.collection._sources import Sources
from lamina.metadata.collection._sweep import Sweep, sweep_blobs, sweep_expired
from lamina.metadata.collection._usage import Measuring
from lamina.metadata.collection._why import References, find, step_to
from lamina.snapshots import Info, Snapshotter

_log = logging.getLogger(__name__)


class Collector(GarbageCollector):
    """Marks the things that are needed, then removes the rest, in short steps between which other calls run."""

    def __init__(
        self,
        metadata: Metadata,
        content: ContentStore,
        snapshotters: Callable[[], Iterable[tuple[str, Snapshotter]]],
        grace: float = 60.0,
        namespaces: Callable[[], Iterable[str]] = tuple,
        unused: Callable[[], Iterable[tuple[str, str, Info]]] = tuple,
        answer_seconds: float = SECONDS,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        """Collect what the caller opened and closes.

        Args:
            metadata: The names of images, leases, and the labels of blobs.
            content: The blobs.
            snapshotters: Yields the snapshotters that work, with their ids, and raises at the end if there are
                others: then no blobs are removed, since their snapshots may need them.
            grace: See `grace`.
            namespaces: Returns namespaces with snapshots. The metadata need not know them, if an older lamina
                wrote them, or the metadata was lost.
            unused: Returns the snapshots of snapshotters that are not used at present, each with the id and the
                namespace. They stay, and so does what they refer to.
            answer_seconds: Seconds within which a snapshotter has to answer; else it counts as not working.
            check: Raises DataLoss if the metadata may lack entries, which would say what is needed. Nothing is
                removed then.
        """
        self._sources = Sources(metadata, content, snapshotters, namespaces, unused, Answers(answer_seconds))
        self.grace = grace
        """Seconds for which everything stays that was made or changed, unless its temporary lease ended. It can be
        set at any time."""
        self._check = check

    def collect(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed]:
        return (one for one in self.steps(dry_run=dry_run, content_only=content_only) if one is not None)

    def steps(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed | None]:
        """Collect as `collect` does, and yield None after every other step.

        No lock is held and nothing is open in the metastore when the iterator yields.
        """
        self._check()
        with contextlib.ExitStack() as stack:
            if not dry_run:
                stack.enter_context(self._sources.protection.collecting())
            listing = Listing(self._sources, keeps_expired=content_only)
            yield from listing.read()
            edges = Edges(self._sources, listing)
            marking = Marking(listing, edges)
            yield from marking.mark_roots()
            recent = self._recent(listing, Marking(listing, edges), marking)
            yield from recent.mark()
            sweep = Sweep(self._sources, listing, marking, recent, dry_run)
            if not content_only:
                yield from sweep_expired(sweep)
                yield from sweep_snapshots(sweep)
            yield from sweep_failures(sweep)
            if not listing.failures:
                yield from sweep_blobs(sweep)
            if content_only:  # otherwise they can be continued until the store removes them
                yield from sweep_ingests(sweep)

    def discard(self, digests: Collection[str]) -> None:
        try:
            self._check()
        except DataLoss as error:
            _log.warning("kept blobs that were to be discarded", exc_info=error, extra={"blobs": len(digests)})
            return
        with self._sources.protection.collecting():
            listing = self._listing(keeps_expired=True)
            edges = Edges(self._sources, listing)
            marking = Marking(listing, edges)
            _exhaust(marking.mark_roots())
            recent = self._recent(listing, Marking(listing, edges), marking)
            _exhaust(recent.mark())
            if not listing.failures:
                _exhaust(sweep_blobs(Sweep(self._sources, listing, marking, recent, dry_run=False), digests))

    def usage(self) -> Usage:
        listing = self._listing()
        edges = Edges(self._sources, listing)
        marking, others = Marking(listing, edges), Marking(listing, edges)
        _exhaust(marking.mark_roots())
        _exhaust(others.mark_roots(images=False))
        return Measuring(self._sources, listing, edges, marking, others).usage()

    def why(self, name: str, namespace: str) -> Sequence[Chain]:
        target = find(self._sources, name, namespace)
        listing, references = self._listing(), References(target)
        edges = Edges(self._sources, listing)
        marking = Marking(listing, edges, references.note)
        _exhaust(marking.mark_roots())
        recent = self._recent(listing, Marking(listing, edges, references.note), marking)
        _exhaust(recent.mark())
        return [*references.chains(), *([step_to(target, how)] for how in self._reasons(target, listing, recent))]

    def _reasons(self, target: Node, listing: Listing, recent: Recent) -> Iterator[str]:
        """Yield the reasons why a thing is kept, other than references."""
        if self._sources.protection.is_held(target):
            yield "used by an operation"
        if target.kind != IMAGE and recent.is_young(target, recent.changed(target)):
            yield "made or changed a moment ago"
        if target.kind == BLOB:
            for error in listing.described_failures():
                yield f"kept because snapshots that may need it cannot be listed: {error}"

    def _recent(self, listing: Listing, marking: Marking, needed: Marking) -> Recent:
        return Recent(self._sources, listing, marking, needed, lambda: self.grace)

    def _listing(self, *, keeps_expired: bool = False) -> Listing:
        listing = Listing(self._sources, keeps_expired=keeps_expired)
        _exhaust(listing.read())
        return listing


def _exhaust(steps: Iterator[object]) -> None:
    for _ in steps:
        pass
