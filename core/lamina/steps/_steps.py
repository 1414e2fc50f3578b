"""Steps, what they ask for, and who does it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Generator, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

import attrs

from lamina.context import CallContext, current

W = TypeVar("W")
R = TypeVar("R")


class Shared(abc.ABC, Generic[W]):
    """What takes its time, and takes no more of it for many than for one: a commit that is durable."""

    @abc.abstractmethod
    def perform(self, requests: Sequence[Request[W]]) -> None:
        """Do what is requested, and put into each request what came of it.

        Raises:
            BaseException: It was interrupted. Errors are put into the requests.
        """


@attrs.define(eq=False, repr=False)
class Request(Generic[W]):
    """Something that a step asks for."""

    shared: Shared[W]
    """Who does it."""
    what: W
    context: CallContext = attrs.field(factory=current)
    """The call for which it is."""
    result: Any = None
    error: Exception | None = None


BLOCKING: Final = None
"""Yielded by a step if the next one may block for long: that is then taken where it harms nobody. If there is no
room for it, or nobody waits for it any more, an error is raised instead: it comes before anything that cannot be
undone."""

Steps: TypeAlias = Generator[Request[Any] | None, None, R]
"""Work that yields what it asks for, or `BLOCKING`, and returns its result. It is one call's, and taken in that
call's context, but each step perhaps in another thread."""


def ask(shared: Shared[W], what: W) -> Steps[Any]:
    """Ask for something, to `yield from`; returns its result, and raises what was raised instead of that."""
    request = Request(shared, what)
    yield request
    if request.error is not None:
        raise request.error
    return request.result


def run(steps: Steps[R], before_blocking: Callable[[], object] = lambda: None) -> R:
    """Take all steps here and now, with what they ask for done for them alone, and return the result.

    Args:
        steps: The steps.
        before_blocking: Called before a step that may block; what it raises is raised in the steps.

    Raises:
        BaseException: What the steps raise, which are also told of an interruption.
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
    """Do what a step asked for, and take the next one."""
    try:
        if request is BLOCKING:
            before_blocking()
        else:
            request.shared.perform([request])
    except BaseException as interruption:  # noqa: BLE001 - the steps raise it again, or know better
        return steps.throw(interruption)
    return next(steps)
