"""`NativeEngine`: services over pygrpc-native, whose HTTP/2 and gRPC are Rust and leave the interpreter alone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import attrs
from pygrpc_native import EVENT_CANCEL, STREAM_FULL, STREAM_SENT, NativeGrpcFront

from lamina.api import Method, Service, decode, serialize
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, Code, FailedPrecondition, ResourceExhausted, Unavailable
from lamina.metrics import Metric
from lamina.plugins.servers.grpc import pool
from lamina.plugins.servers.grpc.call import call_context
from lamina.plugins.servers.grpc.calls import Calls, load_metrics
from lamina.plugins.servers.grpc.duty import Duty
from lamina.plugins.servers.grpc.pool import Limits, Pool
from lamina.plugins.servers.grpc.routes import routes
from lamina.plugins.servers.grpc.spinning import Spinning
from lamina.plugins.servers.grpc.status import log_unexpected, refusal, status_of
from lamina.plugins.servers.grpc.together import Together
from lamina.steps import Steps

_log = logging.getLogger(__name__)

_CallDetails: TypeAlias = tuple[tuple[tuple[str, str | bytes], ...], str, float | None]
"""A call's metadata, its peer, and the seconds until its deadline."""

_RECEIVE_LIMIT: Final = 4 << 20
"""Bytes in a request where no limit is given: grpc's own."""
_IO_THREADS: Final = 1
"""Threads that read and write sockets. One is not nearly busy when the interpreter is."""
_SHORTEST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05
"""Seconds after which to look again whether a client has taken what is sent to it."""
_EARLY: Final = 60.0
"""Seconds after which a cancellation belongs to no call that is yet to come."""


@attrs.define(eq=False)
class _Call:
    """A call under way."""

    id: int
    path: str
    method: Method
    data: bytes
    context: CallContext
    began: float
    """When it was received, by `time.perf_counter()`."""


class NativeEngine:
    """Serves services with pygrpc-native.

    One thread receives what comes, and answers quick calls itself (`Duty`). Another one takes the steps of calls
    that store something (`Together`). Calls that may block, and streams that stay open, have threads of their own.
    What is beyond the limit of how many may wait is refused with RESOURCE_EXHAUSTED.
    """

    def __init__(self, services: Iterable[Service], limits: Limits) -> None:
        """Make an engine.

        Args:
            services: What to serve. Of two methods with one path, the first is.
            limits: How much it takes on.
        """
        methods = routes(services)
        self._methods = list(methods.items())
        self._counted = Calls(methods)
        self._recv_limit = limits.max_recv_message_size or _RECEIVE_LIMIT
        self._send_limit = limits.max_send_message_size
        self._front: NativeGrpcFront | None = None
        self._slow = Pool("slow call", limits.slow_workers, pool.WAITING)
        self._lasting = Pool("open stream", pool.LASTING, 0)
        # However many calls the others have, there is room for quick ones.
        self._limit = limits.quick_workers + pool.WAITING + 2 * self._slow.limit + self._lasting.limit
        self._stalled = limits.stalled
        self._quick = Duty("quick call", self._receive, self._answer, limits.quick_workers)
        self._together = Together("storing call", self._slow.limit, limits.slow_workers, self._slow.submit)
        self._spinning = Spinning()
        self._calls: dict[int, _Call] = {}
        self._early: dict[int, float] = {}
        """Cancellations that one thread received before another had taken in the call: when."""
        self._stopping = False
        self._idle = threading.Event()
        """No call is left; set after `_stopping`."""

    def bind(self, path: str) -> None:
        """As `Engine.bind`."""
        try:
            self._front = NativeGrpcFront(
                f"unix:{path}",
                [(name, method.streams) for name, method in self._methods],
                io_threads=_IO_THREADS,
                call_details=True,
                delay_stream_headers=True,
                metrics=True,
                keepalive_permit_without_calls=False,
            )
        except OSError as error:
            raise Unavailable(f"cannot listen on {path}: {error}") from error

    def start(self) -> None:
        """As `Engine.start`."""
        self._bound.start()
        self._together.start()
        self._quick.start()

    def stop(self, grace: float) -> None:
        """As `Engine.stop`. Calls that do not even end when they are cancelled are left behind."""
        self._stopping = True
        if self._calls:
            self._idle.wait(grace)
        for call in list(self._calls.values()):
            call.context.cancel()
        if self._calls:
            self._idle.wait(pool.LEFT)
        if self._calls:
            _log.warning("left calls behind that do not end", extra={"calls": len(self._calls)})
        self._quick.stop()
        self._together.stop()
        for threads in (self._slow, self._lasting):
            threads.shutdown(wait=False, cancel_futures=True)
        if self._front is not None:
            self._wait_sent(self._front)
            self._front.close()

    def metrics(self) -> Iterator[Metric]:
        """As `Engine.metrics`."""
        yield from self._counted.metrics()
        yield from load_metrics(one.load() for one in (self._quick, self._together, self._slow, self._lasting))

    def _wait_sent(self, front: NativeGrpcFront) -> None:
        """Wait until clients have what they were answered: closing drops what is not sent yet (0.5.0)."""
        latest = time.monotonic() + pool.LEFT
        while _unsent(front) > len(self._calls) and time.monotonic() < latest:
            time.sleep(_SHORTEST_PAUSE)

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
            self._cancel(id_)
        else:
            metadata, _, seconds = details
            context = call_context(metadata, seconds)
            self._take(_Call(id_, *self._methods[number], data, context, time.perf_counter()))

    def _take(self, call: _Call) -> None:
        """Answer a call, now or when its turn comes; or refuse it."""
        self._calls[call.id] = call
        self._counted.begin(call.path)
        if call.id in self._early and self._early.pop(call.id, None) is not None:
            call.context.cancel()
        method = call.method
        if self._stopping:
            self._refuse(call, Unavailable("the host is about to stop"))
        elif method.in_steps:
            if not self._together.offer(self._steps(call), call.context):
                self._refuse(call, refusal())
        elif method.streams or method.slow:
            threads = self._slow if method.slow else self._lasting
            if not threads.offer(self._answer_stream if method.streams else self._answer, call):
                self._refuse(call, refusal())
        elif len(self._calls) > self._limit:
            self._refuse(call, refusal())
        else:
            self._quick.add(call)

    def _cancel(self, id_: int) -> None:
        now = time.monotonic()
        for early, since in self._early.copy().items():
            if since < now - _EARLY:
                self._early.pop(early, None)
        # Whichever thread comes second, this one or that which takes in the call, sees what the other has put.
        self._early[id_] = now
        call = self._calls.get(id_)
        if call is not None and self._early.pop(id_, None) is not None:
            call.context.cancel()

    def _answer(self, call: _Call) -> None:
        try:
            with use(call.context):
                call.context.check()
                data = self._response(call.method.handler(self._request(call)))
        except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes, SystemExit too
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._bound.respond(call.id, data)
        finally:
            self._done(call)

    def _steps(self, call: _Call) -> Steps[None]:
        """As `_answer`, in the steps of the handler."""
        try:
            call.context.check()
            steps: Any = call.method.handler(self._request(call))
            data = self._response((yield from steps))
        except BaseException as error:  # noqa: BLE001 - as above
            self._fail(call, error)
        else:
            self._count(call, Code.OK)
            self._bound.respond(call.id, data)
        finally:
            self._done(call)

    def _answer_stream(self, call: _Call) -> None:
        responses: Any = ()
        try:
            with use(call.context):
                try:
                    call.context.check()
                    responses = call.method.handler(self._request(call))
                    for response in responses:
                        if not self._send(call, self._response(response)):
                            raise Canceled("nobody takes the rest of the stream")
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
            self._done(call)

    def _send(self, call: _Call, data: bytes) -> bool:
        """Send one of many responses, when there is room for it. False: nobody takes it any more."""
        # `stream_send` waits as well, but goes on waiting when the call has ended meanwhile (0.5.0).
        latest = time.monotonic() + self._stalled
        pause = _SHORTEST_PAUSE
        while (sent := self._bound.stream_try_send(call.id, data)) == STREAM_FULL:
            call.context.check()
            if time.monotonic() > latest:
                raise Canceled("the client has stopped reading")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return bool(sent == STREAM_SENT)

    def _request(self, call: _Call) -> Any:
        if len(call.data) > self._recv_limit:
            raise ResourceExhausted(f"a request of {len(call.data)} bytes: at most {self._recv_limit} are taken")
        return decode(call.method.request, call.data)

    def _response(self, response: Any) -> bytes:
        data = serialize(response)
        if self._send_limit and len(data) > self._send_limit:
            raise ResourceExhausted(f"a response of {len(data)} bytes: at most {self._send_limit} are sent")
        return data

    def _refuse(self, call: _Call, error: BaseException) -> None:
        self._fail(call, error)
        self._done(call)

    def _fail(self, call: _Call, error: BaseException) -> None:
        log_unexpected(error, call.path, call.context)
        code, message = status_of(error)
        self._count(call, code)
        self._bound.fail(call.id, code, message)

    def _count(self, call: _Call, code: Code) -> None:
        self._counted.end(call.path, call.context, code, call.began)

    def _done(self, call: _Call) -> None:
        self._calls.pop(call.id, None)
        if self._stopping and not self._calls:
            self._idle.set()


def _unsent(front: NativeGrpcFront) -> int:
    """How many calls were taken in and have not ended for their clients."""
    metrics = front.metrics()
    methods = metrics["methods"].values() if metrics else ()
    ended = sum(status["count"] for method in methods for status in method["status"].values())
    return int(sum(method["started"] for method in methods) - ended)
