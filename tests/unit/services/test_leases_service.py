"""The leases service's methods, called without a transport, on real metadata."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.api.messages.leases_pb2 import Resource
from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, FilterSyntaxError, InvalidArgument, NotFound, Unimplemented
from lamina.metadata import Metadata
from lamina.plugins.services.leases.plugin import leases_service
from lamina.store import Store
from tests.support.images.collectors import RecordedCollector

DIGEST = f"sha256:{'a' * 64}"
RESOURCES = [Resource(type="content", id=DIGEST), Resource(type="snapshots/overlayfs", id="a b/c")]

Ask = Callable[..., Any]
"""Calls a method."""


@pytest.fixture
def collector() -> RecordedCollector:
    return RecordedCollector()


@pytest.fixture
def ask(tmp_path: Path, call: Ask, collector: RecordedCollector) -> Iterator[Ask]:
    store = Store.open(str(tmp_path / "store"))
    yield functools.partial(call, leases_service(Metadata.open(store).leases, lambda: collector))
    store.close()


def ids(ask: Ask, *filters: str) -> list[str]:
    return [lease.id for lease in ask("List", filters=filters).leases]


def test_the_methods_are_those_of_the_protocol() -> None:
    service = leases_service(lambda _: pytest.fail("not called"), lambda: pytest.fail("not called"))
    assert service.name == "containerd.services.leases.v1.Leases"
    assert [method.name for method in service.methods] == [
        "Create", "Delete", "List", "AddResource", "DeleteResource", "ListResources",
    ]  # fmt: skip
    assert not [method.name for method in service.methods if method.streams]


def test_a_created_lease_is_listed_with_its_time_and_labels(ask: Ask) -> None:
    created = ask("Create", id="mine", labels={"a": "b"}).lease
    assert (created.id, dict(created.labels)) == ("mine", {"a": "b"})
    assert created.created_at.seconds > 1_000_000_000
    assert list(ask("List").leases) == [created]
    with pytest.raises(AlreadyExists):
        ask("Create", id="mine")


def test_a_lease_without_an_id_gets_one(ask: Ask) -> None:
    first, second = ask("Create").lease.id, ask("Create").lease.id
    assert first != second
    assert set(ids(ask)) == {first, second}


def test_lists_can_be_filtered(ask: Ask) -> None:
    ask("Create", id="a", labels={"team": "x"})
    ask("Create", id="b")
    assert ids(ask, "id==b") == ["b"]
    assert ids(ask, "labels.team==x") == ["a"]
    with pytest.raises(FilterSyntaxError):
        ids(ask, "id==")


def test_a_lease_has_what_was_added_to_it(ask: Ask) -> None:
    ask("Create", id="mine")
    for resource in RESOURCES:
        ask("AddResource", id="mine", resource=resource)
    found = ask("ListResources", id="mine").resources
    assert sorted(found, key=str) == sorted(RESOURCES, key=str)
    ask("DeleteResource", id="mine", resource=RESOURCES[0])
    assert list(ask("ListResources", id="mine").resources) == RESOURCES[1:]


def test_resources_of_unknown_types_are_refused(ask: Ask) -> None:
    ask("Create", id="mine")
    for resource, error in (
        (Resource(type="containers", id="a"), Unimplemented),
        (Resource(type="snapshots", id="a"), InvalidArgument),
        (Resource(type="content", id="a"), InvalidArgument),
        (Resource(), Unimplemented),
    ):
        with pytest.raises(error):
            ask("AddResource", id="mine", resource=resource)


def test_a_missing_lease_is_not_found(ask: Ask) -> None:
    for method, fields in (
        ("Delete", {}),
        ("AddResource", {"resource": RESOURCES[0]}),
        ("DeleteResource", {"resource": RESOURCES[0]}),
        ("ListResources", {}),
    ):
        with pytest.raises(NotFound):
            ask(method, id="missing", **fields)


def test_a_deleted_lease_is_gone(ask: Ask, collector: RecordedCollector) -> None:
    ask("Create", id="mine")
    ask("Delete", id="mine")
    assert ids(ask) == []
    assert collector.asked == []


def test_a_synchronous_deletion_collects(ask: Ask, collector: RecordedCollector) -> None:
    ask("Create", id="mine")
    ask("Delete", id="mine", sync=True)
    assert collector.asked == [(False, False)]


def test_leases_are_those_of_the_namespace_of_the_call(ask: Ask) -> None:
    with use(CallContext(namespace="k8s.io")):
        ask("Create", id="mine")
        assert ids(ask) == ["mine"]
    assert ids(ask) == []
