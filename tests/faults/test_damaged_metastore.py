"""Open metastores with three data roots after every kind of damage that disks and bugs cause.

No opening ends in a signal, no data of a snapshot is deleted, no altered record is served, and losses are told.
If a quarter of all pages is stale, stale records may be served, which is reported too.
`LAMINA_SOAK=1 pytest tests/faults/test_damaged_metastore.py` tries all kinds of damage.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lamina.snapshots.storage import _fsck
from lamina.store import _leaves
from lamina.store._fsck import diagnose, is_whole
from lamina.store._meta import newest_meta
from tests.support.commands import environment
from tests.support.directories import CHECKOUT
from tests.support.metastores import damage_trials, damages
from tests.support.rounds import rounds

DAMAGES = rounds(60, 400)
LOOKS = rounds(100, 2500)
PROCESSES = 2


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A metastore with three data roots, and its expected content."""
    path = tmp_path_factory.mktemp("damaged") / "base"
    path.mkdir()
    damage_trials.populate(path)
    return path


def cases(base: Path) -> Iterator[dict[str, Any]]:
    """Yield the outcome of each damaged copy, from processes without threads because they fork."""
    share = DAMAGES // PROCESSES
    program = (sys.executable, "-m", damage_trials.__name__)
    children = [
        subprocess.Popen(
            [*program, str(base), str(number * share), str(share)],
            cwd=CHECKOUT,
            env=environment(),  # buffered: without a buffer, Python does not repeat what a write has left over
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for child in children:
        output, _ = child.communicate()
        assert child.returncode == 0
        yield from map(json.loads, output.splitlines())


def wrong(case: dict[str, Any], truth: dict[str, Any]) -> Iterator[str]:
    """Yield violations of the promises."""
    for status, told in case["looks"]:
        if status:
            yield f"opening ended with status {status:#x}"
            return
        for name, infos in told["infos"].items():
            for key, info in infos.items():
                was = truth["earlier"][name].get(key) == info
                may_be = case["what"] == damages.TWO_MOMENTS and said(case)
                if name == damage_trials.TABLE:  # nothing contradicts an old page of a table
                    may_be = may_be or case["what"] == damages.STALE
                if truth["infos"][name].get(key) != info and not (was and may_be):
                    yield f"{name} serves {key} as {info}"
    for name, ids in truth["ids"].items():
        for id_ in ids:
            if case["kept"][name].get(id_) != f"{name} {id_}":
                yield f"the data {id_} of {name} is gone"
    if lost(case, truth) and not said(case):
        yield "nothing says that snapshots are lost"


def lost(case: dict[str, Any], truth: dict[str, Any]) -> int:
    """Return the number of snapshots that the first opening did not list."""
    (_, told), _ = case["looks"]
    return sum(len(infos.keys() - told["infos"].get(name, {}).keys()) for name, infos in truth["infos"].items())


def said(case: dict[str, Any]) -> bool:
    (_, told), _ = case["looks"]
    return bool(told["error"] or told["errors"] or any("damaged" in line for line in told["log"]))


def outcome(case: dict[str, Any]) -> str:
    """Classify the outcome of a damage."""
    (_, told), _ = case["looks"]
    if told["error"]:
        return "refused"
    if told["errors"]:
        return "errors, and set aside by the next start"
    return "set aside" if case["aside"] else "harmless"


@pytest.mark.timeout(rounds(1800, 0))  # it writes hundreds of files, each to the disk
def test_damage_never_kills_the_process_deletes_data_or_is_served(base: Path, tell: Callable[[str], None]) -> None:
    truth = json.loads((base / "truth.json").read_text())
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    without_loss = 0
    problems: list[str] = []
    for case in cases(base):
        outcomes[outcome(case)] += 1
        kinds[case["what"]] += 1
        without_loss += not lost(case, truth)
        problems += (f"seed {case['seed']}, {case['what']}: {problem}" for problem in wrong(case, truth))
    tell(f"{outcomes.total()} damages: {dict(outcomes)}; no snapshot lost in {without_loss}; kinds: {dict(kinds)}")
    assert problems == []
    assert outcomes.total() == DAMAGES // PROCESSES * PROCESSES


@pytest.mark.parametrize("leaves", [2, _leaves.LEAVES])
def test_the_quick_check_suspects_every_damaged_file(
    base: Path, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, leaves: int
) -> None:
    monkeypatch.setattr(_leaves, "LEAVES", leaves)
    data = (base / "metastore/data.mdb").read_bytes()
    earlier = (base / "earlier.mdb").read_bytes()
    damaged = 0
    for seed in range(LOOKS):
        damager = damages.Damager(data, earlier, Random(seed))
        what = damager.damage()
        file = bytes(damager.data)

        def read(offset: int, size: int, file: bytes = file) -> bytes:
            return file[offset : offset + size]

        meta, _ = newest_meta(read)
        if meta is not None:
            problems = list(diagnose(read, _fsck, meta))
            assert is_whole(file, _fsck, meta) == (not problems), (seed, what, problems[:3])
            damaged += bool(problems)
    tell(f"{LOOKS} quick looks, {leaves} leaves at a time, doubted {damaged} damaged files, and no other")
