"""Metrics of the metastore."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.errdefs import Unavailable
from lamina.metrics import Histogram
from lamina.snapshots import Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore
from lamina.snapshots.storage import _snapshot_counter as snapshot_counter
from lamina.steps import run
from tests.support.waiting import wait_until

SECONDS = 60


def create(keyspace: Keyspace, key: str, parent: str = "", kind: Kind = Kind.ACTIVE) -> None:
    run(keyspace.create(keyspace.draft(kind, key, parent, {})))


def snapshots(store: MetaStore) -> dict[tuple[str, ...], object]:
    """The numbers that are not 0."""
    samples = next(metric.samples for metric in store.metrics() if metric.name == "lamina_snapshots")
    return {labels: number for labels, number in samples.items() if number}


def number(store: MetaStore, name: str) -> float:
    """A metric without labels."""
    sample = next(metric.samples for metric in store.metrics() if metric.name == f"lamina_metastore_{name}")[()]
    assert not isinstance(sample, Histogram)
    return sample


def histogram(store: MetaStore, name: str) -> Histogram:
    sample = next(metric.samples for metric in store.metrics() if metric.name == f"lamina_metastore_{name}")[()]
    assert isinstance(sample, Histogram)
    return sample


def test_snapshots_are_counted_by_snapshotter_keyspace_and_kind(store: MetaStore) -> None:
    overlay, native = store.snapshotter("overlayfs"), store.snapshotter("native")
    one = overlay.keyspace("lamina")
    create(one, "a")
    run(one.commit("c", one.get("a"), {}, "", Usage()))
    for key in "xyz":
        create(one, key, "c")
    create(one, "v", "c", Kind.VIEW)
    create(overlay.keyspace("overlayfs"), "a")
    create(native.keyspace("native"), "a")
    assert snapshots(store) == {
        ("overlayfs", "lamina", "active"): 3,
        ("overlayfs", "lamina", "committed"): 1,
        ("overlayfs", "lamina", "view"): 1,
        ("overlayfs", "overlayfs", "active"): 1,
        ("native", "native", "active"): 1,
    }


def test_a_kind_without_snapshots_is_0(store: MetaStore) -> None:
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    create(keyspace, "a")
    run(keyspace.remove("a"))
    metric = next(metric for metric in store.metrics() if metric.name == "lamina_snapshots")
    assert metric.samples == {("overlayfs", "lamina", kind): 0 for kind in ("active", "committed", "view")}


def test_snapshots_are_recounted_only_after_a_change(store: MetaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    create(keyspace, "a")
    before = snapshots(store)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot_counter, "_by_number_and_kind", None)
        assert snapshots(store) == before
    create(keyspace, "b")
    assert snapshots(store) == {("overlayfs", "lamina", "active"): 2}


def test_a_shared_commit_counts_once(store: MetaStore) -> None:
    environment, began = store._environment, histogram(store, "commit_operations")
    entered, go = threading.Event(), threading.Event()

    def hold(_transaction: object) -> None:
        entered.set()
        assert go.wait(SECONDS)

    with ThreadPoolExecutor(9) as threads:
        first = threads.submit(environment.write, hold)
        assert entered.wait(SECONDS)
        others = [threads.submit(environment.write, lambda _transaction: None) for _ in range(8)]
        wait_until(lambda: len(environment._commits._waiting) == 8, SECONDS, "the others to wait")
        go.set()
        for one in (first, *others):
            one.result()
    ended = histogram(store, "commit_operations")
    assert (ended.count - began.count, ended.total - began.total) == (2, 9)
    assert histogram(store, "commit_seconds").count == ended.count


def test_the_pages_of_the_file_are_used_or_free(store: MetaStore, tmp_path: Path) -> None:
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    for key in range(200):
        create(keyspace, f"{key:0200}")
    full = number(store, "used_bytes")
    for key in range(200):
        run(keyspace.remove(f"{key:0200}"))
    assert number(store, "used_bytes") < full / 4
    assert number(store, "free_bytes") > full / 2
    assert number(store, "file_bytes") == (tmp_path / "metastore/data.mdb").stat().st_size
    assert number(store, "used_bytes") + number(store, "free_bytes") <= number(store, "file_bytes")
    assert number(store, "map_bytes") == 1 << 30


def test_a_closed_store_has_no_metrics(store: MetaStore) -> None:
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        list(store.metrics())
