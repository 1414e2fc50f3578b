"""After a power failure at any point, exactly the acknowledged state exists, complete."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.mount import temporary_mount
from lamina.snapshots import Kind
from lamina.snapshots.local import LocalSnapshotter, _tidying
from tests.support.directories import CHECKOUT
from tests.support.disks import cut_workload
from tests.support.disks.block_devices import disk, loop_device, make_file_system, mounted
from tests.support.disks.snapshotters import COMBINATIONS, open_on
from tests.support.disks.write_log import PowerCut, by_chance
from tests.support.rounds import SEED, rounds
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "loop", "fuse", "mkfs.ext4", "mkfs.xfs")

CUTS = rounds(8, 200)
OPERATIONS = rounds(15, 60)
"""The number of operations of each client."""
SECONDS = 60.0

Snapshots = dict[str, tuple[Kind, str]]
"""The kind and the parent of each snapshot."""


@attrs.frozen
class State:
    """The snapshots of a client after one of its operations."""

    snapshots: Snapshots
    trees: dict[str, dict[str, str]]
    """The digests of the files of each committed snapshot."""

    def after(self, done: dict[str, Any]) -> State:
        """Return the state after one more operation."""
        snapshots, trees = dict(self.snapshots), dict(self.trees)
        match done:
            case {"operation": "prepare", "key": key, "parent": parent}:
                snapshots[key] = Kind.ACTIVE, parent
            case {"operation": "view", "key": key, "parent": parent}:
                snapshots[key] = Kind.VIEW, parent
            case {"operation": "commit", "key": key, "name": name, "parent": parent, "tree": tree}:
                del snapshots[key]
                snapshots[name], trees[name] = (Kind.COMMITTED, parent), tree
            case {"operation": "remove", "key": key}:
                del snapshots[key]
        return State(snapshots, trees)


def possible(operations: list[dict[str, Any]], cut: int) -> list[State]:
    """Return the one or two states that a client may find after a power failure at that size of the log."""
    state = State({}, {})
    for done in operations:
        if done["answered"] > cut:
            return [state, state.after(done)] if done["began"] < cut else [state]
        state = state.after(done)
    return [state]


def check(snapshotter: LocalSnapshotter, operations: dict[str, list[dict[str, Any]]], cut: int) -> int:
    """Compare the snapshots with the acknowledged state; return the number of layers compared."""
    layers = 0
    found: Snapshots = {info.name: (info.kind, info.parent) for info in snapshotter.walk()}
    for client, done in operations.items():
        own = {key: value for key, value in found.items() if key.startswith(f"{client} ")}
        states = [state for state in possible(done, cut) if state.snapshots == own]
        assert states, f"{client}: {own} is none of {[state.snapshots for state in possible(done, cut)]}"
        for key, (kind, _) in own.items():
            if kind is Kind.COMMITTED:
                assert files(snapshotter, key) == states[0].trees[key], key
                layers += 1
            else:
                with temporary_mount(snapshotter.mounts(key)) as root:
                    os.listdir(root)
    return layers


def files(snapshotter: LocalSnapshotter, layer: str) -> dict[str, str]:
    """Return the digests of the files of a layer and of its root directory."""
    with temporary_mount(snapshotter.view("looking", layer)) as root:
        paths = [path for path in Path(root).rglob("*") if path.is_file()]
        found = {str(path.relative_to(root)): cut_workload.digest(path.read_bytes()) for path in paths}
        found[cut_workload.ROOT] = cut_workload.root_of(Path(root))
    snapshotter.remove("looking")
    return found


def check_no_orphan(snapshotter: LocalSnapshotter, root: Path) -> None:
    """Wait until all data without a snapshot is deleted.

    A metastore without any snapshots may have lost them, so nothing is deleted then.
    """
    store, backend = snapshotter._store, snapshotter._backend
    ids = {str(record.id) for record in store.records()}
    if not ids:
        return
    data = {str(record.id) for record in store.records() if backend.has_data(record)}

    def tidy() -> bool:
        snapshotter.cleanup()
        there = {name: set(os.listdir(root / name)) for name in ("snapshots", "records", "trash")}
        return there == {"snapshots": data, "records": ids, "trash": set()}

    wait_until(tidy, SECONDS, f"nothing but {data} and {ids} is in {root}")


def do_operations(directory: Path, backend: str, kind: str) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    """Run the clients on a disk; return its log and the answers to each client, in order."""
    with disk(directory / "image") as device, mounted(device.device, kind, directory / "mnt") as mountpoint:
        Path(f"{device.log}.boot").write_text("before the power cut\n")
        program = (sys.executable, "-m", cut_workload.__name__)
        command = (*program, mountpoint, backend, device.log, SEED, str(OPERATIONS))
        modules = (str(CHECKOUT), os.environ.get("PYTHONPATH"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, modules))}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return device.log, {
            client: [answer for answer in answers if answer["client"] == client] for client in cut_workload.CLIENTS
        }


def cuts(cut: PowerCut, answers: list[dict[str, Any]], chance: random.Random) -> Iterator[int]:
    """Yield the log size at each power failure. Half of them come just after an answer."""
    sizes = [entry.end for entry in cut.entries]
    first, last = (next(i for i, size in enumerate(sizes) if size >= end(answers)) for end in (begin_of, end_of))
    after = [next(i for i, size in enumerate(sizes) if size >= answer["answered"]) + 1 for answer in answers]
    chosen = [chance.randrange(first, last + 2) for _ in range(CUTS // 2)]
    chosen += [chance.choice(after) for _ in range(CUTS - len(chosen))]
    return iter(sorted(chosen))


def begin_of(answers: list[dict[str, Any]]) -> int:
    return min(answer["began"] for answer in answers)


def end_of(answers: list[dict[str, Any]]) -> int:
    return max(answer["answered"] for answer in answers)


@pytest.mark.parametrize(("backend", "kind"), COMBINATIONS)
def test_acknowledged_operations_survive_a_power_failure(
    tmp_path: Path, backend: str, kind: str, tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two clients and the metastore on the same disk; unflushed writes are kept, lost or reordered."""
    print(f"LAMINA_SEED={SEED}")  # shown with a failure
    make_file_system(kind, tmp_path / "image")
    shutil.copy(tmp_path / "image", tmp_path / "forward")
    log, operations = do_operations(tmp_path, backend, kind)
    answers = [answer for done in operations.values() for answer in done]
    boot = tmp_path / "boot"
    boot.write_text("after the power cut\n")
    monkeypatch.setattr(_tidying, "BOOT_ID", str(boot))
    chance = random.Random(SEED)
    cut = PowerCut(log, tmp_path / "forward")
    made = layers = 0
    for count in cuts(cut, answers, chance):
        cut.make(count, tmp_path / "cut", by_chance(chance))
        with (
            loop_device(tmp_path / "cut") as device,
            mounted(device, kind, tmp_path / "after") as mountpoint,
            open_on(mountpoint, backend) as snapshotter,
        ):
            layers += check(snapshotter, operations, cut.entries[count - 1].end)
            check_no_orphan(snapshotter, mountpoint / "root")
            snapshotter.prepare("new")
            snapshotter.commit("new layer", "new")
        made += 1
    cut.close()
    tell(f"{made} power cuts of {len(cut.entries)} writes, {layers} layers compared, LAMINA_SEED={SEED}")
