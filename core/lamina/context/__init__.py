"""What is known about the call at hand: how long it may take, whether it is still wanted, and whose it is."""

from lamina.context._call import CallContext, current, use

__all__ = ["CallContext", "current", "use"]
