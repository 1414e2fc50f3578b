"""Time limits for calls that a collector makes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lamina.context import current, use


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Run the block in a context that ends with the current call, and at the latest after some seconds."""
    call = current()
    context = call.detached()
    ends = time.monotonic() + seconds
    context.deadline = ends if call.deadline is None else min(ends, call.deadline)
    forget = call.on_cancel(context.cancel)
    try:
        with use(context):
            yield
    finally:
        forget()
