"""The service with real mounts, other owners and dying clients."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from lamina.api import Method, Service
from lamina.api.messages.empty_pb2 import Empty
from lamina.client import Client
from lamina.context import current
from lamina.errdefs import Canceled
from lamina.mount import mount_all, unmount
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from tests.support.snapshotters.overlay import open_overlay
from tests.support.snapshotters.records import snapshotters_of

SECONDS = 60


@pytest.fixture
def serving(make_engine):
    """`with serving(path, service, …)`: a listener on a socket."""

    @contextlib.contextmanager
    def serve(path, *services, **options):
        listener = Listener(str(path), make_engine(Limits(quick_workers=2, slow_workers=8)), services, **options)
        listener.start()
        try:
            yield
        finally:
            listener.close()

    return serve


def snapshots_service(overlay):
    return SnapshotsService(Names(snapshotters_of({"overlayfs": overlay}), {"lamina": "overlayfs"})).service


@pytest.mark.requires("root", "overlay")
def test_layers_made_through_the_socket_can_be_mounted(tmp_path, serving):
    target = tmp_path / "target"
    target.mkdir()
    with (
        open_overlay(tmp_path) as overlay,
        serving(tmp_path / "x.sock", snapshots_service(overlay)),
        Client(str(tmp_path / "x.sock"), timeout=SECONDS) as client,
    ):
        snapshotter = client.snapshotter("lamina")
        parent = ""
        for number in range(3):
            mount_all(snapshotter.prepare("key", parent), str(target))
            (target / f"file{number}").write_text(str(number))
            unmount(str(target))
            parent = f"layer{number}"
            snapshotter.commit(parent, "key")
        mount_all(snapshotter.view("look", parent), str(target))
        assert [(target / f"file{number}").read_text() for number in range(3)] == ["0", "1", "2"]
        unmount(str(target))


@pytest.mark.requires("root")
def test_socket_and_new_directory_belong_to_the_configured_owner(tmp_path, serving):
    path = tmp_path / "made" / "x.sock"
    with serving(path, uid=1234, gid=2345):
        for status, mode in ((path.stat(), 0o660), (path.parent.stat(), 0o770)):
            assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 2345, mode)


CALLER = """
import sys, grpc
channel = grpc.insecure_channel(f"unix:{sys.argv[1]}")
channel.unary_unary("/test.Test/Wait")(b"")
"""


def test_the_call_of_a_client_that_is_killed_is_cancelled(tmp_path, serving):
    entered, ended = threading.Event(), threading.Event()

    def wait(_request):
        entered.set()
        try:
            while True:
                current().check()
                ended.wait(0.01)
        except Canceled:
            ended.set()
            raise

    service = Service("test.Test", (Method("Wait", Empty, wait, slow=True),))
    with serving(tmp_path / "x.sock", service):
        client = subprocess.Popen([sys.executable, "-c", CALLER, tmp_path / "x.sock"])
        try:
            assert entered.wait(SECONDS)
        finally:
            os.kill(client.pid, signal.SIGKILL)
            client.wait(SECONDS)
        assert ended.wait(SECONDS)
