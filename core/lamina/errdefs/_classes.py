"""The error classes: containerd's, with their codes and texts, and subclasses that lamina adds."""

from __future__ import annotations

import enum
import threading
from typing import ClassVar, Final


class Code(enum.IntEnum):
    """gRPC status codes (grpc/statuscodes.md). Defined here so that using them does not import grpc."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Error(Exception):
    """Base class of lamina's errors. Raise a subclass.

    `str(error)` is the message alone; the class text (`not found`) is appended when the error is sent.
    """

    code: ClassVar[Code] = Code.UNKNOWN
    text: ClassVar[str] = "unknown"


_MAX_MESSAGE: Final = 65_536
"""Characters of an error's text that are reported: room for the longest key, but not for a plugin's megabytes."""


def message(error: BaseException) -> str:
    """Return `str(error)` without the middle of a long text; a placeholder if `__str__` raises."""
    try:
        text = str(error)
        half = _MAX_MESSAGE // 2
        return text if len(text) <= _MAX_MESSAGE else f"{text[:half]} ... {text[-half:]}"
    except BaseException:  # noqa: BLE001 - reporting an error must not raise another one
        return f"<{type(error).__name__} whose text cannot be read>"


def describe(error: BaseException) -> str:
    """Return an error as text, with its class name unless the class is lamina's."""
    return message(error) if isinstance(error, Error) else f"{type(error).__name__}: {message(error)}"


def is_interrupt(error: BaseException) -> bool:
    """Return whether an exception is Ctrl-C. Python raises that in the main thread only (`signal`).

    In another thread, the code that raises KeyboardInterrupt has failed as with any other exception.
    """
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


class Unknown(Error):
    """An error that no other class describes."""


class InvalidArgument(Error):
    """The request is invalid; repeating it cannot succeed."""

    code = Code.INVALID_ARGUMENT
    text = "invalid argument"


class NotFound(Error):
    """The named object does not exist."""

    code = Code.NOT_FOUND
    text = "not found"


class AlreadyExists(Error):
    """The object to create already exists."""

    code = Code.ALREADY_EXISTS
    text = "already exists"


class PermissionDenied(Error):
    """The process lacks the permission."""

    code = Code.PERMISSION_DENIED
    text = "permission denied"


class ResourceExhausted(Error):
    """A disk, a pool or a quota is exhausted; no data was lost."""

    code = Code.RESOURCE_EXHAUSTED
    text = "resource exhausted"


class FailedPrecondition(Error):
    """The current state does not allow the request; another action has to come first."""

    code = Code.FAILED_PRECONDITION
    text = "failed precondition"


class Conflict(Error):
    """A concurrent change conflicts. Sent with FailedPrecondition's code, and recognised by its class text."""

    code = Code.FAILED_PRECONDITION
    text = "conflict"


class NotModified(Error):
    """Nothing was changed. Sent with FailedPrecondition's code, and recognised by its class text."""

    code = Code.FAILED_PRECONDITION
    text = "not modified"


class Aborted(Error):
    """The operation was aborted; it can be retried."""

    code = Code.ABORTED
    text = "aborted"


class OutOfRange(Error):
    """A position is outside the valid range."""

    code = Code.OUT_OF_RANGE
    text = "out of range"


class Unimplemented(Error):
    """The object does not support the operation."""

    code = Code.UNIMPLEMENTED
    text = "not implemented"


class Internal(Error):
    """An internal invariant is violated: a bug."""

    code = Code.INTERNAL
    text = "internal"


class Unavailable(Error):
    """The server cannot be reached, or is stopping."""

    code = Code.UNAVAILABLE
    text = "unavailable"


class DataLoss(Error):
    """Stored data is missing or damaged."""

    code = Code.DATA_LOSS
    text = "data loss"


class Unauthenticated(Error):
    """The caller is not authenticated."""

    code = Code.UNAUTHENTICATED
    text = "unauthenticated"


class DeadlineExceeded(Error):
    """The deadline of the call passed before it ended."""

    code = Code.DEADLINE_EXCEEDED
    text = "deadline exceeded"


class Canceled(Error):
    """The caller cancelled the call."""

    code = Code.CANCELLED
    text = "canceled"


# lamina's own classes. Each is sent as its base class.


class ConfigError(InvalidArgument):
    """A configuration file, flag or table does not match its schema.

    `problems` has one `lamina.config.Problem` for each mistake, and the message one line.
    """

    def __init__(self, message: str, problems: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class FilterSyntaxError(InvalidArgument):
    """A filter expression is malformed."""


class HasChildren(FailedPrecondition):
    """A snapshot cannot be removed because it has children."""


class LockHeld(FailedPrecondition):
    """Another process holds the lock of the directory; the message names its pid."""


class RefLocked(Unavailable):
    """Another writer is at work on the ingest; it is free again when that one is done."""


class ReadOnly(FailedPrecondition):
    """The operation has to write to a file system that is read-only."""


class MountFailed(FailedPrecondition):
    """The kernel refused a mount; the message includes the kernel's own text."""


class InvalidRegistration(InvalidArgument):
    """A registration violates a rule of the plugin registry."""


class PluginLoop(InvalidArgument):
    """Plugins depend on each other in a cycle; the message shows the path."""


class MultipleInstances(FailedPrecondition):
    """A look-up of the only plugin of a type found several."""


class NoInstance(NotFound):
    """A look-up found no plugin that is registered and enabled."""


class PluginFailed(FailedPrecondition):
    """A look-up found a plugin that failed to initialise."""


class PluginUnavailable(Unavailable, PluginFailed):
    """A look-up found a plugin that has failed so far, and is retried."""


class PluginBlocked(FailedPrecondition):
    """A plugin was not initialised because one that it requires does not work."""


class LeftBehind(DeadlineExceeded):
    """A call of a plugin missed its deadline, and continues in a thread, which Python cannot stop."""

    def __init__(self, message: str, thread: threading.Thread | None = None) -> None:
        super().__init__(message)
        self.thread = thread

    @property
    def is_running(self) -> bool:
        """True while the call still runs."""
        return self.thread is not None and self.thread.is_alive()


class SkipPlugin(Error):
    """Raised by the init of a plugin that does not apply to this machine or configuration. Not a failure.

    Sent as UNKNOWN with the text `skip plugin`, by which `ctr plugins ls` tells a skip from an error.
    """

    text = "skip plugin"
