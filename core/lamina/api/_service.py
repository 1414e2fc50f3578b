"""Descriptions of gRPC services, independent of gRPC. A listener does the transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import attrs
from google.protobuf.message import Message

from lamina.steps import Steps


class Target(NamedTuple):
    """The backend of a call, such as a snapshotter.

    A listener has a queue for each target and method, so that a backend that hangs does not delay other calls.
    """

    name: str
    """Name of the backend. Each name has a queue, so the set of names must be limited."""
    quick: bool = False
    """Methods that are not `slow` never wait for a disk, a process or a network."""


@attrs.define(eq=False, repr=False)  # not frozen, which makes each several times as expensive
class VersionedResponse:
    """A response that a listener may give to equal requests as well, until its version has changed."""

    response: Message | bytes
    version: object
    """The version of everything that it depends on besides the request."""
    current_version: Callable[[], object]
    """Returns the version now. It never waits, takes a microsecond or two, and does not raise."""


Response: TypeAlias = Message | bytes | VersionedResponse
"""The response of a handler: a message, or an encoded one."""

Handler: TypeAlias = Callable[[Any], Response | Iterator[Message | bytes] | Steps[Message | bytes]]
"""Takes a request, and returns the response; an iterator of responses, or steps, if its method says so."""

Handlers: TypeAlias = Mapping[str, tuple[type[Message], Handler]]
"""The type of the request and the handler of each method of a service, by the method's name."""


@attrs.frozen(eq=False, repr=False)
class Method:
    """One RPC.

    A handler may run in any thread. It raises `lamina.errdefs` classes, which the listener converts with
    `to_status`, and finds the context of the call in `lamina.context.current()`.
    """

    name: str
    """As in the `.proto` file: `Prepare`."""
    request: type[Message]
    """Type of the request, which the listener decodes with `decode`."""
    handler: Handler
    """Takes the request, and returns the response; an iterator of responses if `streams` is set."""
    streams: bool = False
    """The method returns a stream of responses. Several threads may advance the iterator, one at a time."""
    slow: bool = False
    """Calls may take long, so the listener does not let them delay quick ones."""
    in_steps: bool = False
    """The handler returns `Steps`, whose result is the single response."""
    target: Callable[[Any], Target | None] | None = None
    """Returns the backend of a request; None if the handler will reject the request. Methods without backends, or
    with a single one, have no `target`."""
    logged: Mapping[str, str] = attrs.field(factory=dict)
    """Names in debug log lines, by field of the request; `info.name` is a field of a nested message. Names must
    differ from the attributes of `logging.LogRecord`."""


@attrs.frozen(eq=False, repr=False)
class LazyMethod(Method):
    """A method that is known from the start, but whose messages and handler are loaded at its first call.

    If loading fails, so does the call, and the next call tries again.
    """

    request: type[Message] = attrs.field(init=False)
    handler: Handler = attrs.field(init=False)
    load: Callable[[], Handlers] = attrs.field(kw_only=True)
    """Returns the handlers of the service. Any thread may call it, any number of times: see `lamina.lazy.once`."""

    def __getattr__(self, name: str) -> Any:
        """Return `request` or `handler`, which are never set. Python looks here for what is not set."""
        if name not in {"request", "handler"}:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        request, handler = self.load()[self.name]
        return request if name == "request" else handler


def serialize(response: Response) -> bytes:
    """Encode the response of a handler."""
    if isinstance(response, VersionedResponse):
        response = response.response
    return response if isinstance(response, bytes) else response.SerializeToString()


@attrs.frozen(eq=False)
class Service:
    """A set of RPCs under one name."""

    name: str
    """Full name: `containerd.services.snapshots.v1.Snapshots`."""
    methods: tuple[Method, ...]

    @property
    def service(self) -> Service:
        """The service itself, so that it can be the whole instance of a plugin."""
        return self

    def path(self, method: Method) -> str:
        """Return the path of a method in gRPC: `/<service>/<method>`."""
        return f"/{self.name}/{method.name}"
