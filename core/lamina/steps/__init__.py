"""Work divided into steps, so that one thread can do the work of many callers and wait for them all at once.

A step that needs something durable asks for it (`ask`) instead of waiting in its thread. The runner of the steps
collects the requests of many callers and performs them together: sixteen callers cost one commit, and not sixteen
threads that contend for the interpreter's lock. `run` runs the steps of one caller.
"""

from lamina.steps._steps import BLOCKING, Request, Shared, Steps, ask, run

__all__ = ["BLOCKING", "Request", "Shared", "Steps", "ask", "run"]
