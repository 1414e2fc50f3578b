"""`GrpcioEngine`: services over grpcio. The only module of the listener that imports grpc."""

from __future__ import annotations

import contextlib
import logging
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import wait
from typing import Any, Final

import attrs
import grpc

from lamina.api import Method, Service, decode
from lamina.context import CallContext, use
from lamina.errdefs import Error, ResourceExhausted, Unavailable, to_status
from lamina.plugins.servers.grpc.call import call_context
from lamina.plugins.servers.grpc.pool import Pool, Stalls

_log = logging.getLogger(__name__)

WAITING: Final = 1024
"""How many calls may wait for a worker of a pool."""
LASTING: Final = 32
"""How many streams may stay open at a time that are not slow, but wait for something to tell."""
STALLED: Final = 300.0
"""Seconds after which a stream ends whose client takes nothing from it."""
LEFT: Final = 2.0
"""Seconds that cancelled calls are given to notice."""
MAX_DETAILS: Final = 2048
"""Bytes in a status message. It is sent as a header, each byte as up to three, and clients take 8 KiB of them."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class GrpcioEngine:
    """Serves services with grpcio.

    Slow calls, quick ones, and streams that stay open have threads of their own, and limits of their own to how
    many may wait: so none keeps another from being answered. What is beyond a limit is refused with
    RESOURCE_EXHAUSTED.
    """

    def __init__(
        self,
        services: Iterable[Service],
        *,
        quick_workers: int,
        slow_workers: int,
        max_recv_message_size: int = 0,
        max_send_message_size: int = 0,
        stalled: float = STALLED,
    ) -> None:
        """Make an engine.

        Args:
            services: What to serve. Of two methods with one path, the first is.
            quick_workers: How many quick calls are answered at a time.
            slow_workers: As `quick_workers`, for slow ones.
            max_recv_message_size: Bytes in a request; 0: grpc's own limit.
            max_send_message_size: Bytes in a response; 0: no limit.
            stalled: Seconds after which a stream ends whose client takes nothing from it.
        """
        self._slow = Pool("slow call", slow_workers, WAITING)
        self._lasting = Pool("open stream", LASTING, 0)
        # However many calls the others have, there is room for quick ones, and to refuse what is too much.
        self._quick = Pool("quick call", quick_workers, WAITING + self._slow.limit + self._lasting.limit)
        self._pools = (self._quick, self._slow, self._lasting)
        self._stalls = Stalls(stalled)
        self._server = grpc.server(
            self._quick,
            handlers=[_Router(self._routes(services))],
            options=[
                ("grpc.so_reuseport", 0),
                *_limit("grpc.max_receive_message_length", max_recv_message_size),
                *_limit("grpc.max_send_message_length", max_send_message_size),
            ],
            maximum_concurrent_rpcs=self._quick.limit,
        )

    def bind(self, path: str) -> None:
        """As `Engine.bind`."""
        try:
            self._server.add_insecure_port(f"unix:{urllib.parse.quote(path)}")
        except RuntimeError as error:
            raise Unavailable(f"grpc cannot listen on {path}: {error}") from error

    def start(self) -> None:
        """As `Engine.start`."""
        self._stalls.start()
        self._server.start()

    def stop(self, grace: float) -> None:
        """As `Engine.stop`. Calls that do not even end when they are cancelled are left behind."""
        self._server.stop(grace).wait(grace + LEFT)
        self._stalls.stop()
        left = wait([call for pool in self._pools for call in pool.calls()], LEFT).not_done
        if left:
            _log.warning("left calls behind that do not end", extra={"calls": len(left)})
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _routes(self, services: Iterable[Service]) -> dict[str, _Route]:
        routes: dict[str, _Route] = {}
        for service in services:
            try:
                for method in service.methods:
                    self._add_route(routes, service.path(method), method)
            except Exception as error:  # noqa: BLE001 - one that is broken keeps no other from being served
                _log.error("a service is broken", extra={"service": repr(service)}, exc_info=error)
        return routes

    def _add_route(self, routes: dict[str, _Route], path: str, method: Method) -> None:
        if path in routes:
            _log.error("two plugins offer the same method: the first one serves", extra={"method": path})
        else:
            routes[path] = self._route(path, method)

    def _route(self, path: str, method: Method) -> _Route:
        if method.streams:
            pool = self._slow if method.slow else self._lasting
            stream = _Stream(path, method, pool, self._stalls)
            return _Route(pool, grpc.unary_stream_rpc_method_handler(stream))
        pool = self._slow if method.slow else self._quick
        return _Route(pool, grpc.unary_unary_rpc_method_handler(_Unary(path, method, pool)))


@attrs.frozen
class _Route:
    pool: Pool
    handler: grpc.RpcMethodHandler[bytes, bytes]


class _Router(grpc.GenericRpcHandler):  # type: ignore[type-arg] # generic in the stubs alone
    """Finds the handler of a call: its method's, or one that refuses it."""

    def __init__(self, routes: Mapping[str, _Route]) -> None:
        self._routes = routes

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        route = self._routes.get(handler_call_details.method)
        if route is None:
            return None
        return grpc.unary_unary_rpc_method_handler(_refuse) if route.pool.full else route.handler


@attrs.frozen(eq=False)
class _Unary:
    """Answers calls of a method once."""

    path: str
    method: Method
    experimental_thread_pool: Pool
    """Where grpcio looks for the threads to use."""

    def __call__(self, data: bytes, call: grpc.ServicerContext) -> bytes:
        with _answering(self.path, call):
            response: Any = self.method.handler(decode(self.method.request, data))
            return bytes(response.SerializeToString())


@attrs.frozen(eq=False)
class _Stream:
    """Answers calls of a method many times."""

    path: str
    method: Method
    experimental_thread_pool: Pool
    """As in `_Unary`."""
    stalls: Stalls

    def __call__(self, data: bytes, call: grpc.ServicerContext) -> Iterator[bytes]:
        with _answering(self.path, call) as context:
            responses: Any = self.method.handler(decode(self.method.request, data))
            for response in responses:
                message = bytes(response.SerializeToString())
                with self.stalls.sending(call.cancel):
                    yield message
                context.check()


def _refuse(_data: bytes, call: grpc.ServicerContext) -> bytes:
    _abort(call, ResourceExhausted("too many calls wait for an answer: try again later"))
    return b""


@contextlib.contextmanager
def _answering(path: str, call: grpc.ServicerContext) -> Iterator[CallContext]:
    """A block in which a call is answered: in its context, and what is raised becomes its status."""
    context = call_context(_headers(call), call.time_remaining())
    if not call.add_callback(context.cancel):
        context.cancel()
    try:
        with use(context):
            context.check()
            yield context
    except GeneratorExit:  # nobody takes the rest of a stream
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes, SystemExit too
        if not isinstance(error, Error):
            fields = {"method": path, "trace_id": context.trace_id}
            _log.error("a call failed unexpectedly", extra=fields, exc_info=error)
        _abort(call, error)


def _headers(call: grpc.ServicerContext) -> dict[str, str]:
    """The metadata of a call that is text; of several values, the first."""
    headers: dict[str, str] = {}
    for key, value in call.invocation_metadata():
        if isinstance(value, str):
            headers.setdefault(key, value)
    return headers


def _abort(call: grpc.ServicerContext, error: BaseException) -> None:
    code, message = to_status(error)
    call.abort(_CODES[code], _shortened(message))


def _shortened(message: str) -> str:
    """A message that fits into a header; what is too long loses its middle, for the end tells the class."""
    data = message.encode(errors="backslashreplace")
    if len(data) > MAX_DETAILS:
        data = b"%b ... %b" % (data[: MAX_DETAILS // 2], data[-MAX_DETAILS // 2 :])
    return data.decode(errors="ignore")


def _limit(option: str, size: int) -> list[tuple[str, int]]:
    return [(option, size)] if size > 0 else []
