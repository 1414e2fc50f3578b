"""`CallContext` and the context variable that carries it."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable

import attrs

from lamina.errdefs import Canceled, DeadlineExceeded


@attrs.define(eq=False)
class CallContext:
    """The circumstances of one call.

    A service makes one per request; in process there is none unless the caller makes it. Long work calls
    `check` as it goes. `cancel` may be called from any thread.
    """

    namespace: str = ""
    """containerd's namespace header, or ""."""
    lease: str = ""
    """containerd's lease header, or ""."""
    trace_id: str = ""
    """Joins the log lines of one call: 32 hexadecimal digits where it came from a trace (W3C Trace Context)."""
    sampled: bool = False
    """Whether whoever began the trace records it."""
    snapshotter: str = ""
    """The snapshotter that the call concerns, once one of that name was found. A service sets it."""
    deadline: float | None = None
    """When the call must be done, in seconds of `time.monotonic()`; None: never."""
    cancelled: bool = False
    """Whether the caller has gone away."""
    _callbacks: dict[object, Callable[[], object]] = attrs.field(factory=dict, init=False, repr=False)

    def cancel(self) -> None:
        """Say that nobody waits for this call any more. What `on_cancel` registered is called here and now."""
        self.cancelled = True
        self._call_back()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Have a function called when the call is cancelled; at once where it is already.

        For work that waits and cannot call `check`. A deadline that passes cancels nothing: whoever waits sees to
        that with `remaining`.

        Args:
            callback: Called once, by the thread that cancels. It must neither block nor raise.

        Returns:
            What takes it back. In the moment of a cancellation the callback may run nevertheless.
        """
        registration = object()
        self._callbacks[registration] = callback
        if self.cancelled:
            self._call_back()

        def unregister() -> None:
            self._callbacks.pop(registration, None)

        return unregister

    def detached(self) -> CallContext:
        """The context of what the call has begun and must end, whether or not anybody waits for it."""
        return CallContext(self.namespace, self.lease, self.trace_id, self.sampled, self.snapshotter)

    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None where there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Do nothing while the call is wanted.

        Raises:
            Canceled: The caller has gone away.
            DeadlineExceeded: The deadline has passed.
        """
        if self.cancelled:
            raise Canceled("the caller gave up")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise DeadlineExceeded("the call ran past its deadline")

    def _call_back(self) -> None:
        """Call each callback that nobody else calls. Without a lock: a signal handler may cancel, too."""
        while self._callbacks:
            try:
                _, callback = self._callbacks.popitem()
            except KeyError:  # another thread was quicker
                return
            callback()


_current: contextvars.ContextVar[CallContext] = contextvars.ContextVar("lamina_call")


def current() -> CallContext:
    """The context of the call at hand; an empty one where nobody set any."""
    return _current.get(None) or CallContext()


class use:  # noqa: N801 # reads as what it does; a class, since a generator costs each call a microsecond more
    """Makes a context the current one inside a `with` block, in this thread. Each is for one block."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: CallContext) -> None:
        """Name the context.

        Args:
            context: What `current` returns inside the block.
        """
        self._context = context

    def __enter__(self) -> CallContext:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
