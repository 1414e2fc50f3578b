"""`GrpcioEngine`: services over grpcio. The only module of the listener that imports grpc."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import wait
from typing import Any, Final

import attrs
import grpc

from lamina.api import Method, Service, decode, serialize
from lamina.context import CallContext, use
from lamina.errdefs import Code, ResourceExhausted, Unavailable
from lamina.metrics import Metric
from lamina.plugins.servers.grpc import _limits
from lamina.plugins.servers.grpc._call_context import call_context
from lamina.plugins.servers.grpc._call_metrics import CallMetrics
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._load import load_metrics
from lamina.plugins.servers.grpc._pool import Pool
from lamina.plugins.servers.grpc._routes import routes
from lamina.plugins.servers.grpc._shares import Holding, Key, Shares
from lamina.plugins.servers.grpc._status import log_unexpected, refusal, status_of
from lamina.plugins.servers.grpc.engines.grpcio._stalls import StallWatch
from lamina.steps import run

_log = logging.getLogger(__name__)

_STREAMS: Final = 256
"""As `MAX_CONCURRENT_STREAMS`."""
_UNTAKEN: Final = 1 << 14
"""Calls of all clients that no thread has taken yet. Beyond this, grpc cancels any client's calls (by default some
from 1,000 on, all from 3,000 on). Those that were taken are refused with RESOURCE_EXHAUSTED.
"""
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class GrpcioEngine:
    """Serves services with grpcio, as an `Engine` that is `Extensible`.

    Slow calls, quick calls and streams that stay open have separate threads and separate limits, so that none of
    these kinds delays another. grpcio chooses a thread before the request names its backend: a call that may block
    takes a worker of its backend's share afterwards (`Shares`), or is refused at once. Calls beyond the limits are
    refused with RESOURCE_EXHAUSTED.
    """

    def __init__(self, limits: Limits) -> None:
        """Create an engine."""
        self._shares, self._lock = Shares(limits.slow_workers), threading.Lock()
        self._slow = Pool("slow call", limits.slow_workers, _limits.MAX_QUEUED)
        self._lasting = Pool("open stream", _limits.MAX_OPEN_STREAMS, 0)
        # When the other pools are full, there is still room for quick calls, and to refuse others.
        self._quick = Pool(
            "quick call",
            limits.quick_workers + limits.slow_workers,  # quick calls block on a slow backend
            _limits.MAX_QUEUED + self._slow.limit + self._lasting.limit,
        )
        self._pools = (self._quick, self._slow, self._lasting)
        self._stalls = StallWatch(limits.stalled)
        self._methods: dict[str, Method] = {}
        self._counted = CallMetrics({})
        self._server = grpc.server(
            self._quick,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.server.max_pending_requests", _UNTAKEN),
                ("grpc.server.max_pending_requests_hard_limit", _UNTAKEN),
                *_limit("grpc.max_receive_message_length", limits.max_recv_message_size),
                *_limit("grpc.max_send_message_length", limits.max_send_message_size),
            ],
            maximum_concurrent_rpcs=self._quick.limit,
        )

    def bind(self, path: str) -> None:
        try:
            self._server.add_insecure_port(f"unix:{urllib.parse.quote(path)}")
        except RuntimeError as error:
            raise Unavailable(f"grpc cannot listen on {path}: {error}") from error

    def start(self, services: Iterable[Service]) -> None:
        self.add(services)
        self._stalls.start()
        self._server.start()

    def add(self, services: Iterable[Service]) -> None:
        methods = routes(services, self._methods)
        self._methods |= methods
        self._counted.add(methods)
        router = _Router({path: self._route(one) for path, one in methods.items()}, self._counted)
        self._server.add_generic_rpc_handlers((router,))

    def drain(self, grace: float) -> None:
        wait([call for one in self._pools for call in one.calls()], grace)

    def stop(self, grace: float) -> None:
        """Stop. Abandons calls that do not end after they were cancelled."""
        self._server.stop(grace).wait(grace + _limits.CANCEL_GRACE)
        self._stalls.stop()
        left = wait([call for one in self._pools for call in one.calls()], _limits.CANCEL_GRACE).not_done
        if left:
            _log.warning("abandoned calls that do not end", extra={"calls": len(left)})
        for one in self._pools:
            one.shutdown(wait=False, cancel_futures=True)

    def metrics(self) -> Iterator[Metric]:
        yield from self._counted.metrics()
        yield from load_metrics(one.load() for one in self._pools)

    def _route(self, method: Method) -> _Route:
        if method.streams:
            threads = self._slow if method.slow else self._lasting
            return _Route(
                threads, functools.partial(_Stream, method, threads, self._holding, self._stalls), streams=True
            )
        threads = self._slow if method.slow else self._quick
        return _Route(threads, functools.partial(_Unary, method, threads, self._holding))

    def _holding(self) -> Holding:
        return Holding(self._shares, self._lock)


@attrs.frozen
class _Route:
    pool: Pool
    answer: Callable[[_Counting], Callable[[bytes, grpc.ServicerContext], Any]]
    """Creates the handler of one call."""
    streams: bool = False


@attrs.define
class _Counting:
    """Counts one call."""

    calls: CallMetrics
    path: str
    began: float = attrs.field(factory=time.perf_counter)
    request: Any = None
    """The request, once it is decoded."""

    def begin(self) -> None:
        self.calls.begin(self.path)

    def end(self, context: CallContext, code: Code, problem: str = "") -> None:
        self.calls.end(self.path, context, code, self.began, self.request, problem)


class _Router(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic only in the stubs
    """Finds the handler of a call: that of its method, or one that refuses it."""

    def __init__(self, routes: Mapping[str, _Route], calls: CallMetrics) -> None:
        self._routes = routes
        self._calls = calls

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        route = self._routes.get(handler_call_details.method)
        if route is None:
            return None
        counting = _Counting(self._calls, handler_call_details.method)
        if route.pool.full:
            return grpc.unary_unary_rpc_method_handler(functools.partial(_refuse, counting))
        make = grpc.unary_stream_rpc_method_handler if route.streams else grpc.unary_unary_rpc_method_handler
        return make(route.answer(counting))


@attrs.frozen(eq=False)
class _Unary:
    """Answers unary calls of a method."""

    method: Method
    experimental_thread_pool: Pool
    """Read by grpcio to choose the threads."""
    holding: Callable[[], Holding]
    counting: _Counting

    def __call__(self, data: bytes, call: grpc.ServicerContext) -> bytes:
        method, holding = self.method, self.holding()
        with _answering(self.counting, call), contextlib.closing(holding):
            request = self.counting.request = decode(method.request, data)
            key = _key(method, request)
            if method.in_steps:
                steps: Any = method.handler(request)
                return serialize(run(steps, lambda: holding.take(key or ("", method.name))))
            if key is not None:
                holding.take(key)
            response: Any = method.handler(request)
            return serialize(response)


@attrs.frozen(eq=False, repr=False)
class _Stream:
    """Answers streaming calls of a method."""

    method: Method
    experimental_thread_pool: Pool
    """As in `_Unary`."""
    holding: Callable[[], Holding]
    stalls: StallWatch
    counting: _Counting

    def __call__(self, data: bytes, call: grpc.ServicerContext) -> Iterator[bytes]:
        method, holding = self.method, self.holding()
        with _answering(self.counting, call) as context, contextlib.closing(holding):
            request = self.counting.request = decode(method.request, data)
            key = _key(method, request)
            if key is not None:
                self._take(holding, key)
            responses: Any = method.handler(request)
            for response in responses:
                message = serialize(response)
                with self.stalls.sending(call.cancel, holding):
                    yield message
                context.check()

    def _take(self, holding: Holding, key: Key) -> None:
        """Take a worker, if need be from a stream whose client does not read."""
        try:
            holding.take(key)
        except ResourceExhausted:
            if not self.stalls.give_way(key):
                raise
            holding.take(key)


def _key(method: Method, request: Any) -> Key | None:
    """Return the key of the share that a call takes a worker of; None if it cannot block on a backend."""
    target = method.target(request) if method.target is not None else None
    if target is None or (target.quick and not method.slow):
        return None
    return target.name, method.name


def _refuse(counting: _Counting, _data: bytes, call: grpc.ServicerContext) -> bytes:
    with _answering(counting, call):
        raise refusal()
    return b""


@contextlib.contextmanager
def _answering(counting: _Counting, call: grpc.ServicerContext) -> Iterator[CallContext]:
    """Answer a call in the block, in its context. An exception becomes its status."""
    context = call_context(call.invocation_metadata(), call.time_remaining())
    if not call.add_callback(context.cancel):
        context.cancel()
    counting.begin()
    try:
        with use(context):
            context.check()
            yield context
    except GeneratorExit:  # the client does not read the rest of the stream
        counting.end(context, Code.CANCELLED)
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
        log_unexpected(error, counting.path, context)
        code, message = status_of(error)
        counting.end(context, code, message)
        call.abort(_CODES[code], message)
    else:
        counting.end(context, Code.OK)


def _limit(option: str, size: int) -> list[tuple[str, int]]:
    return [(option, size)] if size > 0 else []
