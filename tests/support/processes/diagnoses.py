"""What `lamina diagnose` found."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import attrs

from tests.support.commands import environment
from tests.support.processes import forked
from tests.support.processes.hosts import LAMINA

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
"""What to put before a command that is to run as an ordinary user."""


@attrs.frozen
class Diagnosis:
    """Findings, and the exit code."""

    code: int
    findings: tuple[dict[str, str], ...]

    def of(self, area: str, check: str) -> list[dict[str, str]]:
        """The findings of a check; the area may be the end of its name."""
        return [one for one in self.findings if one["Area"].endswith(area) and one["Check"] == check]

    def one(self, area: str, check: str) -> dict[str, str]:
        """The only finding of a check."""
        (finding,) = self.of(area, check)
        return finding

    def problems(self) -> list[str]:
        """The checks that found a problem."""
        return [one["Check"] for one in self.findings if one["Status"] == "problem"]


def diagnose(*words: str | Path, prefix: Sequence[str] = ()) -> Diagnosis:
    """Run `lamina diagnose --json`.

    Args:
        words: Its arguments.
        prefix: What to put before the command.
    """
    command = ("diagnose", "--json", *words)
    if prefix:
        done = subprocess.run(
            (*prefix, *LAMINA, *command), capture_output=True, text=True, env=environment(), check=False
        )
    else:
        done = forked.run(*command, env=environment())
    assert done.stderr == ""
    return Diagnosis(done.returncode, tuple(json.loads(done.stdout)))
