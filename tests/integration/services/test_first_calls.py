"""The first calls of a host, which load what handles them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.support.directories import short_directory
from tests.support.listener.engines import open_channel
from tests.support.listener.methods import NO_ANSWER, SECONDS, failure, served_methods
from tests.support.processes.hosts import LAMINA, Host

pytestmark = pytest.mark.requires("root", "overlay")

AT_ONCE = 3
"""Calls of each method."""


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
                open_channel(host.address) as channel,
                ThreadPoolExecutor(len(calls)) as threads,
            ):
                failures = {(path, *error) for path, error in threads.map(ask, calls) if error}
            assert serving.stop() == 0
        assert "a call failed unexpectedly" not in serving.stderr
    assert {one for one in failures if one[1] in NO_ANSWER or one[2] == "Method not found!"} == set()
