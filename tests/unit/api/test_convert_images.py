"""Conversions of images, blobs and ingests."""

from __future__ import annotations

import pytest

from lamina.api import (
    blob_from_proto,
    blob_to_proto,
    descriptor_from_proto,
    descriptor_to_proto,
    image_from_proto,
    image_to_proto,
    ingest_from_proto,
    ingest_to_proto,
)
from lamina.api.messages import content_pb2, images_pb2
from lamina.content import Descriptor, Info, Status
from lamina.errdefs import InvalidArgument
from lamina.images import Image
from lamina.snapshots import EARLIEST

TARGET = Descriptor("application/vnd.oci.image.index.v1+json", f"sha256:{'a' * 64}", 1234, {"a": "b"})


def test_a_descriptor_keeps_its_annotations() -> None:
    assert descriptor_from_proto(descriptor_to_proto(TARGET)) == TARGET


def test_an_image_is_converted_with_everything() -> None:
    image = Image("docker.io/library/debian:12", TARGET, {"label": "x"}, created=1_000_000_001, updated=-1)
    assert image_from_proto(image_to_proto(image)) == image


def test_a_blob_is_converted_with_everything() -> None:
    info = Info(TARGET.digest, 1 << 40, {"containerd.io/uncompressed": "sha256:b"}, created=1, updated=2)
    assert blob_from_proto(blob_to_proto(info)) == info


def test_an_ingest_is_converted_with_everything() -> None:
    status = Status("layer", offset=1, total=2, started=3, updated=4)
    assert ingest_from_proto(ingest_to_proto(status)) == status


def test_missing_times_are_go_s_zero_time() -> None:
    assert image_from_proto(images_pb2.Image(name="a")).created == EARLIEST
    assert blob_from_proto(content_pb2.Info(digest="a")).updated == EARLIEST
    assert ingest_from_proto(content_pb2.Status(ref="a")).started == EARLIEST


def test_a_negative_or_huge_size_is_refused_only_if_it_does_not_fit() -> None:
    assert descriptor_from_proto(descriptor_to_proto(Descriptor("", "", (1 << 63) - 1))).size == (1 << 63) - 1
    with pytest.raises(InvalidArgument):
        descriptor_to_proto(Descriptor("", "", 1 << 63))


def test_text_that_is_not_utf_8_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidArgument, match=r"^name: '\\udcff' is not UTF-8"):
        image_to_proto(Image("\udcff", TARGET))
