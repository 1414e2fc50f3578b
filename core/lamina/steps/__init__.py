"""Work in steps: between two of them it waits for what others wait for as well, and one thread can do it for many.

A step that needs something durable asks for it (`ask`) instead of waiting in its thread. Whoever takes the steps
collects what many have asked for, and has it done at once: so sixteen callers cost one commit, and no sixteen
threads that take the interpreter's lock from one another. `run` takes the steps of one piece of work by itself.
"""

from lamina.steps._steps import BLOCKING, Request, Shared, Steps, ask, run

__all__ = ["BLOCKING", "Request", "Shared", "Steps", "ask", "run"]
