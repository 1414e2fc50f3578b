"""Removal of abandoned ingests: blobs that were begun and that no writer continues."""

from __future__ import annotations

import time
from collections.abc import Iterator

import attrs

from lamina.content import Status
from lamina.errdefs import Error, NotFound, RefLocked
from lamina.metadata.collection._records import Removed
from lamina.metadata.collection._sweep import Sweep


def sweep_ingests(sweep: Sweep) -> Iterator[Removed]:
    """Remove ingests that no writer and no lease has. A dry run cannot tell whether a writer has one."""
    leased = set(_leased(sweep))
    for status in sweep.sources.content.statuses():
        if status.ref not in leased and (removed := _remove(sweep, status)):
            yield sweep.report(removed)


def _remove(sweep: Sweep, status: Status) -> Removed | None:
    removed = Removed("ingest", status.ref, size=status.offset, reason="nobody writes it")
    if time.time_ns() - status.updated < sweep.recent.grace() * 1e9:
        return attrs.evolve(removed, young=True)
    try:
        if not sweep.dry_run:
            sweep.sources.content.abort(status.ref)
    except (NotFound, RefLocked):  # committed, or continued
        return None
    except Error as error:
        return attrs.evolve(removed, error=str(error))
    return removed


def _leased(sweep: Sweep) -> Iterator[str]:
    """Yield the refs that leases have."""
    for namespace in sweep.listing.namespaces:
        leases = sweep.sources.metadata.leases(namespace)
        for lease in leases.list():
            for resource in leases.resources_of(lease.id):
                if resource.type == "ingests":
                    yield resource.id
