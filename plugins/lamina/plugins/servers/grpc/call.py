"""The circumstances of a call, out of its headers."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Final

from lamina.context import CallContext

FOREVER: Final = 1e9
"""More seconds than this until a deadline mean that there is none."""

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")


def call_context(headers: Mapping[str, str], seconds: float) -> CallContext:
    """The context of a call.

    Args:
        headers: Its metadata: containerd's namespace and lease, and the trace (W3C Trace Context, `traceparent`).
        seconds: How long it may still take.
    """
    traced = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return CallContext(
        namespace=headers.get("containerd-namespace", ""),
        lease=headers.get("containerd-lease", ""),
        trace_id=traced[1] if traced else os.urandom(16).hex(),
        deadline=time.monotonic() + seconds if seconds < FOREVER else None,
    )
