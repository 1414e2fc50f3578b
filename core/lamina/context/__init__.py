"""The context of the current call: its deadline, its cancellation and who made it."""

from lamina.context._call import CallContext, current, use

__all__ = ["CallContext", "current", "use"]
