"""The circumstances of a call, out of its headers."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

from lamina.context import CallContext

_FOREVER: Final = 1e9
"""More seconds than this until a deadline mean that there is none."""

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")


def call_context(metadata: Sequence[tuple[str, str | bytes]], seconds: float | None) -> CallContext:
    """The context of a call.

    Args:
        metadata: Its headers, of which these count: containerd's namespace and lease, and the trace (W3C Trace
            Context, `traceparent`). Of several with one name, the first does.
        seconds: How long it may still take; None: as long as it takes.
    """
    headers = dict(reversed(metadata))
    traceparent = headers.get("traceparent")
    traced = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return CallContext(
        namespace=_text(headers, "containerd-namespace"),
        lease=_text(headers, "containerd-lease"),
        trace_id=traced[1] if traced else _new_trace_id(),
        sampled=traced is not None and bool(int(traced[2], 16) & 1),
        deadline=time.monotonic() + seconds if seconds is not None and seconds < _FOREVER else None,
    )


def _new_trace_id() -> str:
    # Not of the kernel, which takes a microsecond and gives up the interpreter's lock: it is no secret.
    return random.getrandbits(128).to_bytes(16, "big").hex()


def _text(headers: Mapping[str, str | bytes], name: str) -> str:
    value = headers.get(name, "")
    return value if isinstance(value, str) else ""
