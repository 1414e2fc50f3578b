"""Steps run to their end, and their requests are performed in between."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from lamina.context import CallContext, current, use
from lamina.errdefs import NotFound
from lamina.steps import BLOCKING, Request, Shared, Steps, ask, run


@attrs.define
class Doubling(Shared[int]):
    """Doubles numbers, but zero."""

    performed: list[int] = attrs.field(factory=list)

    def perform(self, requests: Sequence[Request[int]]) -> None:
        self.performed.append(len(requests))
        for request in requests:
            if request.what:
                request.result = 2 * request.what
            else:
                request.error = NotFound("nothing to double")


class Interrupted(Shared[int]):
    def perform(self, requests: Sequence[Request[int]]) -> None:
        raise KeyboardInterrupt


def quadruple(shared: Shared[int], number: int) -> Steps[int]:
    twice = yield from ask(shared, number)
    yield BLOCKING
    result: int = yield from ask(shared, twice)
    return result


def test_each_request_is_performed_and_its_result_returned() -> None:
    doubling = Doubling()
    assert run(quadruple(doubling, 3)) == 12
    assert doubling.performed == [1, 1]


def test_steps_without_requests_run() -> None:
    def steps() -> Steps[str]:
        yield BLOCKING
        return "done"

    assert run(steps()) == "done"


def test_an_error_is_raised_at_the_request_and_can_be_handled() -> None:
    def handling() -> Steps[str]:
        try:
            yield from ask(Doubling(), 0)
        except NotFound as error:
            return str(error)
        return ""

    assert run(handling()) == "nothing to double"
    with pytest.raises(NotFound, match="nothing to double"):
        run(quadruple(Doubling(), 0))


def test_an_interruption_is_raised_in_the_steps() -> None:
    cleaned: list[bool] = []

    def steps() -> Steps[None]:
        try:
            yield from ask(Interrupted(), 1)
        finally:
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt):
        run(steps())
    assert cleaned == [True]


def test_a_request_carries_the_context_of_its_call() -> None:
    context = CallContext(trace_id="7")
    with use(context):
        steps = ask(Doubling(), 1)
        request = next(steps)
    assert request is not None
    assert request.context is context
    assert current() is not context
