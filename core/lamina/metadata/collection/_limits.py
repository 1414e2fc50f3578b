"""Time limits for calls that a collector makes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lamina.context import cancellable, use


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Run the block in a context that ends with the current call, or when its time is up."""
    with cancellable() as context:
        ends = time.monotonic() + seconds
        context.deadline = ends if context.deadline is None else min(ends, context.deadline)
        with use(context):
            yield
