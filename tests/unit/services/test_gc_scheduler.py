"""Collections for callers and at intervals, and their counts and log messages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from lamina.context import CallContext, use
from lamina.duration import Duration
from lamina.errdefs import Canceled, InvalidArgument, Unavailable
from lamina.plugins.gc._config import SchedulerConfig
from lamina.plugins.gc._scheduler import Scheduler
from tests.support.images.collectors import REMOVED, USAGE, RecordedCollector

SECONDS = 60
SHORT = Duration(0.001)


@pytest.fixture
def collector() -> RecordedCollector:
    return RecordedCollector()


@pytest.fixture
def schedule(collector: RecordedCollector) -> Iterator[Callable[..., Scheduler]]:
    """`schedule(interval=…)` makes a scheduler; the end of the test closes it."""
    made: list[Scheduler] = []

    def make(**settings: Duration) -> Scheduler:
        made.append(Scheduler(lambda: collector, SchedulerConfig(**settings)))
        return made[-1]

    yield make
    for scheduler in made:
        scheduler.close()


def numbers(scheduler: Scheduler) -> dict[str, float]:
    """The metrics that are not 0, with their labels."""
    return {
        " ".join((metric.name, *labels)): value
        for metric in scheduler.metrics()
        for labels, value in metric.samples.items()
        if value and metric.name != "lamina_gc_last_run_seconds"
    }


def test_nothing_is_collected_unasked_by_default(
    collector: RecordedCollector, schedule: Callable[..., Scheduler]
) -> None:
    assert schedule()._thread is None
    assert collector.asked == []


def test_a_caller_gets_what_the_collector_finds(
    collector: RecordedCollector, schedule: Callable[..., Scheduler]
) -> None:
    scheduler = schedule()
    assert tuple(scheduler.collect(content_only=True)) == REMOVED
    assert collector.asked == [(False, True)]
    assert scheduler.usage() == USAGE


def test_removals_are_counted(schedule: Callable[..., Scheduler]) -> None:
    scheduler = schedule()
    assert numbers(scheduler) == {}
    list(scheduler.collect())
    assert numbers(scheduler) == {
        "lamina_gc_runs_total complete": 1,
        "lamina_gc_removed_total snapshot": 1,
        "lamina_gc_removed_total blob": 1,
        "lamina_gc_freed_bytes_total": 12,
        "lamina_gc_failures_total": 1,
    }


def test_a_dry_run_is_neither_counted_nor_logged(
    schedule: Callable[..., Scheduler], caplog: pytest.LogCaptureFixture
) -> None:
    scheduler = schedule()
    with caplog.at_level(logging.INFO):
        list(scheduler.collect(dry_run=True))
    assert (numbers(scheduler), caplog.records) == ({}, [])


def test_each_run_is_logged_once_with_its_numbers(
    schedule: Callable[..., Scheduler], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        list(schedule().collect())
    (record,) = caplog.records
    assert record.getMessage() == "collected garbage"
    fields = {"snapshots": 1, "blobs": 1, "bytes": 12, "young": 1, "failed": 1, "complete": True}
    assert {name: getattr(record, name) for name in fields} == fields


def test_a_run_that_its_caller_ends_is_counted_as_stopped(schedule: Callable[..., Scheduler]) -> None:
    scheduler = schedule()
    call = CallContext()
    with use(call):
        collection = scheduler.collect()
        next(collection)
        call.cancel()
        with pytest.raises(Canceled):
            next(collection)
    assert numbers(scheduler) == {
        "lamina_gc_runs_total stopped": 1,
        "lamina_gc_removed_total snapshot": 1,
        "lamina_gc_freed_bytes_total": 5,
    }


def test_it_collects_in_intervals(collector: RecordedCollector, schedule: Callable[..., Scheduler]) -> None:
    schedule(interval=SHORT)
    for _ in range(3):
        assert collector.called.acquire(timeout=SECONDS)
    assert set(collector.asked) == {(False, False)}


@pytest.mark.parametrize("error", [Unavailable, SystemExit])
def test_an_error_does_not_end_the_intervals(
    collector: RecordedCollector,
    schedule: Callable[..., Scheduler],
    caplog: pytest.LogCaptureFixture,
    error: type[BaseException],
) -> None:
    collector.error = error("the disk is gone")
    schedule(interval=SHORT)
    for _ in range(2):
        assert collector.called.acquire(timeout=SECONDS)
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert failures[0].getMessage() == "failed to collect garbage"
    assert failures[0].error == "the disk is gone"


def test_settings_change_while_it_runs(collector: RecordedCollector, schedule: Callable[..., Scheduler]) -> None:
    scheduler = schedule(grace=Duration(7))
    list(scheduler.collect())
    assert (collector.grace, collector.called.acquire()) == (7, True)
    scheduler.reconfigure(SchedulerConfig(grace=Duration(8), interval=SHORT))
    assert collector.called.acquire(timeout=SECONDS)
    assert collector.grace == 8
    scheduler.reconfigure(SchedulerConfig(interval=Duration(0)))
    while collector.called.acquire(blocking=False):
        pass
    scheduler.reconfigure(SchedulerConfig(interval=SHORT))
    for _ in range(2):  # the first one may have been under way
        assert collector.called.acquire(timeout=SECONDS)


def test_the_longest_interval_is_one(collector: RecordedCollector, schedule: Callable[..., Scheduler]) -> None:
    scheduler = schedule(interval=Duration.parse("2562047h47m16s"))
    scheduler.close()
    assert collector.asked == []


def test_closing_ends_the_thread_and_its_collection(
    collector: RecordedCollector, schedule: Callable[..., Scheduler]
) -> None:
    collector.is_endless = True
    scheduler = schedule(interval=SHORT)
    assert collector.called.acquire(timeout=SECONDS)
    scheduler.close()
    assert collector.ended.is_set()
    thread = scheduler._thread
    assert thread
    assert not thread.is_alive()
    scheduler.reconfigure(SchedulerConfig(interval=SHORT))
    assert scheduler._thread is thread


@pytest.mark.parametrize("name", ["grace", "interval"])
def test_negative_durations_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="non-negative"):
        SchedulerConfig(**{name: Duration(-1)})


def test_all_questions_are_answered_with_the_present_grace(
    collector: RecordedCollector, schedule: Callable[..., Scheduler]
) -> None:
    scheduler = schedule(grace=Duration(7))
    scheduler.why("debian", "default")
    assert collector.grace == 7
    scheduler.reconfigure(SchedulerConfig(grace=Duration(8)))
    scheduler.usage()
    assert collector.grace == 8
