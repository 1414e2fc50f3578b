"""The leases of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.client import Client
from lamina.errdefs import AlreadyExists, NotFound, Unimplemented
from lamina.metadata import LeaseStore, Metadata, Resource
from lamina.plugins.services.leases.plugin import leases_service
from lamina.store import Store

Serve = Callable[..., Any]

CONTENT = Resource("content", f"sha256:{'a' * 64}")
SNAPSHOT = Resource("snapshots/overlayfs", "a b/c")


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    store = Store.open(str(tmp_path / "store"))
    yield Metadata.open(store)
    store.close()


@pytest.fixture
def theirs(metadata: Metadata) -> LeaseStore:
    return metadata.leases("default")


@pytest.fixture
def address(serve: Serve, metadata: Metadata) -> str:
    address: str = serve(leases_service(metadata.leases, lambda: pytest.fail("not called"))).address
    return address


def test_leases_are_those_of_the_server(address: str, theirs: LeaseStore) -> None:
    with Client(address) as client:
        leases = client.leases()
        assert leases.create("mine", {"a": "b"}) == theirs.get("mine") == leases.get("mine")
        random = leases.create()
        assert list(leases.list()) == list(theirs.list())
        assert [lease.id for lease in leases.list("labels.a==b")] == ["mine"]
        leases.delete("mine")
        assert [lease.id for lease in theirs.list()] == [random.id]


def test_resources_are_those_of_the_server(address: str, theirs: LeaseStore) -> None:
    with Client(address) as client:
        leases = client.leases()
        leases.create("mine")
        leases.add("mine", CONTENT)
        leases.add("mine", SNAPSHOT)
        assert set(leases.resources("mine")) == set(theirs.resources("mine")) == {CONTENT, SNAPSHOT}
        leases.remove("mine", CONTENT)
        assert list(theirs.resources("mine")) == [SNAPSHOT]


def test_the_namespace_is_that_of_the_client(address: str, metadata: Metadata) -> None:
    with Client(address, namespace="k8s.io") as client:
        client.leases().create("mine")
    assert [lease.id for lease in metadata.leases("k8s.io").list()] == ["mine"]
    assert list(metadata.leases("default").list()) == []


def test_errors_are_those_of_the_server(address: str) -> None:
    with Client(address) as client:
        leases = client.leases()
        leases.create("mine")
        with pytest.raises(AlreadyExists):
            leases.create("mine")
        with pytest.raises(NotFound):
            leases.get("other")
        with pytest.raises(NotFound):
            list(leases.resources("other"))
        with pytest.raises(Unimplemented):
            leases.add("mine", Resource("containers", "a"))
