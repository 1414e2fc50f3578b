"""Removal of things that are not marked."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import attrs

from lamina.content import Info
from lamina.errdefs import Aborted, Error, NotFound
from lamina.metadata._batches import batches
from lamina.metadata._node import LEASE, Node, blob
from lamina.metadata.collection._expiry import is_expired
from lamina.metadata.collection._listing import Listing
from lamina.metadata.collection._marking import Marking
from lamina.metadata.collection._recent import Recent
from lamina.metadata.collection._records import Removed
from lamina.metadata.collection._sources import Sources

_log = logging.getLogger(__name__)

BATCH: Final = 64
"""Blobs that are removed together. Operations that need one of them wait meanwhile."""
UNREFERENCED: Final = "nothing refers to it"


@attrs.frozen(eq=False)
class Sweep:
    """The base of all removals."""

    sources: Sources
    listing: Listing
    marking: Marking
    recent: Recent
    dry_run: bool

    @contextlib.contextmanager
    def removing(self, nodes: Collection[Node]) -> Iterator[Collection[Node]]:
        """Yield those of some things that are not needed, and cannot become needed during the block."""
        protection = self.sources.protection
        if self.dry_run:
            yield [one for one in nodes if not self.marking.has(one) and not protection.is_held(one)]
            return
        while True:
            while recorded := protection.take_recorded():
                for _ in self.marking.mark(recorded):
                    pass
            free = [node for node in nodes if not self.marking.has(node)]
            with protection.removing(free) as may_remove:
                if may_remove:
                    yield free
                    return

    def report(self, removed: Removed) -> Removed:
        """Log a removal, unless it is not one, and return it."""
        if self.dry_run or removed.young:
            return removed
        extra = {name: value for name, value in attrs.asdict(removed).items() if value}
        extra["what"] = extra.pop("name", "")  # a log record has a name of its own
        if removed.error:
            _log.warning("could not remove what is not needed", extra=extra)
        else:
            _log.info("removed what is not needed", extra=extra)
        return removed


def sweep_expired(sweep: Sweep) -> Iterator[Removed]:
    """Remove images and leases that have expired."""
    for node in sweep.listing.expired:
        if sweep.marking.has(node):
            continue
        with sweep.removing([node]) as free:
            removed = _remove_expired(sweep, node) if free else None
        if removed:
            yield sweep.report(removed)


def _remove_expired(sweep: Sweep, node: Node) -> Removed | None:
    removed = Removed(node.kind, node.name, node.namespace, reason="it has expired")
    metadata = sweep.sources.metadata
    store = metadata.leases(node.namespace) if node.kind == LEASE else metadata.images(node.namespace)
    try:
        if sweep.dry_run or store.delete_if(node.name, lambda one: is_expired(one.labels, time.time())):
            return removed
    except NotFound:
        return None
    except Error as error:
        return attrs.evolve(removed, error=str(error))
    return None


def sweep_blobs(sweep: Sweep, only: Iterable[str] | None = None) -> Iterator[Removed | None]:
    """Remove blobs, in batches, and what earlier removals left behind.

    Args:
        sweep: The parts that all removals share.
        only: The digests of those that may be removed; None for all.
    """
    if not sweep.sources.collects_content:
        return
    content = sweep.sources.content
    found = content.walk() if only is None else filter(None, (_now(sweep, digest) for digest in only))
    for batch in batches(found, BATCH):
        yield from map(sweep.report, _sweep_batch(sweep, {blob(info.digest): info for info in batch}))
        yield None
    if not sweep.dry_run:
        content.cleanup()


def _sweep_batch(sweep: Sweep, batch: dict[Node, Info]) -> list[Removed]:
    removed: list[Removed] = []
    old: list[Info] = []
    with sweep.removing(batch) as free:
        for node in free:
            info = _now(sweep, node.name)
            if info is None:
                continue
            if sweep.recent.keeps(node, max(info.created, info.updated)):
                removed.append(attrs.evolve(_unreferenced(info), young=True))
            else:
                old.append(info)
        errors = {} if sweep.dry_run else sweep.sources.content.delete_all(old)
    for info in old:
        error = errors.get(info.digest)
        if not isinstance(error, NotFound | Aborted):  # gone, or changed: the next collection decides
            removed.append(attrs.evolve(_unreferenced(info), error=str(error or "")))
    return removed


def _unreferenced(info: Info) -> Removed:
    return Removed("blob", info.digest, size=info.size, reason=UNREFERENCED)


def _now(sweep: Sweep, digest: str) -> Info | None:
    """Return a blob as it is now; None if it is gone."""
    try:
        return sweep.sources.content.info(digest)
    except NotFound:
        return None
