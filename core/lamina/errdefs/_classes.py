"""The classes. Text and code of each are containerd's; what lamina adds is a subclass of one of them."""

from __future__ import annotations

import enum
import threading
from typing import ClassVar


class Code(enum.IntEnum):
    """gRPC status codes (grpc/statuscodes.md), here so that naming one needs no grpc import."""

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
    """The root of all of lamina's errors. Raise a subclass.

    `str(error)` is the message alone; the class text (`not found`) is added on the wire.
    """

    code: ClassVar[Code] = Code.UNKNOWN
    text: ClassVar[str] = "unknown"


def message(error: BaseException) -> str:
    """`str(error)`; of an exception whose own `__str__` raises, a text that says so."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - what tells of one broken thing must not break as well
        return f"<{type(error).__name__} whose text cannot be read>"


class Unknown(Error):
    """Something failed and no class below says more."""


class InvalidArgument(Error):
    """The request itself is wrong; sending it again cannot help."""

    code = Code.INVALID_ARGUMENT
    text = "invalid argument"


class NotFound(Error):
    """What was named does not exist."""

    code = Code.NOT_FOUND
    text = "not found"


class AlreadyExists(Error):
    """What was to be created exists."""

    code = Code.ALREADY_EXISTS
    text = "already exists"


class PermissionDenied(Error):
    """The process may not do this."""

    code = Code.PERMISSION_DENIED
    text = "permission denied"


class ResourceExhausted(Error):
    """A disk, a pool or a limit is full; nothing was lost."""

    code = Code.RESOURCE_EXHAUSTED
    text = "resource exhausted"


class FailedPrecondition(Error):
    """The state of things does not allow the request; it may after something else is done."""

    code = Code.FAILED_PRECONDITION
    text = "failed precondition"


class Conflict(Error):
    """Somebody else changed the same thing. Shares its gRPC code; told apart by the message's end."""

    code = Code.FAILED_PRECONDITION
    text = "conflict"


class NotModified(Error):
    """There was nothing to change. Shares its gRPC code; told apart by the message's end."""

    code = Code.FAILED_PRECONDITION
    text = "not modified"


class Aborted(Error):
    """The operation was given up; it can be tried again."""

    code = Code.ABORTED
    text = "aborted"


class OutOfRange(Error):
    """A position outside what exists."""

    code = Code.OUT_OF_RANGE
    text = "out of range"


class Unimplemented(Error):
    """This object cannot do that."""

    code = Code.UNIMPLEMENTED
    text = "not implemented"


class Internal(Error):
    """An invariant of lamina's own is broken."""

    code = Code.INTERNAL
    text = "internal"


class Unavailable(Error):
    """The other side cannot be reached now, or is stopping."""

    code = Code.UNAVAILABLE
    text = "unavailable"


class DataLoss(Error):
    """Stored data is missing or damaged."""

    code = Code.DATA_LOSS
    text = "data loss"


class Unauthenticated(Error):
    """The caller did not say who it is."""

    code = Code.UNAUTHENTICATED
    text = "unauthenticated"


class DeadlineExceeded(Error):
    """The call's deadline passed before it was done."""

    code = Code.DEADLINE_EXCEEDED
    text = "deadline exceeded"


class Canceled(Error):
    """The caller no longer wants the answer."""

    code = Code.CANCELLED
    text = "canceled"


# What follows is lamina's own. On the wire each is its base class.


class ConfigError(InvalidArgument):
    """A configuration file, flag or table is not what its schema says.

    `problems` has a `lamina.config.Problem` for each thing that is wrong; the message has a line for each.
    """

    def __init__(self, message: str, problems: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class FilterSyntaxError(InvalidArgument):
    """A filter expression does not follow the grammar."""


class HasChildren(FailedPrecondition):
    """A snapshot cannot be removed while others are built on it."""


class LockHeld(FailedPrecondition):
    """Another process holds the directory; the message names its pid."""


class ReadOnly(FailedPrecondition):
    """A file system is read-only, and what was asked for has to be written there."""


class MountFailed(FailedPrecondition):
    """The kernel refused a mount; the message carries what it said."""


class InvalidRegistration(InvalidArgument):
    """A plugin registration breaks one of the registry's rules."""


class PluginLoop(InvalidArgument):
    """Plugins require each other in a circle; the message shows the whole path."""


class MultipleInstances(FailedPrecondition):
    """One plugin of a type was asked for and several work."""


class NoInstance(NotFound):
    """No plugin of the type and id asked for is registered and enabled."""


class PluginFailed(FailedPrecondition):
    """A plugin that was asked for failed to initialise."""


class PluginUnavailable(Unavailable, PluginFailed):
    """A plugin that was asked for does not work yet: it is tried again."""


class PluginBlocked(FailedPrecondition):
    """A plugin was not initialised because something that it requires does not work."""


class LeftBehind(DeadlineExceeded):
    """A step of a plugin's life did not end in time, and goes on in a thread: Python cannot end one."""

    def __init__(self, message: str, thread: threading.Thread | None = None) -> None:
        super().__init__(message)
        self.thread = thread

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended even now."""
        return self.thread is not None and self.thread.is_alive()


class SkipPlugin(Error):
    """Raised by a plugin's init: it does not apply here. Not a failure.

    Unknown on the wire, with `skip plugin` in the text: so `ctr plugins ls` tells a skip from an error.
    """

    text = "skip plugin"
