"""`lamina doctor` in a process of its own, and what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from tests.support.commands import environment
from tests.support.processes import forked


@attrs.frozen
class Examined:
    """What it printed, and its exit code."""

    code: int
    findings: tuple[dict[str, str], ...]
    said: str = ""

    def wrong(self) -> list[tuple[str, str]]:
        """The checks that found something, and of which kind."""
        return [(one["Check"], one["Status"]) for one in self.findings if one["Status"] != "ok"]

    def of(self, check: str) -> list[dict[str, str]]:
        """What a check found."""
        return [one for one in self.findings if one["Check"] == check and one["Status"] != "ok"]


def doctor(*words: str | Path, **variables: str) -> Examined:
    """Run it to its end, with further environment variables."""
    done = forked.run("doctor", "--json", *words, env=environment() | variables)
    return Examined(done.returncode, tuple(json.loads(done.stdout or "[]")), done.stderr)
