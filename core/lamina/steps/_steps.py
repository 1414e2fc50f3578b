"""Steps, and the requests that they yield."""

from __future__ import annotations

import abc
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from lamina.context import current

W = TypeVar("W")
R = TypeVar("R")


class Shared(abc.ABC, Generic[W]):
    """Work that takes as long for many requests as for one, such as a durable commit."""

    @abc.abstractmethod
    def perform(self, requests: Sequence[Request[W]]) -> None:
        """Perform requests, and store each one's result or error in it.

        Raises:
            BaseException: It was interrupted.
        """


class Request(Generic[W]):
    """A request that a step yields."""

    __slots__ = ("context", "error", "result", "shared", "what")

    def __init__(self, shared: Shared[W], what: W) -> None:
        """Ask for something in the context of the current call.

        Args:
            shared: Performs the request.
            what: The operation that is wanted.
        """
        self.shared = shared
        self.what = what
        self.context = current()
        self.result: Any = None
        self.error: Exception | None = None


BLOCKING: Final = None
"""Yielded before a step that may block for long. The runner continues in a thread that may block, or raises an
error here: there are too many such calls, or this one was cancelled. Yield it before a change that cannot be
undone."""

Steps: TypeAlias = Generator[Request[Any] | None, None, R]
"""A generator that yields requests or `BLOCKING`, and returns its result. All steps run in the context of one
call, but perhaps in different threads."""


def ask(shared: Shared[W], what: W) -> Steps[Any]:
    """Yield a request, and return its result or raise its error. Use it with `yield from`."""
    request = Request(shared, what)
    yield request
    if request.error is not None:
        raise request.error
    return request.result


def run(steps: Steps[R], before_blocking: Callable[[], object] = lambda: None) -> R:
    """Run all steps in this thread, performing each request by itself, and return the result.

    Args:
        steps: The steps.
        before_blocking: Called before a step that may block; its exceptions are raised in the steps.

    Raises:
        BaseException: The steps raised it. An interruption is raised in the steps first.
    """
    try:
        request = next(steps)
        while True:
            request = _done(request, steps, before_blocking)
    except StopIteration as stop:
        result: R = stop.value
        return result


def _done(
    request: Request[Any] | None, steps: Steps[Any], before_blocking: Callable[[], object]
) -> Request[Any] | None:
    """Perform the request of a step, and run the next step."""
    try:
        if request is BLOCKING:
            before_blocking()
        else:
            request.shared.perform([request])
    except BaseException as interruption:  # noqa: BLE001 - the steps raise it again, or handle it
        return steps.throw(interruption)
    return next(steps)
