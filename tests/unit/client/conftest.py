"""A real gRPC server in the test's process, for services described with `lamina.api`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import grpc
import pytest

from lamina.api import Method, Service, decode
from lamina.context import CallContext, use
from lamina.errdefs import Error, to_status
from lamina.plugins.servers.grpc._call_context import call_context
from lamina.steps import run

STATUSES = {code.value[0]: code for code in grpc.StatusCode}
OPTIONS = [("grpc.max_receive_message_length", 32 << 20), ("grpc.max_send_message_length", 32 << 20)]


@attrs.define
class Served:
    """A running server, and the context of each call that it got."""

    address: str
    server: grpc.Server
    executor: ThreadPoolExecutor
    contexts: list[CallContext]

    def stop(self) -> None:
        self.server.stop(grace=None).wait()
        self.executor.shutdown()


def _handler(method: Method, contexts: list[CallContext]) -> grpc.RpcMethodHandler:
    def answers(data: bytes, call: grpc.ServicerContext) -> Iterator[bytes]:
        context = call_context(call.invocation_metadata(), call.time_remaining())
        call.add_callback(context.cancel)
        contexts.append(context)
        try:
            with use(context):
                answer = method.handler(decode(method.request, data))
                if method.in_steps:
                    answer = run(answer)
                for message in answer if method.streams else [answer]:
                    yield message.SerializeToString()
        except Error as error:
            code, message = to_status(error)
            call.abort(STATUSES[code], message)

    if method.streams:
        return grpc.unary_stream_rpc_method_handler(answers)
    return grpc.unary_unary_rpc_method_handler(lambda data, call: next(answers(data, call)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test of a module that uses `Client` run over grpc, and without it."""
    if hasattr(metafunc.module, "Client"):
        metafunc.parametrize("transport", [False, True], ids=["grpc", "brief"], indirect=True)


@pytest.fixture(autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport of the module's `Client`."""
    if hasattr(request, "param"):
        client = functools.partial(request.module.Client, brief=request.param)
        monkeypatch.setattr(request.module, "Client", client)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`serve(service, …, path=…)` starts a server; the test's end stops it."""
    running: list[Served] = []

    def start(*services: Service, path: Path = tmp_path / "lamina.sock") -> Served:
        contexts: list[CallContext] = []
        executor = ThreadPoolExecutor(4)
        server = grpc.server(executor, options=OPTIONS)
        for service in services:
            handlers = {method.name: _handler(method, contexts) for method in service.methods}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.name, handlers),))
        server.add_insecure_port(f"unix:{path}")
        server.start()
        running.append(Served(str(path), server, executor, contexts))
        return running[-1]

    yield start
    for served in running:
        served.stop()
