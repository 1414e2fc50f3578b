"""`NativeEngine`: services over pygrpc-native, whose HTTP/2 and gRPC are Rust and leave the interpreter alone."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

from pygrpc_native import EVENT_CANCEL, NativeGrpcFront

from lamina.api import Method, Service, decode, serialize
from lamina.context import use
from lamina.errdefs import Code, Error, FailedPrecondition, ResourceExhausted, Unavailable
from lamina.metrics import Metric
from lamina.plugins.servers.grpc import _limits
from lamina.plugins.servers.grpc._call_context import call_context
from lamina.plugins.servers.grpc._call_metrics import CallMetrics
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._load import load_metrics
from lamina.plugins.servers.grpc._pool import Pool
from lamina.plugins.servers.grpc._routes import routes
from lamina.plugins.servers.grpc._status import log_unexpected, refusal, status_of
from lamina.plugins.servers.grpc.engines.native._adaptive_receiver import AdaptiveReceiver
from lamina.plugins.servers.grpc.engines.native._in_flight import Call, InFlight
from lamina.plugins.servers.grpc.engines.native._queues import Queues
from lamina.plugins.servers.grpc.engines.native._relieved_worker import RelievedWorker
from lamina.plugins.servers.grpc.engines.native._step_batcher import StepBatcher
from lamina.plugins.servers.grpc.engines.native._streams import Messages, Streams
from lamina.steps import Steps

_log = logging.getLogger(__name__)

_CallDetails: TypeAlias = tuple[tuple[tuple[str, str | bytes], ...], str, float | None]
"""A call's metadata, its peer, and the seconds until its deadline."""
_RECEIVE_LIMIT: Final = 4 << 20
"""Bytes in a request where no limit is given: grpc's own."""
_IO_THREADS: Final = 1
"""Threads that read and write sockets. One is not nearly busy when the interpreter is."""
_PAUSE: Final = 0.001
"""Seconds after which to look again whether clients have what they were answered."""


class NativeEngine:
    """Serves services with pygrpc-native.

    One thread receives calls, and answers quick ones itself (`RelievedWorker`). Another thread runs the steps of
    calls that write (`StepBatcher`). Calls that may block wait in a queue of their backend and method for a worker
    (`Queues`), and workers never wait for a client (`Streams`). Streams that stay open have threads of their own.
    Calls beyond the limits are refused with RESOURCE_EXHAUSTED.
    """

    def __init__(self, limits: Limits) -> None:
        """Make an engine.

        Args:
            limits: How much it takes on.
        """
        self._methods: list[tuple[str, Method]] = []
        self._counted = CallMetrics({})
        self._recv_limit = limits.max_recv_message_size or _RECEIVE_LIMIT
        self._send_limit = limits.max_send_message_size
        self._front: NativeGrpcFront | None = None
        self._slow = Queues("slow call", limits.slow_workers)
        self._lasting = Pool("open stream", _limits.MAX_OPEN_STREAMS, 0)
        self._quick_limit = limits.quick_workers + _limits.MAX_QUEUED
        self._quick = RelievedWorker("quick call", self._receive, self._begin, limits.quick_workers)
        self._together = StepBatcher("storing call", limits.slow_workers + _limits.MAX_QUEUED, limits.slow_workers)
        self._streams = Streams(self._send, limits.stalled)
        self._spinning = AdaptiveReceiver()
        self._calls = InFlight()
        self._stopping = False

    def bind(self, path: str) -> None:
        """As `Engine.bind`."""
        try:
            self._front = NativeGrpcFront(
                f"unix:{path}",
                (),
                io_threads=_IO_THREADS,
                call_details=True,
                delay_stream_headers=True,
                metrics=True,
                keepalive_permit_without_calls=False,
                max_concurrent_streams=_limits.MAX_CONCURRENT_STREAMS,
            )
        except OSError as error:
            raise Unavailable(f"cannot listen on {path}: {error}") from error

    def start(self, services: Iterable[Service]) -> None:
        """As `Engine.start`."""
        methods = routes(services)
        self._methods = list(methods.items())
        self._counted = CallMetrics(methods)
        self._bound.add_methods([(name, method.streams) for name, method in self._methods])
        self._bound.start()
        self._together.start()
        self._streams.start()
        self._quick.start()

    def drain(self, grace: float) -> None:
        """As `Engine.drain`."""
        self._calls.wait_for_present(grace)

    def stop(self, grace: float) -> None:
        """As `Engine.stop`. Calls that do not even end when they are cancelled are left behind."""
        self._stopping = True
        left = self._calls.drain(grace, _limits.CANCEL_GRACE)
        if left:
            _log.warning("left calls behind that do not end", extra={"calls": left})
        self._quick.stop()
        self._together.stop()
        self._streams.stop()
        self._slow.stop()
        self._lasting.shutdown(wait=False, cancel_futures=True)
        if self._front is not None:
            self._wait_sent(self._front)
            self._front.close()

    def metrics(self) -> Iterator[Metric]:
        """As `Engine.metrics`."""
        yield from self._counted.metrics()
        ours = (self._quick.load(), self._together.load(), self._lasting.load())
        yield from load_metrics((*ours, *self._slow.loads()))

    def _wait_sent(self, front: NativeGrpcFront) -> None:
        """Wait until clients have what they were answered: closing drops what is not sent yet (0.5.0)."""
        latest = time.monotonic() + _limits.CANCEL_GRACE
        while _unsent(front) > len(self._calls) and time.monotonic() < latest:
            time.sleep(_PAUSE)

    @property
    def _bound(self) -> NativeGrpcFront:
        if self._front is None:
            raise FailedPrecondition("an engine must be bound before it starts")
        return self._front

    def _receive(self) -> bool:
        """Wait for something to come and take it in; False: nothing comes any more."""
        events = self._spinning.receive(self._bound)
        if events is None:
            return False
        for event in events:
            try:
                self._handle(*event)
            except Exception as error:  # noqa: BLE001 - without this thread, the host is deaf
                _log.error("taking in a call failed", exc_info=error)
        return True

    def _handle(
        self, kind: int, id_: int, number: int, data: bytes | None, _client: object, details: _CallDetails | None
    ) -> None:
        if kind == EVENT_CANCEL or data is None or details is None:
            self._calls.cancel(id_)
        else:
            metadata, _, seconds = details
            context = call_context(metadata, seconds)
            self._take(Call(id_, *self._methods[number], data, context, time.perf_counter()))

    def _take(self, call: Call) -> None:
        """Answer a call, now or when its turn comes; or refuse it."""
        room = self._calls.add(call)
        self._counted.begin(call.path)
        method = call.method
        if self._stopping:
            self._refuse(call, Unavailable("the host is about to stop"))
        elif not room:
            self._refuse(call, refusal())
        elif method.in_steps:
            if not self._together.offer(self._steps(call), call.context, functools.partial(self._queue, call)):
                self._refuse(call, refusal())
        elif method.streams and not method.slow:
            go_on = self._lasting.submit
            if not self._lasting.offer(self._streams.answer, call.id, self._messages(call), call.context, go_on):
                self._refuse(call, refusal())
        elif self._quick.waiting >= self._quick_limit:
            self._refuse(call, refusal())
        else:
            self._quick.add(call)

    def _begin(self, call: Call) -> None:
        """Answer a call, or let a worker do so if it may block."""
        method = call.method
        try:
            request = self._request(call)
            if method.target is not None:
                call.target = method.target(request)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes, SystemExit too
            self._refuse(call, error)
            return
        if method.slow or (call.target is not None and not call.target.quick):
            try:
                self._queue(call, functools.partial(self._answer_slowly, call))
            except Error as error:
                self._refuse(call, error)
        else:
            self._answer(call)

    def _queue(self, call: Call, do: Callable[[], object]) -> None:
        self._slow.add(call.key, do, call.context)

    def _answer_slowly(self, call: Call) -> None:
        if call.method.streams:
            self._streams.answer(
                call.id,
                self._messages(call),
                call.context,
                lambda do: self._slow.go_on(call.key, do, call.context),
            )
        else:
            self._answer(call)

    def _answer(self, call: Call) -> None:
        try:
            with use(call.context):
                call.context.check()
                data = self._response(call.method.handler(call.request))
        except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes, SystemExit too
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._bound.respond(call.id, data)
        finally:
            self._calls.done(call)

    def _steps(self, call: Call) -> Steps[None]:
        """As `_answer`, in the steps of the handler."""
        try:
            call.context.check()
            request = self._request(call)
            if call.method.target is not None:
                call.target = call.method.target(request)
            steps: Any = call.method.handler(request)
            data = self._response((yield from steps))
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._bound.respond(call.id, data)
        finally:
            self._calls.done(call)

    def _messages(self, call: Call) -> Messages:
        """What answers a call that streams. At its end the call is answered."""
        responses: Any = ()
        try:
            call.context.check()
            try:
                responses = call.method.handler(self._request(call))
                for response in responses:
                    yield self._response(response)
                    call.context.check()
            finally:
                if hasattr(responses, "close"):
                    responses.close()
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._bound.stream_end(call.id)
        finally:
            self._calls.done(call)

    def _request(self, call: Call) -> Any:
        if call.request is None:
            size = len(call.data)
            if size > self._recv_limit:
                raise ResourceExhausted(f"a request of {size} bytes: at most {self._recv_limit} are taken")
            call.request = decode(call.method.request, call.data)
            call.data = b""
        return call.request

    def _response(self, response: Any) -> bytes:
        data = serialize(response)
        if self._send_limit and len(data) > self._send_limit:
            raise ResourceExhausted(f"a response of {len(data)} bytes: at most {self._send_limit} are sent")
        return data

    def _send(self, call: int, data: bytes) -> int:
        return self._bound.stream_try_send(call, data)

    def _refuse(self, call: Call, error: BaseException) -> None:
        self._fail(call, error)
        self._calls.done(call)

    def _fail(self, call: Call, error: BaseException) -> None:
        log_unexpected(error, call.path, call.context)
        code, message = status_of(error)
        self._count(call, code, message)
        self._bound.fail(call.id, code, message)

    def _count(self, call: Call, code: Code, problem: str = "") -> None:
        self._counted.end(call.path, call.context, code, call.began, call.request, problem)


def _unsent(front: NativeGrpcFront) -> int:
    """How many calls were taken in and have not ended for their clients."""
    metrics = front.metrics()
    methods = metrics["methods"].values() if metrics else ()
    ended = sum(status["count"] for method in methods for status in method["status"].values())
    return int(sum(method["started"] for method in methods) - ended)
