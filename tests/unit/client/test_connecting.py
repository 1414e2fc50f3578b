"""Addresses, connections that fail, and their end."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from lamina.api.messages.version_pb2 import VersionResponse
from lamina.client import Client, Version
from lamina.errdefs import (
    Canceled,
    FailedPrecondition,
    InvalidArgument,
    Unavailable,
)
from tests.support.listener.version_service import answer, version_service


@pytest.mark.parametrize("scheme", ["", "unix://"])
def test_an_address_is_a_path_or_a_unix_url(serve, scheme):
    served = serve(version_service(answer))
    with Client(scheme + served.address) as client:
        assert client.version() == Version("1.2.3", "abc")


def test_a_relative_path_is_an_address(serve, tmp_path, monkeypatch):
    serve(version_service(answer))
    monkeypatch.chdir(tmp_path)
    with Client("lamina.sock") as client:
        assert client.version().version == "1.2.3"


@pytest.mark.parametrize("name", ["%41 b", "é", "a?b#c", "a:b"])
def test_a_path_is_used_verbatim(serve, tmp_path, name):
    served = serve(version_service(answer))
    os.rename(served.address, tmp_path / name)
    with Client(str(tmp_path / name)) as client:
        assert client.version().version == "1.2.3"


@pytest.mark.parametrize(
    "address", ["", "unix://", "tcp://localhost:1", "/run/" + "x" * 110, "/run/\0", "/run/a,b"]
)
def test_an_address_that_is_not_a_socket_path_is_refused(address):
    with pytest.raises(InvalidArgument, match="address"):
        Client(address)


def test_a_missing_socket_is_unavailable_with_the_path_and_the_remedy(tmp_path):
    with Client(f"{tmp_path}/no.sock") as client, pytest.raises(Unavailable) as caught:
        client.version()
    assert str(caught.value) == f"{tmp_path}/no.sock: No such file or directory: is `lamina serve` running?"


def test_a_socket_without_a_listener_is_unavailable(tmp_path):
    path = f"{tmp_path}/stale.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    with Client(path) as client, pytest.raises(Unavailable, match="Connection refused: is `lamina serve` running"):
        client.version()


REFUSED = """
import os, sys
from lamina.client import Client
snapshotter = Client(sys.argv[1], brief=sys.argv[2] == "True").snapshotter("x")
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
snapshotter.stat("key")
"""


def test_a_socket_that_may_not_be_used_is_permission_denied(serve, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    path = closed / "lamina.sock"
    serve(version_service(answer), path=path)
    closed.chmod(0)
    command = [sys.executable, "-c", REFUSED, str(path), str(Client.keywords["brief"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    closed.chmod(0o700)
    assert f"PermissionDenied: {path}: may not connect" in done.stderr


def test_a_client_outlives_a_restart_of_the_server(serve):
    """Calls fail while it is down, and work again soon after it is back."""
    served = serve(version_service(answer))
    with Client(served.address) as client:
        client.version()
        served.stop()
        with pytest.raises(Unavailable):
            client.version()
        serve(version_service(answer))
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                client.version()
                break
            except Unavailable:
                continue
        assert client.version().version == "1.2.3"


def test_a_server_that_dies_during_a_call_is_unavailable(serve):
    arrived = threading.Event()
    stop = threading.Event()

    def handler(_):
        arrived.set()
        stop.wait(60)
        return VersionResponse()

    served = serve(version_service(handler))

    def kill():
        arrived.wait(60)
        served.server.stop(grace=0)

    killer = threading.Thread(target=kill)
    killer.start()
    with Client(served.address) as client, pytest.raises((Unavailable, Canceled)):
        client.version()
    stop.set()
    killer.join()


def test_a_closed_client_makes_no_call(serve):
    served = serve(version_service(answer))
    client = Client(served.address)
    client.version()
    client.close()
    client.close()
    with pytest.raises(FailedPrecondition, match="the client is closed"):
        client.version()
