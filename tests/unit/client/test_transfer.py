"""Work on images behind a socket."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from lamina.client import Client
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images import ConfigChanges, Exported, Imported, Progress
from lamina.plugins.transfer.plugin import transfer_service
from lamina.registry import Access, Credentials
from tests.support.images.transfers import (
    DIGEST,
    IMAGE,
    PUSHED,
    RESOLVED,
    UNPACKED,
    VERIFIED,
    RecordedTransfer,
)
from tests.support.registries.certificates import PEM

Serve = Callable[..., Any]

CHANGES = ConfigChanges(
    entrypoint=("sh", "-c"),
    cmd=("true",),
    env={"A": "1=2"},
    unset_env=("B",),
    user="1:1",
    working_dir="/srv",
    labels={"c": "d"},
    unset_labels=("e",),
    exposed_ports=("80",),
    unset_exposed_ports=("81/tcp",),
    volumes=("/f",),
    unset_volumes=("/g",),
    stop_signal="SIGTERM",
    author="me",
)
"""All changes that there are."""


@pytest.fixture
def transfer() -> RecordedTransfer:
    return RecordedTransfer()


@pytest.fixture
def address(serve: Serve, transfer: RecordedTransfer) -> str:
    address: str = serve(transfer_service(lambda: transfer)).address
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


def test_building_and_exporting_pass_everything_on(address: str, transfer: RecordedTransfer) -> None:
    with Client(address, namespace="k8s.io") as client:
        made = client.transfer().commit(
            "work",
            "mine",
            snapshotter="native",
            base="debian",
            changes=CHANGES,
            message="why",
            compression="zstd",
            live=True,
            source_date_epoch=0,
        )
        edited = client.transfer().edit(
            "mine", "other", changes=CHANGES, message="why", platform="linux/arm64", source_date_epoch=-1
        )
        tagged = client.transfer().tag("mine", "other", force=True)
        exported = client.transfer().export("a.tar", ["b", "c"], format="docker", platform="linux/arm64")
    assert (made, edited, tagged, exported) == (IMAGE, IMAGE, IMAGE, Exported((IMAGE,), 7))
    assert transfer.asked == [
        ("k8s.io", "work", "mine", "native", "debian", CHANGES, "why", "zstd", True, 0),
        ("k8s.io", "mine", "other", CHANGES, "why", "linux/arm64", -1),
        ("k8s.io", "mine", "other", True),
        ("k8s.io", os.path.abspath("a.tar"), ("b", "c"), "docker", "linux/arm64"),
    ]


def test_what_is_not_said_is_the_default(address: str, transfer: RecordedTransfer) -> None:
    with Client(address) as client:
        client.transfer().commit("work", "mine")
        client.transfer().edit("mine", changes=ConfigChanges(entrypoint=(), user="", env={"B": "2", "A": "1"}))
        client.transfer().export("/a.tar", ["b"])
    edited = ConfigChanges(entrypoint=(), user="", env={"B": "2", "A": "1"})
    assert transfer.asked == [
        ("", "work", "mine", "", "", ConfigChanges(), "", "gzip", False, None),
        ("", "mine", "", edited, "", "", None),
        ("", "/a.tar", ("b",), "oci", ""),
    ]
    changes = transfer.asked[1][3]
    assert isinstance(changes, ConfigChanges)
    assert list(changes.env) == ["B", "A"], "in their order"


def test_credentials_for_the_repository_of_the_image_are_sent(address: str, transfer: RecordedTransfer) -> None:
    alice, bob = Credentials("alice", "secret"), Credentials(identity_token="token")  # noqa: S106 - made up
    known = {"docker.io/library/debian": alice, "localhost:5000/d": bob}
    access = Access(known.get, PEM, plain_http=True)
    with Client(address) as client:
        assert client.transfer().pull("debian", access=access) == Imported((IMAGE,), (UNPACKED,))
        assert client.transfer().push("debian", to="localhost:5000/d", access=access) == PUSHED
        assert client.transfer().pull("quay.io/debian", access=access)
    assert [asked[-3:] for asked in transfer.asked] == [
        (alice, PEM, True),
        (bob, PEM, True),
        (None, PEM, True),
    ]


def test_what_is_to_be_pulled_and_pushed_is_passed_on(address: str, transfer: RecordedTransfer) -> None:
    with Client(address, namespace="k8s.io") as client:
        client.transfer().pull(
            "debian",
            new_name="mine",
            platform="linux/arm64",
            all_platforms=True,
            unpack=False,
            snapshotter="native",
        )
        client.transfer().push("debian", to="localhost/d", platform="linux/arm64")
    anonymous = (None, "", False)
    assert transfer.asked == [
        ("k8s.io", "debian", "mine", "linux/arm64", True, False, "native", *anonymous),
        ("k8s.io", "debian", "localhost/d", "linux/arm64", *anonymous),
    ]


def test_credentials_that_are_no_text_are_refused_and_not_shown(address: str) -> None:
    access = Access(lambda _: Credentials("alice", "sec\udcffret"))
    with Client(address) as client, pytest.raises(InvalidArgument) as caught:
        client.transfer().pull("debian", access=access)
    assert str(caught.value) == "credentials: they are not UTF-8 text"


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
