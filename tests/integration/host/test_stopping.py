"""The health status of a host during its stop."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from tests.support.directories import short_directory
from tests.support.listener.engines import open_channel
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")

SECONDS = 60
SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING

PATIENT = '[timeouts]\n"io.lamina.timeout.plugin.close" = "2m"\n'
"""Enough for the server that waits for the test: it is left behind only if the test has failed."""

LAST = """
import socket
from lamina.plugin import PluginType, Registration, hookimpl

class Last:
    def start(self): pass
    def close(self):
        with socket.socket(socket.AF_UNIX) as test:
            test.connect({path!r})
            test.sendall(b"closing")
            test.recv(1)

@hookimpl
def lamina_register():
    yield Registration(type=PluginType.SERVER, id="zz-last", requires=(PluginType.GRPC,), init=lambda ic: Last())
"""
"""A server that is initialised after the listener and closed before it, when it waits for the test."""


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def gate(directory: Path) -> Iterator[socket.socket]:
    """The socket that the first server to be closed waits on."""
    with socket.socket(socket.AF_UNIX) as gate:
        gate.settimeout(SECONDS)
        gate.bind(f"{directory}/gate")
        gate.listen()
        yield gate


@pytest.fixture(params=["native", "grpcio"])
def serving(directory: Path, gate: socket.socket, request: pytest.FixtureRequest) -> Iterator[Host]:
    (directory / "last.py").write_text(LAST.format(path=gate.getsockname()))
    config = f'{PATIENT}[plugins."io.containerd.server.v1.grpc"]\nengine = "{request.param}"\n'
    host = Host(directory, config, ("-p", "last"), environment={"PYTHONPATH": str(directory)})
    with host.launched():
        yield host.wait_ready()


@pytest.fixture
def health(serving: Host) -> Iterator[Callable[..., object]]:
    """`health("Check")` and `health("Watch")` ask the host."""
    with ExitStack() as stack:
        channel = stack.enter_context(open_channel(f"{serving.state}/lamina.sock"))

        def ask(method: str) -> object:
            kind = channel.unary_stream if method == "Watch" else channel.unary_unary
            call = kind(f"/grpc.health.v1.Health/{method}", None, HealthCheckResponse.FromString)
            return call(HealthCheckRequest().SerializeToString(), timeout=SECONDS)

        yield ask


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_is_announced_before_anything_is_closed(
    serving: Host, gate: socket.socket, health: Callable[..., object], number: signal.Signals
) -> None:
    watch = health("Watch")
    assert next(watch).status == SERVING
    assert health("Check").status == SERVING
    serving.send(number)
    closing, _ = gate.accept()
    with closing:
        assert closing.recv(16) == b"closing", "the other server must be closed before the listener"
        assert next(watch).status == NOT_SERVING
        assert list(watch) == []
        assert health("Check").status == NOT_SERVING
        assert (serving.state / "lamina.sock").exists()
    assert serving.wait() == 0
    assert not (serving.state / "lamina.sock").exists()
