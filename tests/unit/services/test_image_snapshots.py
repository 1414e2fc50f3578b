"""Snapshots of images: calls tell the collector what changes, and keep their leases."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from lamina.api import Service
from lamina.api.messages.snapshots_pb2 import Info
from lamina.content import NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import NotFound
from lamina.metadata import Metadata, Resource
from lamina.metadata.collection import Collector
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from lamina.snapshots.local import LocalSnapshotter
from lamina.store import Store
from tests.support.blobs import digest_of
from tests.support.snapshotters.records import snapshotters_of

A = digest_of(b"a")


@pytest.fixture
def metadata(tmp_path):
    store = Store.open(str(tmp_path / "store"))
    yield Metadata.open(store)
    store.close()


@pytest.fixture
def service(overlay: LocalSnapshotter, metadata: Metadata) -> Service:
    names = Names(snapshotters_of({"overlayfs": overlay}), {"alias": "overlayfs"})
    return SnapshotsService(names, metadata=lambda: metadata).service


@pytest.fixture
def ask(service: Service, call: Callable[..., Any]) -> Callable[..., Any]:
    """Calls a method for the snapshots of images, by an alias."""
    return functools.partial(call, service, snapshotter="alias/images/default")


def resources(metadata: Metadata) -> set[str]:
    found = list(metadata.leases("default").resources("l"))
    assert {one.type for one in found} <= {"snapshots/overlayfs"}
    return {one.id for one in found}


def test_snapshots_are_added_to_the_lease_of_the_call(ask, metadata):
    metadata.leases("default").create("l")
    with use(CallContext(lease="l")):
        ask("Prepare", key="a")
        ask("Commit", key="a", name="c")
        ask("View", key="v", parent="c")
        assert resources(metadata) == {"c", "v"}
        ask("Remove", key="v")
    assert resources(metadata) == {"c"}


def test_a_lease_that_does_not_exist_fails_the_call(ask):
    with use(CallContext(lease="l")):
        with pytest.raises(NotFound, match="lease"):
            ask("Prepare", key="a")
        with pytest.raises(NotFound, match="snapshot"):
            ask("Stat", key="a")


def test_the_lease_of_a_containerd_says_nothing_about_its_own_snapshots(service, call):
    with use(CallContext(lease="of a containerd")):
        for name in ("overlayfs", "alias", "alias/mine"):
            call(service, "Prepare", snapshotter=name, key="a")


def test_what_a_snapshot_refers_to_is_kept_by_a_collection_that_has_read_the_others(
    ask, metadata, overlay, tmp_path
):
    content = LocalContentStore(str(tmp_path / "content"), metadata.labels)
    try:
        ingest(content, [NewBlob(A, b"a")])
        label = {"containerd.io/gc.ref.content.base": A}
        ask("Prepare", key="z", labels=label)
        collector = Collector(metadata, content, lambda: [("overlayfs", overlay)], grace=0)
        ask("Update", info=Info(name="z"))
        steps = collector.steps()
        for _ in range(2):
            next(steps)
        ask("Update", info=Info(name="z", labels=label))
        assert [one for one in steps if one] == []
    finally:
        content.close()


def test_a_collection_knows_the_namespace_of_a_snapshot(ask, metadata):
    ask("Prepare", key="a")
    assert metadata.namespaces() == ["default"]


def test_the_last_snapshot_of_a_lease_goes_with_it(ask, metadata, overlay, tmp_path):
    content = LocalContentStore(str(tmp_path / "content"), metadata.labels)
    try:
        metadata.leases("default").create("l")
        with use(CallContext(lease="l")):
            ask("Prepare", key="a")
            ask("Commit", key="a", name="c")
        collector = Collector(metadata, content, lambda: [("overlayfs", overlay)], grace=0)
        assert list(collector.collect()) == []
        metadata.leases("default").remove("l", Resource("snapshots/overlayfs", "c"))
        assert [one.name for one in collector.collect()] == ["c"]
    finally:
        content.close()
