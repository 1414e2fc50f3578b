"""`NativeEngine`: services over pygrpc-native, whose HTTP/2 and gRPC are Rust and need no interpreter lock."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pygrpc_native import EVENT_CANCEL, NativeGrpcFront

from lamina.api import Method, Service, VersionedResponse, serialize
from lamina.context import use
from lamina.errdefs import Code, Error, FailedPrecondition, ResourceExhausted, Unavailable
from lamina.metrics import Metric
from lamina.plugins.servers.grpc import _limits
from lamina.plugins.servers.grpc._call_context import call_context, trace_ids
from lamina.plugins.servers.grpc._call_metrics import CallMetrics
from lamina.plugins.servers.grpc._load import load_metrics
from lamina.plugins.servers.grpc._pool import Pool
from lamina.plugins.servers.grpc._routes import routes
from lamina.plugins.servers.grpc._status import log_unexpected, refusal, status_of
from lamina.plugins.servers.grpc.engines.native._adaptive_receiver import AdaptiveReceiver, CallDetails, Event
from lamina.plugins.servers.grpc.engines.native._in_flight import Call, InFlight
from lamina.plugins.servers.grpc.engines.native._memory_guard import MemoryGuard
from lamina.plugins.servers.grpc.engines.native._queues import FairQueues
from lamina.plugins.servers.grpc.engines.native._relieved_worker import RelievedWorker
from lamina.plugins.servers.grpc.engines.native._response_cache import ResponseCache
from lamina.plugins.servers.grpc.engines.native._responses import Responses
from lamina.plugins.servers.grpc.engines.native._step_batcher import StepBatcher
from lamina.plugins.servers.grpc.engines.native._streams import Messages, Streams
from lamina.steps import Steps

_log = logging.getLogger(__name__)


class NativeEngine:
    """Serves services with pygrpc-native, as an `Engine`.

    One thread receives calls, and answers quick ones itself (`RelievedWorker`). Another thread runs the steps of
    calls that write (`StepBatcher`), but not for a lone caller, as handing over takes longer than some steps.
    Calls that may block wait in a queue of their backend and method for a worker (`FairQueues`). Workers wait for
    no client (`Streams`), and streams that stay open have threads. Calls beyond the limits are refused.
    """

    def __init__(self, limits: _limits.Limits) -> None:
        """Create an engine."""
        self._methods: list[tuple[str, Method]] = []
        self._metrics = CallMetrics({})
        self._recv_limit = limits.max_recv_message_size or _limits.MAX_REQUEST
        self._send_limit = limits.max_send_message_size
        self._front: NativeGrpcFront | None = None
        self._guard: MemoryGuard | None = None
        self._calls = InFlight()
        self._responses = Responses(self._calls)
        self._cache = ResponseCache()
        self._blocking = FairQueues("slow call", limits.slow_workers)
        self._open = Pool("open stream", _limits.MAX_OPEN_STREAMS, 0)
        self._max_inline = limits.quick_workers + _limits.MAX_QUEUED
        self._inline = RelievedWorker("quick call", self._receive, self._begin, limits.quick_workers, self._send)
        self._writes = StepBatcher("storing call", limits.slow_workers + _limits.MAX_QUEUED, limits.slow_workers)
        self._streams = Streams(self._send_message, limits.stalled)
        self._receiver = AdaptiveReceiver()
        self._new_trace_id = trace_ids()
        self._stopping = False

    def bind(self, path: str) -> None:
        try:
            self._front = NativeGrpcFront(
                f"unix:{path}",
                (),
                io_threads=1,  # the interpreter is busy long before one is
                call_details=True,
                delay_stream_headers=True,
                metrics=True,
                keepalive_permit_without_calls=False,
                max_concurrent_streams=_limits.MAX_CONCURRENT_STREAMS,
            )
        except OSError as error:
            raise Unavailable(f"cannot listen on {path}: {error}") from error
        self._guard = MemoryGuard(path)
        self._guard.start()

    def start(self, services: Iterable[Service]) -> None:
        methods = routes(services)
        self._methods = list(methods.items())
        self._metrics = CallMetrics(methods)
        self._bound.add_methods([(name, method.streams) for name, method in self._methods])
        self._bound.start()
        self._writes.start()
        self._streams.start()
        self._inline.start()

    def drain(self, grace: float) -> None:
        self._calls.wait_for_present(grace)

    def stop(self, grace: float) -> None:
        """Stop. Abandons calls that do not end after they were cancelled."""
        self._stopping = True
        if left := self._calls.drain(grace, _limits.CANCEL_GRACE):
            _log.warning("abandoned calls that do not end", extra={"calls": left})
        self._inline.stop()
        self._writes.stop()
        self._streams.stop()
        self._blocking.stop()
        self._open.shutdown(wait=False, cancel_futures=True)
        if self._front is not None and self._guard is not None:
            self._guard.stop()
            self._responses.wait_until_received(self._front, _limits.CANCEL_GRACE)
            self._front.close()

    def metrics(self) -> Iterator[Metric]:
        yield from self._metrics.metrics()
        loads = (self._inline.load(), self._writes.load(), self._open.load(), *self._blocking.loads())
        yield from load_metrics(loads)

    @property
    def _bound(self) -> NativeGrpcFront:
        if self._front is None:
            raise FailedPrecondition("an engine must be bound before it starts")
        return self._front

    def _receive(self) -> bool:
        """Wait for calls and accept them. Returns False once the front is closed."""
        events = self._receiver.receive(self._bound)
        self._handle_all(events or ())
        return events is not None

    def _receive_waiting(self, call: Call) -> None:
        """Accept the calls that have come while this thread ran one that writes."""
        receive = functools.partial(self._receiver.receive_waiting, self._bound, call.began)
        if not self._inline.receive_meanwhile(lambda: self._handle_all(receive())):
            self._receiver.expect_others()

    def _handle_all(self, events: Iterable[Event]) -> None:
        for event in events:
            try:
                self._handle(*event)
            except Exception as error:  # noqa: BLE001 - this thread must keep receiving
                _log.error("accepting a call failed", exc_info=error)

    def _handle(
        self, kind: int, id_: int, number: int, data: bytes | None, _client: object, details: CallDetails | None
    ) -> None:
        if kind == EVENT_CANCEL or data is None or details is None:
            self._calls.cancel(id_)
            return
        began = time.perf_counter()
        path, method = self._methods[number]
        cached = None if self._stopping or self._metrics.are_logged else self._cache.get(path, data)
        if cached is not None:
            self._metrics.repeat(path, cached.snapshotter, began)
            self._responses.add(id_, cached.data)
        else:
            metadata, _, seconds = details
            self._accept(Call(id_, path, method, data, call_context(metadata, seconds, self._new_trace_id), began))

    def _accept(self, call: Call) -> None:
        """Begin to answer a call, or refuse it."""
        room = self._calls.add(call)
        self._metrics.begin(call.path)
        method = call.method
        if self._stopping:
            self._fail(call, Unavailable("the host is about to stop"))
        elif not room:
            self._fail(call, refusal())
        elif method.in_steps:
            if self._receiver.calls_come_alone and self._inline.may_block and self._writes.claim():
                self._inline.add(call)
            elif not self._writes.offer(self._steps(call), call.context, functools.partial(self._queue, call)):
                self._fail(call, refusal())
        elif method.streams and not method.slow:
            submit = self._open.submit
            if not self._open.offer(self._streams.answer, call.id, self._messages(call), call.context, submit):
                self._fail(call, refusal())
        elif self._inline.waiting >= self._max_inline:
            self._fail(call, refusal())
        else:
            self._inline.add(call)

    def _begin(self, call: Call) -> None:
        """Answer a call here, or queue it if it may block."""
        method = call.method
        if method.in_steps:
            queue, receive = functools.partial(self._queue, call), functools.partial(self._receive_waiting, call)
            self._writes.run_here(self._steps(call), call.context, queue, receive)
            return
        try:
            request = call.decoded(self._recv_limit)
            if method.target is not None:
                call.target = method.target(request)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            self._fail(call, error)
            return
        if method.slow or (call.target is not None and not call.target.quick):
            try:
                self._queue(call, functools.partial(self._answer_blocking, call))
            except Error as error:
                self._fail(call, error)
        else:
            self._answer(call)

    def _queue(self, call: Call, do: Callable[[], object]) -> None:
        self._blocking.add(call.key, do, call.context)

    def _answer_blocking(self, call: Call) -> None:
        if call.method.streams:
            self._streams.answer(
                call.id,
                self._messages(call),
                call.context,
                lambda do: self._blocking.resume(call.key, do, call.context),
            )
        else:
            self._answer(call)
            self._send()

    def _answer(self, call: Call) -> None:
        """Call the handler. `_send` sends its response."""
        try:
            with use(call.context):
                call.context.check()
                response = call.method.handler(call.request)
                data = self._serialize(response)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._responses.add(call.id, data)
            if isinstance(response, VersionedResponse) and call.data:
                self._cache.add(call, data, response)

    def _steps(self, call: Call) -> Steps[None]:
        """Answer like `_answer`, in the steps of the handler."""
        try:
            call.context.check()
            request = call.decoded(self._recv_limit)
            if call.method.target is not None:
                call.target = call.method.target(request)
            steps: Any = call.method.handler(request)
            data = self._serialize((yield from steps))
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            # At once: clients of many connections send their next calls while the steps of others run.
            self._bound.respond(call.id, data)
            self._calls.done(call.id)

    def _messages(self, call: Call) -> Messages:
        """Generate the messages of a stream, and answer the call at its end."""
        responses: Any = ()
        try:
            call.context.check()
            try:
                responses = call.method.handler(call.decoded(self._recv_limit))
                for response in responses:
                    yield self._serialize(response)
                    call.context.check()
            finally:
                if hasattr(responses, "close"):
                    responses.close()
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._bound.stream_end(call.id)
            self._calls.done(call.id)

    def _serialize(self, response: Any) -> bytes:
        data = serialize(response)
        if self._send_limit and len(data) > self._send_limit:
            raise ResourceExhausted(f"a response of {len(data)} bytes: at most {self._send_limit} are sent")
        return data

    def _send(self) -> None:
        self._responses.send(self._bound)

    def _send_message(self, call: int, data: bytes) -> int:
        return self._bound.stream_try_send(call, data)

    def _fail(self, call: Call, error: BaseException) -> None:
        log_unexpected(error, call.path, call.context)
        code, message = status_of(error)
        self._count(call, code, message)
        self._bound.fail(call.id, code, message)
        self._calls.done(call.id)

    def _count(self, call: Call, code: Code, problem: str = "") -> None:
        self._metrics.end(call.path, call.context, code, call.began, call.request, problem)
