"""Diagnosis by plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs

from lamina.plugin import DiagnoseContext, Finding, Registration, Verdict, diagnose
from tests.support.plugins.hanging import Hanging


@attrs.frozen
class ClockConfig:
    zone: str = "UTC"


def ask(look: Any, *, seconds: float | None = None, **fields: Any) -> list[Finding]:
    registration = Registration(type="t", id="clock", config=ClockConfig, init=lambda _: None, diagnose=look)
    registration = attrs.evolve(registration, distribution="clocks", module=__name__)
    return diagnose(
        registration, config=ClockConfig("CET"), root=Path("/r"), state=Path("/s"), seconds=seconds, **fields
    )


def test_it_gets_the_context_of_init() -> None:
    seen: list[DiagnoseContext[ClockConfig]] = []

    def look(context: DiagnoseContext[ClockConfig]) -> Iterable[Finding]:
        seen.append(context)
        return [Finding.ok("zone", context.config.zone)]

    assert ask(look, host_pid=7) == [Finding("zone", Verdict.OK, "CET")]
    (context,) = seen
    assert (context.uri, context.root, context.state) == ("t.clock", Path("/r/t.clock"), Path("/s/t.clock"))
    assert context.host_pid == 7


def test_a_plugin_without_diagnose_has_no_findings() -> None:
    assert ask(None) == []


def test_findings_before_a_failure_are_kept_with_the_failing_line() -> None:
    def look(_: object) -> Iterator[Finding]:
        yield Finding.warning("spring", "slack", "wind it")
        raise SystemExit("out of time")

    first, last = ask(look)
    assert first == Finding("spring", Verdict.WARNING, "slack", "wind it")
    assert last.status is Verdict.UNKNOWN
    assert last.found.startswith("its diagnose failed: SystemExit: out of time, at ")
    assert f"{__file__}:" in last.found
    assert last.remedy == "report this to the authors of clocks"


def test_a_whole_examination_calls_examine_instead_of_diagnose() -> None:
    registration = Registration(
        type="t",
        id="clock",
        init=lambda _: None,
        diagnose=lambda _: [Finding.ok("zone", "CET")],
        examine=lambda context: [Finding.ok("spring", context.exports["spring"])],
    )
    found = diagnose(
        registration, config=None, root=Path("/r"), state=Path("/s"), exports={"spring": "wound"}, whole=True
    )
    assert found == [Finding.ok("spring", "wound")]


def test_a_result_that_is_not_a_finding_is_a_failure() -> None:
    (finding,) = ask(lambda _: ["slack"])
    assert finding.status is Verdict.UNKNOWN
    assert "diagnose gave 'slack': not a Finding" in finding.found


def test_a_hanging_diagnosis_is_left_behind_at_its_deadline(hang: Hanging) -> None:
    def look(_: object) -> Iterator[Finding]:
        yield Finding.ok("spring", "wound")
        hang()

    first, last = ask(look, seconds=0.1)
    hang.release.set()
    assert first.found == "wound"
    assert last.status is Verdict.PROBLEM
    assert last.found.startswith("diagnose did not end within 0.1 s and was left behind, at ")
