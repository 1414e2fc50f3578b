"""lamina in front of a real containerd's snapshots service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.context import CallContext, use
from lamina.errdefs import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
    Unimplemented,
)
from lamina.snapshots import Info, Kind, Snapshotter
from tests.support.interop.containerds import Containerd, ctr
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "ctr")

KEEP = {"containerd.io/gc.root": "2024-01-01T00:00:00Z"}
"""containerd collects a snapshot that nothing holds."""

CONFIG = """\
[proxy_plugins.remote]
type = "snapshot"
address = "{0}"
snapshotter = "native"
namespace = "lamina"

[proxy_plugins.bare]
type = "snapshot"
address = "{0}"
snapshotter = "native"
"""


@contextlib.contextmanager
def serving(release: Release, directory: Path) -> Iterator[tuple[Containerd, Host]]:
    """A containerd, and a host in front of it."""
    with (
        Containerd(directory / "c", release=release).running() as containerd,
        Host(directory / "h", CONFIG.format(containerd.address)).running() as host,
    ):
        yield containerd, host


@pytest.fixture(scope="module")
def served(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Containerd, Host]]:
    """A containerd and its host, for tests that leave no snapshots."""
    with serving(release, tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture
def containerd(served: tuple[Containerd, Host]) -> Containerd:
    return served[0]


@pytest.fixture
def host(served: tuple[Containerd, Host]) -> Host:
    return served[1]


@pytest.fixture
def client(host: Host) -> Iterator[Client]:
    with host.client() as client:
        yield client


def test_every_method_of_the_contract_works(client: Client, containerd: Containerd) -> None:
    """Every method of the contract, with containerd's errors; lamina names the namespace."""
    native = client.snapshotter("remote")
    assert list(native.walk()) == []
    (mount,) = native.prepare("key", labels=KEEP | {"a": "b"})
    assert native.mounts("key") == [mount]
    Path(mount.source, "file").write_bytes(b"x" * 10_000)
    with pytest.raises(AlreadyExists):
        native.prepare("key", labels=KEEP)
    native.commit("base", "key", labels=KEEP)
    assert native.usage("base").size >= 10_000
    (view,) = native.view("look", "base", labels=KEEP)
    assert Path(view.source, "file").read_bytes() == b"x" * 10_000
    info = native.update(Info("look", labels=KEEP | {"c": "d"}))
    assert (info.kind, info.parent, info.labels["c"]) == (Kind.VIEW, "base", "d")
    assert [info.name for info in native.walk()] == ["base", "look"]
    assert [info.name for info in native.walk("kind==view")] == ["look"]
    with pytest.raises(FailedPrecondition):
        native.remove("base")
    with pytest.raises(InvalidArgument):
        list(native.walk("=="))

    names = containerd.ctr("--namespace", "lamina", "snapshots", "--snapshotter", "native", "ls")
    assert "look" in names
    native.remove("look")
    native.remove("base")
    with pytest.raises(NotFound):
        native.stat("base")
    assert list(native.walk()) == []


def test_a_callers_namespace_counts_more_than_the_proxys(client: Client) -> None:
    native = client.snapshotter("remote")
    with use(CallContext(namespace="theirs")):
        native.prepare("key", labels=KEEP)
    assert list(native.walk()) == []
    with use(CallContext(namespace="theirs")):
        assert [info.name for info in native.walk()] == ["key"]
        native.remove("key")


def test_a_proxy_without_a_namespace_leaves_it_to_the_caller(client: Client) -> None:
    bare = client.snapshotter("bare")
    with pytest.raises(FailedPrecondition, match="namespace is required"):
        bare.stat("key")
    with use(CallContext(namespace="theirs")), pytest.raises(NotFound):
        bare.stat("key")


def test_containerds_lack_of_cleanup_is_told(client: Client) -> None:
    with pytest.raises(Unimplemented):
        client.snapshotter("remote").cleanup()


def test_ctr_sees_containerds_snapshotter_through_lamina(client: Client, host: Host) -> None:
    client.snapshotter("remote").prepare("key", labels=KEEP)
    listing = ctr(host.address, "--namespace", "lamina", "snapshots", "--snapshotter", "remote", "ls")
    assert "key" in listing
    ctr(host.address, "--namespace", "lamina", "snapshots", "--snapshotter", "remote", "rm", "key")
    assert list(client.snapshotter("remote").walk()) == []


def test_containerd_may_be_killed_and_come_back(release: Release, tmp_path: Path) -> None:
    with serving(release, tmp_path) as (containerd, host), host.client() as client:
        native = client.snapshotter("remote")
        native.prepare("key", labels=KEEP)
        containerd.kill()
        with pytest.raises(Unavailable):
            native.stat("key")
        assert client.healthy()
        containerd.start()
        wait_until(lambda: _works(native), 120, "containerd is connected again")
        assert [info.name for info in native.walk()] == ["key"]


def _works(snapshotter: Snapshotter) -> bool:
    try:
        snapshotter.stat("key")
    except Unavailable:
        return False
    return True
