"""Leases, and the things that they keep."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from lamina.content import Descriptor
from lamina.context import CallContext, use
from lamina.errdefs import (
    AlreadyExists,
    FailedPrecondition,
    FilterSyntaxError,
    InvalidArgument,
    NotFound,
    Unimplemented,
)
from lamina.images import Image
from lamina.metadata import LeaseStore, Metadata, Resource
from lamina.snapshots.recovery import inspect_copy, pieces
from lamina.snapshots.storage import MetaStore
from lamina.store import Store
from tests.support.blobs import digest_of

DIGEST = digest_of(b"x")
IMAGE = Image("i", Descriptor("t", DIGEST, 1))


@pytest.fixture
def leases(metadata: Metadata) -> LeaseStore:
    return metadata.leases("default")


def test_a_lease_is_there_after_a_restart(store: Store, leases: LeaseStore) -> None:
    created = leases.create("a", {"containerd.io/gc.expire": "2999-01-01T00:00:00Z", "empty": ""})
    leases.add("a", Resource("content", DIGEST))
    again = Metadata.open(store).leases("default")
    assert [*again.list()] == [created] == [again.get("a")]
    assert [*again.resources("a")] == [Resource("content", DIGEST)]
    assert created.labels == {"containerd.io/gc.expire": "2999-01-01T00:00:00Z"}


def test_a_lease_without_an_id_gets_a_random_one(leases: LeaseStore) -> None:
    ids = {leases.create().id for _ in range(20)}
    assert len(ids) == 20
    assert {lease.id for lease in leases.list()} == ids


def test_an_id_is_given_once(leases: LeaseStore) -> None:
    leases.create("a")
    with pytest.raises(AlreadyExists, match="'a'"):
        leases.create("a")


@pytest.mark.parametrize("name", ["x" * 257, "a\0b", "\ud800"])
def test_an_id_is_short_text_without_nul(leases: LeaseStore, name: str) -> None:
    with pytest.raises(InvalidArgument):
        leases.create(name)


def test_what_is_missing_is_not_found(leases: LeaseStore) -> None:
    resource = Resource("content", DIGEST)
    for call in (
        lambda: leases.get("a"),
        lambda: leases.delete("a"),
        lambda: leases.add("a", resource),
        lambda: leases.remove("a", resource),
        lambda: leases.resources("a"),
    ):
        with pytest.raises(NotFound, match="lease 'a' does not exist"):
            call()


def test_namespaces_have_leases_of_their_own(metadata: Metadata) -> None:
    metadata.leases("a").create("x")
    metadata.leases("a-b").create("y")
    assert [lease.id for lease in metadata.leases("a").list()] == ["x"]
    assert metadata.namespaces() == ["a", "a-b"]


def test_filters_know_ids_and_labels(leases: LeaseStore) -> None:
    leases.create("a", {"k": "1"})
    leases.create("b", {"k": "2"})
    assert [lease.id for lease in leases.list("labels.k==2", "id==nothing")] == ["b"]
    with pytest.raises(FilterSyntaxError):
        leases.list("==")


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        (Resource("content", "sha256:1"), InvalidArgument),
        (Resource("content/x", DIGEST), InvalidArgument),
        (Resource("snapshots", "k"), InvalidArgument),
        (Resource("snapshots/", "k"), InvalidArgument),
        (Resource("snapshots/a/b", "k"), InvalidArgument),
        (Resource("images", ""), InvalidArgument),
        (Resource("volumes", "k"), Unimplemented),
    ],
    ids=lambda value: value.type if isinstance(value, Resource) else "",
)
def test_a_malformed_resource_is_refused(leases: LeaseStore, resource: Resource, error: type[Exception]) -> None:
    leases.create("a")
    for change in (leases.add, leases.remove):
        with pytest.raises(error):
            change("a", resource)


def test_a_resource_can_be_added_twice_and_removed_although_it_is_not_there(leases: LeaseStore) -> None:
    leases.create("a")
    resources = [
        Resource("images", "i"),
        Resource("ingests", "r"),
        Resource("snapshots/native", "k" * 32768),
        Resource("snapshots/overlayfs", "k"),
    ]
    for resource in (*resources, *resources):
        leases.add("a", resource)
    assert sorted(leases.resources("a"), key=str) == sorted(resources, key=str)
    leases.remove("a", resources[0])
    leases.remove("a", resources[0])
    assert len([*leases.resources("a")]) == 3


def test_a_lease_with_many_resources_is_deleted_with_them(store: Store, metadata: Metadata) -> None:
    leases = metadata.leases("default")
    leases.create("a")
    leases.create("a2")
    leases.add_all("a", [Resource("images", str(number)) for number in range(1000)])
    leases.add("a2", Resource("images", "1"))
    leases.delete("a")
    leases.create("a")
    assert [*leases.resources("a")] == []
    assert [*leases.resources("a2")] == [Resource("images", "1")]


def test_an_image_is_added_to_the_lease_of_the_call(metadata: Metadata) -> None:
    metadata.leases("default").create("a")
    with use(CallContext(lease="a")):
        metadata.images("default").create(IMAGE)
    assert [*metadata.leases("default").resources("a")] == [Resource("images", "i")]
    with use(CallContext(lease="a")):
        metadata.images("default").delete("i")
    assert [*metadata.leases("default").resources("a")] == []


def test_an_image_is_not_created_without_the_lease_of_the_call(metadata: Metadata) -> None:
    with use(CallContext(lease="a")), pytest.raises(NotFound, match="lease"):
        metadata.images("default").create(IMAGE)
    assert [*metadata.images("default").list()] == []


def test_an_image_is_deleted_although_the_lease_of_the_call_is_gone(metadata: Metadata) -> None:
    metadata.images("default").create(IMAGE)
    with use(CallContext(lease="a")):
        metadata.images("default").delete("i")
    assert [*metadata.images("default").list()] == []


def test_what_a_temporary_lease_has_is_added_to_the_lease_of_the_call(metadata: Metadata) -> None:
    metadata.leases("default").create("a")
    with use(CallContext(lease="a")), metadata.temporary_lease("default") as lease:
        lease.add_blob(DIGEST)
        lease.add_snapshot("native", "k")
    assert sorted(metadata.leases("default").resources("a"), key=str) == [
        Resource("content", DIGEST),
        Resource("snapshots/native", "k"),
    ]


def test_a_temporary_lease_does_not_begin_without_the_lease_of_the_call(metadata: Metadata) -> None:
    with (
        use(CallContext(lease="a")),
        pytest.raises(NotFound, match="lease"),
        metadata.temporary_lease("default"),
    ):
        pytest.fail("began")


def test_a_temporary_lease_that_ended_takes_nothing_more(metadata: Metadata) -> None:
    with metadata.temporary_lease("default") as lease:
        pass
    with pytest.raises(FailedPrecondition, match="ended"):
        lease.add_blob(DIGEST)


def test_the_namespace_of_a_temporary_lease_is_remembered(store: Store, metadata: Metadata) -> None:
    """An operation may make snapshots there, and be killed before it names an image."""
    with metadata.temporary_lease("new"):
        assert Metadata.open(store).namespaces() == ["new"]


def test_a_backup_has_leases_and_namespaces(tmp_path: Path) -> None:
    with contextlib.closing(MetaStore.open(str(tmp_path / "metastore"))) as store:
        metadata = Metadata.open(store)
        metadata.images("default").create(IMAGE)
        metadata.leases("default").create("a")
        metadata.leases("default").add("a", Resource("content", DIGEST))
        metadata.labels.put(DIGEST, {"l": "1"})
    contents = inspect_copy(pieces(str(tmp_path / "metastore/data.mdb")))
    assert contents.entries_by_owner() == {"content": 1, "images": 1, "leased": 1, "leases": 1, "namespaces": 1}
