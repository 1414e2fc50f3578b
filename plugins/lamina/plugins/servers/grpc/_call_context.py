"""`call_context`: the context of a call, from its headers."""

from __future__ import annotations

import functools
import itertools
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from lamina.context import CallContext

Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_NO_DEADLINE: Final = 1e9
"""Seconds until a deadline from which on the call has none."""
_LARGEST_TRACE_ID: Final = (1 << 128) - 1
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")


class _Headers(NamedTuple):
    namespace: str
    lease: str
    trace_id: str
    """"" where the client sent none."""
    sampled: bool


def random_trace_id() -> str:
    """Return a new trace id."""
    return os.urandom(16).hex()


def trace_ids() -> Callable[[], str]:
    """Return a function that returns a new trace id whenever it is called, in any thread.

    The ids are numbers from a random start: `random_trace_id` takes a microsecond and releases the interpreter's
    lock. They need not be secret.
    """
    start, step = (int.from_bytes(os.urandom(16), "big") for _ in range(2))
    numbers = itertools.count(start, step | 1)  # with an odd step, no id is repeated before all others were used
    return lambda: (next(numbers) & _LARGEST_TRACE_ID).to_bytes(16, "big").hex()


def call_context(
    metadata: Metadata, seconds: float | None, new_trace_id: Callable[[], str] = random_trace_id
) -> CallContext:
    """Create the context of a call.

    Args:
        metadata: Headers of the call. Those that count are containerd's namespace and lease, and `traceparent`
            (W3C Trace Context). The first of several with one name is taken.
        seconds: Seconds until the deadline; None for no deadline.
        new_trace_id: Returns the trace id if the client sent none.
    """
    headers = _parse(metadata)
    context = CallContext(headers.namespace, headers.lease, headers.trace_id or new_trace_id(), headers.sampled)
    if seconds is not None and seconds < _NO_DEADLINE:
        context.deadline = time.monotonic() + seconds
    return context


@functools.lru_cache(maxsize=64)  # a client that sends no trace sends the same headers with each call
def _parse(metadata: Metadata) -> _Headers:
    headers = dict(reversed(metadata))
    traceparent = headers.get("traceparent")
    traced = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return _Headers(
        namespace=_text(headers, "containerd-namespace"),
        lease=_text(headers, "containerd-lease"),
        trace_id=traced[1] if traced else "",
        sampled=traced is not None and bool(int(traced[2], 16) & 1),
    )


def _text(headers: Mapping[str, str | bytes], name: str) -> str:
    value = headers.get(name, "")
    return value if isinstance(value, str) else ""
