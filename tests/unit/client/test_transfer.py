"""Work on images behind a socket."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from lamina.client import Client
from lamina.errdefs import NotFound
from lamina.images import Imported, Progress
from lamina.plugins.transfer._service import TransferService
from tests.support.images.transfers import (
    DIGEST,
    IMAGE,
    RESOLVED,
    UNPACKED,
    VERIFIED,
    RecordedTransfer,
)

Serve = Callable[..., Any]


@pytest.fixture
def transfer() -> RecordedTransfer:
    return RecordedTransfer()


@pytest.fixture
def address(serve: Serve, transfer: RecordedTransfer) -> str:
    address: str = serve(TransferService(lambda: transfer).service).address
    return address


def test_an_import_returns_what_the_server_made(address: str) -> None:
    with Client(address) as client:
        assert client.transfer().import_("/a.tar") == Imported((IMAGE,), (UNPACKED,))
        assert client.transfer().import_("/a.tar", unpack=False) == Imported((IMAGE,), ())


def test_everything_is_passed_on(address: str, transfer: RecordedTransfer) -> None:
    with Client(address, namespace="k8s.io") as client:
        client.transfer().import_(
            "a.tar",
            names=["b", "c"],
            platform="linux/arm64",
            all_platforms=True,
            unpack=False,
            snapshotter="native",
        )
        client.transfer().unpack("debian", platform="linux/arm64", snapshotter="native")
        client.transfer().resolve("debian", platform="linux/arm64")
        list(client.transfer().verify(DIGEST))
    assert transfer.asked == [
        ("k8s.io", os.path.abspath("a.tar"), ("b", "c"), "linux/arm64", True, False, "native"),
        ("k8s.io", "debian", "linux/arm64", "native"),
        ("k8s.io", "debian", "linux/arm64"),
        (DIGEST,),
    ]


def test_progress_is_reported(address: str) -> None:
    reported: list[Progress] = []
    with Client(address) as client:
        assert client.transfer().unpack("debian", progress=reported.append) == UNPACKED
    assert reported == [Progress(DIGEST, "unpack", 1, 7)]


def test_resolved_images_and_verified_blobs_are_those_of_the_server(address: str) -> None:
    with Client(address) as client:
        assert client.transfer().resolve("debian") == RESOLVED
        assert tuple(client.transfer().verify()) == VERIFIED


def test_errors_are_those_of_the_server(address: str) -> None:
    with Client(address) as client, pytest.raises(NotFound, match="no image 'missing'"):
        client.transfer().unpack("missing")
