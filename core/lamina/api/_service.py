"""What a gRPC service offers, said without gRPC: a listener reads it and does the transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
from google.protobuf.message import Message

from lamina.steps import Steps


@attrs.frozen
class Target:
    """The backend that a call will use, such as a snapshotter.

    A listener has a queue for each target and method, so that no backend that hangs holds the calls of another.
    """

    name: str
    """Names the backend. Each name has a queue of its own, so names come from a known set."""
    quick: bool = False
    """Whether it answers methods that are not `slow` without waiting for a disk, a process or a network."""


@attrs.frozen(eq=False)
class Method:
    """One RPC.

    A handler raises `lamina.errdefs` classes, which the listener turns into statuses with `to_status`, and
    finds out about the call in `lamina.context.current()`. It may run in any thread.
    """

    name: str
    """As in the `.proto` file: `Prepare`."""
    request: type[Message]
    """What the handler takes; the listener makes it with `decode`."""
    handler: Callable[[Any], Message | bytes | Iterator[Message | bytes] | Steps[Message | bytes]]
    """Takes the request, returns the response, or an iterator of responses where `streams` is set. A response is
    a message, or the bytes of one."""
    streams: bool = False
    """Whether there are many responses, in order, to one request. The iterator may be advanced by one thread
    after another."""
    slow: bool = False
    """Whether a call may take long: slow calls must not keep quick ones waiting."""
    in_steps: bool = False
    """Whether the handler returns the steps that lead to its one response."""
    target: Callable[[Any], Target | None] | None = None
    """Finds the backend that a request will use; None for a request that its handler will refuse. A method
    without this uses none, or always the same."""
    logged: Mapping[str, str] = attrs.field(factory=dict)
    """Fields of a request that a debug line shows where they are set, and what it calls them; `info.name` is a
    field of a message in it. No name may be that of an attribute of `logging.LogRecord`."""


def serialize(response: Message | bytes) -> bytes:
    """The bytes of what a handler returned."""
    return response if isinstance(response, bytes) else response.SerializeToString()


@attrs.frozen(eq=False)
class Service:
    """A set of RPCs under one name."""

    name: str
    """With its package: `containerd.services.snapshots.v1.Snapshots`."""
    methods: tuple[Method, ...]

    def path(self, method: Method) -> str:
        """Where gRPC looks for a method: `/<service>/<method>`."""
        return f"/{self.name}/{method.name}"
