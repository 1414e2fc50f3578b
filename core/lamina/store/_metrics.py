"""The size of an LMDB environment, as metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator

import lmdb

from lamina.metrics import Metric, MetricKind
from lamina.store._handle import META_PAGES
from lamina.store._lmdb import DATA


def size_metrics(environment: lmdb.Environment, path: str) -> Iterator[Metric]:
    """Yield the size of the file, and the space in use."""
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
