"""Metrics of an LMDB environment: its size, and the durations of its commits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import lmdb

from lamina.metrics import Histogram, Metric, MetricKind
from lamina.snapshots.storage._opened import META_PAGES
from lamina.snapshots.storage._opening import DATA

OPERATIONS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0)
"""Buckets for the number of operations in a commit."""
SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Buckets for the duration of a commit, most of which is the disk's sync."""


def size_metrics(environment: lmdb.Environment, path: str) -> Iterator[Metric]:
    """Yield the size of the file, and the space in use.

    Args:
        environment: The environment.
        path: Its directory.
    """
    info, stat = environment.info(), environment.stat()
    file_size = os.stat(os.path.join(path, DATA)).st_size
    pages = stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
    free = info["last_pgno"] + 1 - META_PAGES - pages
    for name, what, number in (
        ("used_bytes", "Bytes of the pages that hold records.", pages * stat["psize"]),
        ("free_bytes", "Bytes of the pages that are used again before the file grows.", free * stat["psize"]),
        ("file_bytes", "Bytes in the file.", file_size),
        ("map_bytes", "Bytes of address space; they grow by themselves.", info["map_size"]),
        ("entries", "Keys in the database, of which a snapshot has two or three.", stat["entries"]),
        ("readers", "Places for threads that read which have been taken so far.", info["num_readers"]),
    ):
        yield Metric(MetricKind.GAUGE, f"lamina_metastore_{name}", what, {(): number})


def commit_metrics(operations: Histogram, seconds: Histogram) -> Iterator[Metric]:
    """Yield the number of operations in each commit, and the durations of commits.

    Args:
        operations: The numbers of operations.
        seconds: The durations.
    """
    for name, what, histogram in (
        ("commit_operations", "Operations that shared a commit.", operations),
        ("commit_seconds", "How long commits took, until they were durable.", seconds),
    ):
        yield Metric(MetricKind.HISTOGRAM, f"lamina_metastore_{name}", what, {(): histogram.copy()})
