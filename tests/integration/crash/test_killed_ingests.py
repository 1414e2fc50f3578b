"""Processes are killed while they store blobs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support import killed_ingests
from tests.support.directories import CHECKOUT
from tests.support.rounds import rounds

ROUNDS = rounds(12, 400)


def test_killed_at_any_call_an_ingest_leaves_whole_blobs_and_can_be_repeated(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    program = (sys.executable, "-m", killed_ingests.__name__, tmp_path, str(ROUNDS))
    done = subprocess.run(program, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["died"] == ROUNDS
    tell(f"{2 * ROUNDS} kills in ingests of {found['calls']} system calls")
