"""The context of the current call: its deadline, its cancellation and who made it."""

from typing import TYPE_CHECKING

from lamina.context._call import CallContext, cancellable, current, use
from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.context._interrupt import uninterrupted
    from lamina.context._keyed_lock import KeyedLock

__all__ = ["CallContext", "KeyedLock", "cancellable", "current", "uninterrupted", "use"]

__getattr__ = lazy_exports(__name__, {"_interrupt": "uninterrupted", "_keyed_lock": "KeyedLock"})
