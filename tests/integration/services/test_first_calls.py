"""The first calls of a host, which load what handles them."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from lamina.api import messages
from tests.support.directories import short_directory
from tests.support.processes.hosts import LAMINA, Host

pytestmark = pytest.mark.requires("root", "overlay")

AT_ONCE = 3
"""Calls of each method."""
SECONDS = 60
NO_ANSWER = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}


def served_methods() -> Iterator[tuple[str, bool]]:
    """Yield the path of each method of the protocol, and whether it streams."""
    for module in pkgutil.iter_modules(messages.__path__, f"{messages.__name__}."):
        descriptor = getattr(importlib.import_module(module.name), "DESCRIPTOR", None)
        for service in descriptor.services_by_name.values() if descriptor else ():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}", method.server_streaming


def failure(channel: grpc.Channel, path: str, *, streams: bool) -> tuple[grpc.StatusCode, str] | None:
    """Make a call with an empty request, and return its error; None once it has an answer."""
    try:
        if streams:
            responses = channel.unary_stream(path)(b"", timeout=SECONDS)
            next(iter(responses), None)
            responses.cancel()
        else:
            channel.unary_unary(path)(b"", timeout=SECONDS)
    except grpc.RpcError as error:
        return error.code(), error.details() or ""
    return None


@pytest.mark.parametrize("engine", ["native", "grpcio"])
def test_every_method_answers_if_its_first_calls_all_come_at_once(engine: str) -> None:
    calls = [one for one in served_methods() for _ in range(AT_ONCE)]
    arrived = threading.Barrier(len(calls))

    def ask(call: tuple[str, bool]) -> tuple[str, tuple[grpc.StatusCode, str] | None]:
        arrived.wait(SECONDS)
        return call[0], failure(channel, call[0], streams=call[1])

    with short_directory() as directory:
        config = f'[plugins."io.containerd.server.v1.grpc"]\nengine = "{engine}"\nslow_workers = 256\n'
        host = Host(directory, config, lamina=LAMINA)  # an interpreter that has loaded nothing
        with host.launched() as serving:
            serving.wait_ready()
            with (
                grpc.insecure_channel(f"unix:{host.address}") as channel,
                ThreadPoolExecutor(len(calls)) as threads,
            ):
                failures = {(path, *error) for path, error in threads.map(ask, calls) if error}
            assert serving.stop() == 0
        assert "a call failed unexpectedly" not in serving.stderr
    assert {one for one in failures if one[1] in NO_ANSWER or one[2] == "Method not found!"} == set()
