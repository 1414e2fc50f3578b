"""The names of images of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.client import Client
from lamina.content import Descriptor
from lamina.errdefs import AlreadyExists, NotFound
from lamina.images import Image, find_image
from lamina.metadata import Metadata
from lamina.plugins.services.images.plugin import images_service
from lamina.store import Store

Serve = Callable[..., Any]

IMAGE = Image(
    "docker.io/library/debian:12",
    Descriptor("application/vnd.oci.image.index.v1+json", f"sha256:{'a' * 64}", 7, {"x": "y"}),
    {"a": "b"},
)


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    store = Store.open(str(tmp_path / "store"))
    yield Metadata.open(store)
    store.close()


@pytest.fixture
def address(serve: Serve, metadata: Metadata) -> str:
    address: str = serve(images_service(metadata.images, lambda: pytest.fail("not called"))).address
    return address


def test_images_are_those_of_the_server(address: str, metadata: Metadata) -> None:
    with Client(address) as client:
        images, theirs = client.images(), metadata.images("default")
        assert images.create(IMAGE) == theirs.get(IMAGE.name)
        assert images.get(IMAGE.name) == theirs.get(IMAGE.name)
        assert list(images.list()) == list(theirs.list())
        assert list(images.list("name==other")) == []
        updated = images.update(attrs.evolve(IMAGE, labels={"c": "d"}), ("labels.c",))
        assert updated.labels == {"a": "b", "c": "d"}
        assert images.update(attrs.evolve(IMAGE, labels={})).labels == {}
        images.delete(IMAGE.name)
        assert list(theirs.list()) == []


def test_the_namespace_is_that_of_the_client(address: str, metadata: Metadata) -> None:
    with Client(address, namespace="k8s.io") as client:
        client.images().create(IMAGE)
    assert [image.name for image in metadata.images("k8s.io").list()] == [IMAGE.name]
    assert list(metadata.images("default").list()) == []


def test_errors_are_those_of_the_server(address: str) -> None:
    with Client(address) as client:
        client.images().create(IMAGE)
        with pytest.raises(AlreadyExists):
            client.images().create(IMAGE)
        with pytest.raises(NotFound):
            client.images().get("other")


def test_an_image_is_found_by_a_short_name(address: str) -> None:
    with Client(address) as client:
        client.images().create(IMAGE)
        assert find_image(client.images(), "debian:12").name == IMAGE.name
        with pytest.raises(NotFound, match=r"^no image 'debian:13': did you mean docker.io/library/debian:12\?$"):
            find_image(client.images(), "debian:13")
        with pytest.raises(NotFound, match="lamina images ls lists those that exist"):
            find_image(client.images(), "Not:a:name")


@pytest.mark.parametrize(
    "name", [f"sha256:{'a' * 64}", f"debian@sha256:{'a' * 64}", f"docker.io/library/debian:13@sha256:{'a' * 64}"]
)
def test_an_image_is_found_by_its_digest(address: str, name: str) -> None:
    with Client(address) as client:
        images = client.images()
        images.create(IMAGE)
        assert find_image(images, name).name == IMAGE.name


def test_a_digest_in_another_repository_is_not_found(address: str) -> None:
    with Client(address) as client:
        images = client.images()
        images.create(IMAGE)
        with pytest.raises(NotFound):
            find_image(images, f"busybox@sha256:{'a' * 64}")
