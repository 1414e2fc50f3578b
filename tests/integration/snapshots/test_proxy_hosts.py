"""A host that proxies a snapshotter of another host."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.context import CallContext, use
from lamina.errdefs import (
    AlreadyExists,
    Canceled,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    Unavailable,
    Unimplemented,
)
from lamina.mount import temporary_mount
from lamina.snapshots import Info, Kind, Snapshotter
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

SECONDS = 60.0

CONFIG = """\
[proxy_plugins.remote]
type = "snapshot"
address = "{0}"
snapshotter = "overlayfs"
exports = {{root = "/srv"}}
capabilities = ["rebase"]
quick_timeout = "2m"

[proxy_plugins.hurried]
type = "snapshot"
address = "{0}"
snapshotter = "overlayfs"
timeout = "2s"
quick_timeout = "1s"

[proxy_plugins.lamina-team]
type = "snapshot"
address = "{0}"

[proxy_plugins.unknown]
type = "snapshot"
address = "{0}"

[plugins."io.containerd.grpc.v1.snapshots".aliases]
alias = "remote"
"""
INNER = """\
[plugins."io.containerd.grpc.v1.snapshots".aliases]
lamina-team = "overlayfs"
"""

PATIENT = """\
[proxy_plugins.remote]
type = "snapshot"
address = "{0}"
timeout = "1h"
[plugins."io.containerd.server.v1.grpc"]
slow_workers = 1
"""


@pytest.fixture
def inner(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "i", INNER).running() as host:
        yield host


@pytest.fixture
def outer(tmp_path: Path, inner: Host) -> Iterator[Host]:
    with Host(tmp_path / "o", CONFIG.format(inner.address)).running() as host:
        yield host


@pytest.fixture
def client(outer: Host) -> Iterator[Client]:
    with outer.client() as client:
        yield client


def works(snapshotter: Snapshotter, key: str) -> bool:
    try:
        snapshotter.stat(key)
    except Unavailable:
        return False
    return True


def test_all_operations_work_through_both_hosts(client: Client, inner: Host) -> None:
    remote = client.snapshotter("remote")
    with temporary_mount(remote.prepare("work", labels={"a": "b"})) as tree:
        (Path(tree) / "file").write_text("content")
    assert remote.usage("work").size > 0
    remote.commit("base", "work")
    remote.update(Info("base", labels={"c": "d"}))
    mounts = remote.view("look", "base")
    assert remote.mounts("look") == mounts
    with temporary_mount(mounts) as tree:
        assert (Path(tree) / "file").read_text() == "content"
    base = remote.stat("base")
    assert (base.kind, base.labels) == (Kind.COMMITTED, {"c": "d"})
    with inner.client() as direct:
        assert list(direct.snapshotter("overlayfs").walk()) == list(remote.walk())
    assert [info.name for info in remote.walk("kind==view")] == ["look"]
    with pytest.raises(AlreadyExists):
        remote.prepare("look")
    remote.remove("look")
    remote.remove("base")
    remote.cleanup()
    assert list(remote.walk()) == []
    with pytest.raises(NotFound, match="base"):
        remote.stat("base")


def test_the_outer_host_shows_its_proxies(client: Client, inner: Host) -> None:
    plugins = {plugin.id: plugin for plugin in client.plugins("type==io.containerd.snapshotter.v1")}
    remote = plugins["remote"]
    assert remote.status == "ok"
    assert remote.exports == {"root": "/srv", "address": inner.address}
    assert remote.capabilities == ("rebase",)
    assert remote.platforms == plugins["overlayfs"].platforms


def test_a_proxy_uses_the_keyspace_of_its_remote_name(client: Client, inner: Host) -> None:
    client.snapshotter("lamina-team").prepare("theirs")
    client.snapshotter("remote").prepare("ours")
    client.snapshotter("overlayfs").prepare("the outer host's own")
    assert [info.name for info in client.snapshotter("remote").walk()] == ["ours"]
    with inner.client() as direct:
        assert [info.name for info in direct.snapshotter("lamina-team").walk()] == ["theirs"]


@pytest.mark.parametrize("name", ["alias", "lamina-remote"])
def test_a_proxy_has_no_further_keyspaces(client: Client, name: str) -> None:
    with pytest.raises(Unimplemented) as caught:
        client.snapshotter(name).stat("k")
    assert str(caught.value) == (
        f"{name} is an alias of remote: keyspace '{name}': a snapshotter behind a socket has "
        "only the one of the server for 'overlayfs': use the name remote"
    )


def test_a_name_unknown_to_the_inner_host_raises_its_error(client: Client) -> None:
    with pytest.raises(InvalidArgument, match=r"snapshotter not loaded: unknown \(loaded: .*overlayfs"):
        client.snapshotter("unknown").stat("k")


def test_the_inner_host_may_die_and_come_back(client: Client, inner: Host) -> None:
    """Until then its snapshotter is unavailable, and the outer host serves the others."""
    remote = client.snapshotter("remote")
    remote.prepare("kept")
    inner.kill()
    for _ in range(3):
        with pytest.raises(Unavailable, match=f"{inner.address}: Connection refused: is its server running"):
            remote.stat("kept")
        with pytest.raises(Unavailable):
            list(remote.walk())
    assert client.healthy()
    client.snapshotter("overlayfs").prepare("meanwhile")
    inner.start()
    wait_until(lambda: works(remote, "kept"), SECONDS, "the inner host is connected again")
    assert [info.name for info in remote.walk()] == ["kept"]


def test_a_host_starts_without_the_servers_of_its_proxies(tmp_path: Path) -> None:
    inner = Host(tmp_path / "i", INNER)
    with Host(tmp_path / "o", CONFIG.format(inner.address)).running() as outer, outer.client() as client:
        remote = client.snapshotter("remote")
        with pytest.raises(Unavailable, match="No such file or directory: is its server running"):
            remote.prepare("k")
        with inner.running():
            wait_until(lambda: not _refuses(remote), SECONDS, "the inner host is connected")
            assert remote.stat("k").kind is Kind.ACTIVE


def _refuses(snapshotter: Snapshotter) -> bool:
    try:
        snapshotter.prepare("k")
    except Unavailable:
        return True
    return False


def test_calls_to_an_inner_host_that_hangs_end_at_their_deadline(client: Client, inner: Host) -> None:
    """More calls hang than the outer host has quick workers, and other calls are answered."""
    remote, hurried = client.snapshotter("remote"), client.snapshotter("hurried")
    remote.prepare("kept")
    client.snapshotter("overlayfs").prepare("own")
    os.kill(inner.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(12) as threads:
            calls = [threads.submit(hurried.stat, "kept") for _ in range(10)]
            calls += [threads.submit(hurried.prepare, f"k{number}") for number in range(2)]
            errors = [call.exception() for call in calls]
        assert {type(error) for error in errors} == {DeadlineExceeded}
        assert all("not answered in time" in str(error) for error in errors[:8])
        assert client.snapshotter("overlayfs").stat("own").kind is Kind.ACTIVE
    finally:
        os.kill(inner.pid, signal.SIGCONT)
    wait_until(lambda: works(remote, "kept"), SECONDS, "the inner host is connected again")


def test_a_cancelled_call_frees_the_worker_that_waits_for_the_proxy(tmp_path: Path) -> None:
    """The host has one slow worker, and the server behind the proxy never answers."""
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(f"{tmp_path}/hung.sock")
        hung.listen()
        config = PATIENT.format(hung.getsockname())
        with Host(tmp_path / "o", config).running() as outer, outer.client() as client:
            context = CallContext()
            with ThreadPoolExecutor(1) as threads:
                call = threads.submit(_prepare, client.snapshotter("remote"), context)
                with hung.accept()[0]:
                    context.cancel()
                    assert isinstance(call.exception(), Canceled)
                    client.snapshotter("overlayfs").prepare("k")


def _prepare(snapshotter: Snapshotter, context: CallContext) -> None:
    with use(context):
        snapshotter.prepare("k")
