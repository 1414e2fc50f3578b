"""One thread runs the steps of many calls and batches their requests."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence

import attrs
import pytest

from lamina.context import CallContext, current
from lamina.errdefs import ResourceExhausted
from lamina.plugins.servers.grpc.engines.native._step_batcher import StepBatcher
from lamina.steps import BLOCKING, Request, Shared, Steps, ask
from tests.support.waiting import wait_until

DEADLINE = 60.0


@attrs.define(eq=False)
class Disk(Shared[str]):
    """Performs requests in batches when it is allowed to."""

    batches: list[list[str]] = attrs.field(factory=list)
    may: threading.Event = attrs.field(factory=threading.Event)
    asked: threading.Event = attrs.field(factory=threading.Event)
    """Set when it has got a batch."""

    def perform(self, requests: Sequence[Request[str]]) -> None:
        self.asked.set()
        self.may.wait(DEADLINE)
        self.batches.append([request.what for request in requests])
        for request in requests:
            request.result = request.context.trace_id


@attrs.define(eq=False)
class Call:
    """The outcome of a call."""

    name: str
    disk: Disk
    results: list[object] = attrs.field(factory=list)
    threads: set[int] = attrs.field(factory=set)
    ended: threading.Event = attrs.field(factory=threading.Event)

    def steps(self, before: Callable[[], object] = lambda: None) -> Steps[None]:
        self._note()
        before()
        self.results.append((yield from ask(self.disk, self.name)))
        self._note()
        self.ended.set()

    def blocking(self, before: Callable[[], object]) -> Steps[None]:
        yield BLOCKING
        yield from self.steps(before)

    def _note(self) -> None:
        self.threads.add(threading.get_ident())
        assert current().trace_id == self.name


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.may.set()


@pytest.fixture
def limit() -> int:
    return 100


@pytest.fixture
def together(limit) -> Iterator[StepBatcher]:
    together = StepBatcher("call", limit, 4)
    together.start()
    yield together
    together.stop()


def in_a_thread(do: Callable[[], None]) -> None:
    threading.Thread(target=do).start()


def offer(together: StepBatcher, call: Call, steps: Steps[None]) -> bool:
    return together.offer(steps, CallContext(trace_id=call.name), in_a_thread)


@pytest.mark.usefixtures("unrelieved")
def test_requests_during_a_batch_share_the_next_one(together, disk):
    first = Call("first", disk)
    offer(together, first, first.steps())
    assert disk.asked.wait(DEADLINE)
    others = [Call(f"{number}", disk) for number in range(10)]
    for call in others:
        assert offer(together, call, call.steps())
    disk.may.set()
    for call in (first, *others):
        assert call.ended.wait(DEADLINE)
        assert call.results == [call.name]
    assert disk.batches == [["first"], [call.name for call in others]]


@pytest.mark.usefixtures("unrelieved")
def test_one_thread_runs_all_short_steps(together, disk):
    disk.may.set()
    calls = [Call(f"{number}", disk) for number in range(50)]
    for call in calls:
        offer(together, call, call.steps())
    assert all(call.ended.wait(DEADLINE) for call in calls)
    assert len({thread for call in calls for thread in call.threads}) == 1


def test_a_call_that_may_block_continues_in_another_thread(together, disk):
    disk.may.set()
    go = threading.Event()
    blocking, other = Call("blocking", disk), Call("other", disk)
    offer(together, blocking, blocking.blocking(lambda: go.wait(DEADLINE)))
    offer(together, other, other.steps())
    assert other.ended.wait(DEADLINE)
    assert not blocking.ended.is_set()
    go.set()
    assert blocking.ended.wait(DEADLINE)
    assert not blocking.threads & other.threads


def test_a_blocked_step_does_not_delay_other_calls(together, disk):
    disk.may.set()
    go = threading.Event()
    stuck, other = Call("stuck", disk), Call("other", disk)
    offer(together, stuck, stuck.steps(lambda: go.wait(DEADLINE)))
    offer(together, other, other.steps())
    assert other.ended.wait(DEADLINE)
    go.set()
    assert stuck.ended.wait(DEADLINE)
    assert disk.batches == [["other"], ["stuck"]]


@pytest.mark.parametrize("limit", [3])
def test_more_calls_than_the_limit_are_refused_until_one_has_ended(together, disk):
    calls = [Call(f"{number}", disk) for number in range(4)]
    assert [offer(together, call, call.steps()) for call in calls] == [True, True, True, False]
    disk.may.set()
    assert all(call.ended.wait(DEADLINE) for call in calls[:3])
    wait_until(lambda: offer(together, calls[3], calls[3].steps()), DEADLINE, "there is room again")
    assert calls[3].ended.wait(DEADLINE)


def test_a_call_that_has_claimed_the_batcher_runs_in_the_thread_that_brings_it(together, disk):
    disk.may.set()
    call = Call("call", disk)
    assert together.claim()
    together.run_here(call.steps(), CallContext(trace_id="call"), in_a_thread, lambda: None)
    assert call.results == ["call"]
    assert call.threads == {threading.get_ident()}
    assert together.load().running == 0


def test_no_call_claims_a_batcher_that_has_another_one(together, disk):
    call = Call("call", disk)
    offer(together, call, call.steps())
    assert not together.claim()
    disk.may.set()
    wait_until(together.claim, DEADLINE, "the call has ended")
    assert not together.claim()


def test_a_call_that_has_claimed_the_batcher_does_not_delay_others(together, disk):
    first, other = Disk(), Call("other", disk)
    disk.may.set()
    call = Call("call", first)
    assert together.claim()
    thread = threading.Thread(
        target=together.run_here, args=(call.steps(), CallContext(trace_id="call"), in_a_thread, lambda: None)
    )
    thread.start()
    offer(together, other, other.steps())
    assert other.ended.wait(DEADLINE)
    assert not call.ended.is_set()
    first.may.set()
    assert call.ended.wait(DEADLINE)
    thread.join()


def test_a_call_that_has_claimed_the_batcher_continues_in_another_thread_where_it_may_block(together, disk):
    disk.may.set()
    call = Call("call", disk)
    assert together.claim()
    together.run_here(call.blocking(lambda: None), CallContext(trace_id="call"), in_a_thread, lambda: None)
    assert call.ended.wait(DEADLINE)
    assert threading.get_ident() not in call.threads


def test_failing_steps_affect_no_other_call(together, disk, caplog):
    def failing() -> Steps[None]:
        yield from ask(disk, "failing")
        raise SystemExit(1)

    disk.may.set()
    other = Call("other", disk)
    together.offer(failing(), CallContext(trace_id="failing"), in_a_thread)
    wait_until(lambda: not together._calls, DEADLINE, "the call has ended")
    offer(together, other, other.steps())
    assert other.ended.wait(DEADLINE)
    assert [record.getMessage() for record in caplog.records] == ["call failed"]


@pytest.mark.usefixtures("unrelieved")
def test_a_call_that_cannot_be_moved_fails_and_affects_no_other(disk):
    def refuse(_rest: Callable[[], None]) -> None:
        raise ResourceExhausted("too many wait already")

    told: list[BaseException] = []

    def blocking() -> Steps[None]:
        try:
            yield from ask(disk, "blocking")
            yield BLOCKING
        except BaseException as error:  # noqa: BLE001 - as an engine, which answers its client then
            told.append(error)

    together = StepBatcher("call", 2, 1)
    other = Call("other", disk)
    together.offer(blocking(), CallContext(trace_id="blocking"), refuse)
    offer(together, other, other.steps())
    disk.may.set()
    together.start()
    assert other.ended.wait(DEADLINE)
    wait_until(lambda: not together._calls, DEADLINE, "both have ended")
    together.stop()
    assert disk.batches == [["blocking", "other"]]
    assert [str(error) for error in told] == ["too many wait already"]


def test_requests_to_several_targets_are_performed_by_each(together, disk):
    second = Disk()
    disk.may.set()
    second.may.set()

    def both() -> Steps[None]:
        yield from ask(disk, "one")
        yield from ask(second, "two")

    together.offer(both(), CallContext(), in_a_thread)
    call = Call("call", second)
    offer(together, call, call.steps())
    assert call.ended.wait(DEADLINE)
    wait_until(lambda: not together._calls, DEADLINE, "both have ended")
    assert disk.batches == [["one"]]
    assert sorted(itertools.chain(*second.batches)) == ["call", "two"]
