"""`CallContext` and the context variable that carries it."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator

from lamina.errdefs import Canceled, DeadlineExceeded, Error


class CallContext:
    """The context of one call.

    A service creates one per request; a call within the process has none unless its caller creates it. Long
    operations call `check` from time to time. `cancel` may be called from any thread.
    """

    __slots__ = (
        "_callbacks",
        "cancelled",
        "deadline",
        "lease",
        "namespace",
        "reason",
        "sampled",
        "tags",
        "trace_id",
    )

    def __init__(
        self,
        namespace: str = "",
        lease: str = "",
        trace_id: str = "",
        sampled: bool = False,
        tags: dict[str, str] | None = None,
        deadline: float | None = None,
        cancelled: bool = False,
    ) -> None:
        """Create a context from the attributes of the same names."""
        self.namespace = namespace
        """Value of containerd's namespace header, or ""."""
        self.lease = lease
        """Value of containerd's lease header, or ""."""
        self.trace_id = trace_id
        """Identifier shared by the log lines of one call; 32 hexadecimal digits if it is a W3C trace id."""
        self.sampled = sampled
        """True if the client that started the trace records it (W3C Trace Context, `sampled`)."""
        self.tags = {} if tags is None else tags
        """Properties of the call that a service determines, by name, such as the backend that it uses.

        Listeners show tags that they know in their log lines and metrics, so values come from a bounded set.
        """
        self.deadline = deadline
        """Time by which the call must end, in seconds of `time.monotonic()`; None for no deadline."""
        self.cancelled = cancelled
        """True once the result is no longer wanted."""
        self.reason: Error | None = None
        """The reason that the call was cancelled, if not that the caller gave up."""
        self._callbacks: dict[object, Callable[[], object]] = {}

    def cancel(self, reason: Error | None = None) -> None:
        """Cancel the call, and run the callbacks of `on_cancel` in this thread.

        Args:
            reason: The error that `check` raises from now on; None for `Canceled`, because the caller gave up.
        """
        if not self.cancelled:
            self.reason = reason
        self.cancelled = True
        self._call_back()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Register a function to run when the call is cancelled, or run it now if the call is cancelled already.

        For operations that wait and cannot call `check`. An expired deadline does not cancel the call: limit the
        wait to `remaining`.

        Args:
            callback: Called once, in the thread that cancels. It must neither block nor raise.

        Returns:
            A function that unregisters the callback. A cancellation already in progress may still run it.
        """
        registration = object()
        self._callbacks[registration] = callback
        if self.cancelled:
            self._call_back()

        def unregister() -> None:
            self._callbacks.pop(registration, None)

        return unregister

    def detached(self) -> CallContext:
        """Return a copy without deadline and cancellation, for work that must complete once it has started."""
        return CallContext(self.namespace, self.lease, self.trace_id, self.sampled, dict(self.tags))

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0; None if there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Raise an error if the call should stop.

        Raises:
            Canceled: The call was cancelled; or the reason that was given for that.
            DeadlineExceeded: The deadline has passed.
        """
        if self.cancelled:
            reason = self.reason
            raise type(reason)(*reason.args) if reason else Canceled("the caller gave up")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise DeadlineExceeded("the call ran past its deadline")

    def wait(self, seconds: float) -> None:
        """Wait, at most until the call ends.

        Args:
            seconds: The time to wait.

        Raises:
            Canceled, DeadlineExceeded: As `check`.
        """
        self.check()
        woken = threading.Event()
        unregister = self.on_cancel(woken.set)
        try:
            remaining = self.remaining()
            woken.wait(seconds if remaining is None else min(seconds, remaining))
        finally:
            unregister()
        self.check()

    def _call_back(self) -> None:
        """Run each registered callback once. This takes no lock, since a signal handler may cancel, too."""
        while self._callbacks:
            try:
                _, callback = self._callbacks.popitem()
            except KeyError:  # taken by another thread
                return
            callback()


_current: contextvars.ContextVar[CallContext] = contextvars.ContextVar("lamina_call")


def current() -> CallContext:
    """Return the context of the current call, or an empty one outside of any call."""
    return _current.get(None) or CallContext()


@contextlib.contextmanager
def cancellable() -> Iterator[CallContext]:
    """Yield a context for parts of a call that stop one another: it ends with the call, or if the block fails."""
    call = current()
    context = call.detached()
    context.deadline = call.deadline
    forget = call.on_cancel(lambda: context.cancel(call.reason))
    try:
        yield context
    except BaseException:
        context.cancel()
        raise
    finally:
        forget()


class use:  # noqa: N801 # used like a function; a generator would cost each call a microsecond more
    """Context manager that makes a `CallContext` the current one of this thread. Use each object once."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: CallContext) -> None:
        """Prepare the block.

        Args:
            context: The context that `current` returns inside the block.
        """
        self._context = context

    def __enter__(self) -> CallContext:
        self._token = _current.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
