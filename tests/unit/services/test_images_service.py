"""The images service's methods, called without a transport, on real metadata."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.api.messages.descriptor_pb2 import Descriptor
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.api.messages.images_pb2 import Image
from lamina.api.messages.timestamp_pb2 import Timestamp
from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, FilterSyntaxError, InvalidArgument, NotFound
from lamina.metadata import Metadata
from lamina.plugins.services.images.plugin import images_service
from lamina.store import Store
from tests.support.images.collectors import RecordedCollector

TARGET = Descriptor(media_type="application/vnd.oci.image.index.v1+json", digest=f"sha256:{'a' * 64}", size=7)
OTHER = Descriptor(media_type="application/vnd.oci.image.index.v1+json", digest=f"sha256:{'b' * 64}", size=8)

Ask = Callable[..., Any]
"""Calls a method."""


@pytest.fixture
def collector() -> RecordedCollector:
    return RecordedCollector()


@pytest.fixture
def ask(tmp_path: Path, call: Ask, collector: RecordedCollector) -> Iterator[Ask]:
    store = Store.open(str(tmp_path / "store"))
    yield functools.partial(call, images_service(Metadata.open(store).images, lambda: collector))
    store.close()


def names(ask: Ask, *filters: str) -> list[str]:
    return [image.name for image in ask("List", filters=filters).images]


def test_the_methods_are_those_of_the_protocol() -> None:
    service = images_service(lambda _: pytest.fail("not called"), lambda: pytest.fail("not called"))
    assert service.name == "containerd.services.images.v1.Images"
    assert [method.name for method in service.methods] == ["Get", "List", "Create", "Update", "Delete"]
    assert not [method.name for method in service.methods if method.streams]


def test_a_created_image_is_found_with_its_times(ask: Ask) -> None:
    invalid = Timestamp(nanos=-1)
    image = Image(name="debian", target=TARGET, labels={"a": "b"}, created_at=invalid)
    created = ask("Create", image=image).image
    assert (created.name, created.target, dict(created.labels)) == ("debian", TARGET, {"a": "b"})
    assert created.created_at.seconds > 1_000_000_000
    assert ask("Get", name="debian").image == created
    with pytest.raises(AlreadyExists):
        ask("Create", image=image)


def test_an_update_changes_what_its_mask_says(ask: Ask) -> None:
    ask("Create", image=Image(name="debian", target=TARGET, labels={"a": "1", "b": "2"}))
    new = Image(name="debian", target=OTHER, labels={"c": "3"})
    image = ask("Update", image=new, update_mask=FieldMask(paths=["labels.c", "labels.a"])).image
    assert (image.target, dict(image.labels)) == (TARGET, {"b": "2", "c": "3"})
    image = ask("Update", image=new, update_mask=FieldMask(paths=["target"])).image
    assert (image.target, dict(image.labels)) == (OTHER, {"b": "2", "c": "3"})
    image = ask("Update", image=Image(name="debian", target=TARGET)).image
    assert (image.target, dict(image.labels)) == (TARGET, {})
    with pytest.raises(InvalidArgument):
        ask("Update", image=new, update_mask=FieldMask(paths=["name"]))


def test_a_request_without_an_image_is_refused(ask: Ask) -> None:
    for method in ("Create", "Update"):
        with pytest.raises(InvalidArgument, match="image argument missing"):
            ask(method)


def test_lists_can_be_filtered(ask: Ask) -> None:
    for name in ("b", "a"):
        ask("Create", image=Image(name=name, target=TARGET))
    assert names(ask) == ["a", "b"]
    assert names(ask, "name==b") == ["b"]
    with pytest.raises(FilterSyntaxError):
        names(ask, "name==")


def test_a_synchronous_deletion_collects(ask: Ask, collector: RecordedCollector) -> None:
    ask("Create", image=Image(name="debian", target=TARGET))
    ask("Delete", name="debian", sync=True)
    assert collector.asked == [(False, False)]


def test_nothing_is_deleted_where_nothing_collects(tmp_path: Path, call: Ask) -> None:
    def no_collector() -> RecordedCollector:
        raise NotFound("there is no collector")

    with contextlib.closing(Store.open(str(tmp_path / "store"))) as store:
        ask = functools.partial(call, images_service(Metadata.open(store).images, no_collector))
        ask("Create", image=Image(name="debian", target=TARGET))
        with pytest.raises(NotFound, match="there is no collector"):
            ask("Delete", name="debian", sync=True)
        assert names(ask) == ["debian"]


def test_a_deleted_image_is_gone(ask: Ask, collector: RecordedCollector) -> None:
    ask("Create", image=Image(name="debian", target=TARGET))
    ask("Delete", name="debian")
    assert collector.asked == []
    for method in ("Get", "Delete"):
        with pytest.raises(NotFound):
            ask(method, name="debian")


def test_images_are_those_of_the_namespace_of_the_call(ask: Ask) -> None:
    with use(CallContext(namespace="k8s.io")):
        ask("Create", image=Image(name="pause", target=TARGET))
        assert names(ask) == ["pause"]
    assert names(ask) == []
    with use(CallContext(namespace="default")):
        ask("Create", image=Image(name="debian", target=TARGET))
    assert names(ask) == ["debian"]


def test_a_malformed_namespace_is_refused(ask: Ask) -> None:
    with use(CallContext(namespace="a/b")), pytest.raises(InvalidArgument):
        names(ask)
