"""Layers that want to reach out of their tree, to lie, or to fill the machine, on every backend.

Each ends in a clear error, or in a tree of its own; a directory outside stays as it was.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import pytest

from lamina.content import Blob
from lamina.errdefs import Error, Internal, Unknown
from lamina.layers import Applier, Limits, LocalDiffer
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount, overlay_directories, temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support import leftovers
from tests.support.hostile.layers.archive import BLOCK, HostileLayer, archive, base, directory, symlink
from tests.support.hostile.layers.escapes import ESCAPES
from tests.support.hostile.layers.floods import FLOODS
from tests.support.hostile.layers.headers import HEADERS
from tests.support.hostile.layers.trees import every_type, many_in_one_directory
from tests.support.hostile.layers.whiteouts import OVERLAY_MARKS, WHITEOUTS
from tests.support.hostile.watched import Watch, make_watched
from tests.support.rounds import rounds
from tests.support.snapshotters.btrfs import mounted_btrfs, open_btrfs
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "loop")

LAYERS = [*ESCAPES, *WHITEOUTS, *HEADERS, *FLOODS]
LIMITS = Limits(bytes=64 << 20, entries=5_000)
MEBIBYTES = 200
"""What a process that applies a layer may take."""
RACES = rounds(2, 100)
OPEN: dict[str, Callable[[Path], AbstractContextManager[LocalSnapshotter]]] = {
    "overlay": lambda path: open_overlay(path, sync_fs=False),
    "native": lambda path: open_native(path, sync_fs=False),
    "btrfs": lambda path: open_btrfs(path, sync_fs=False),
}

_EXCHANGE_FOREVER = """
import sys
from lamina.fs import exchange
print("exchanging", flush=True)
while True:
    exchange(sys.argv[1], sys.argv[2])
"""


@attrs.frozen
class Target:
    """A snapshotter with the layer `base`, and the directory outside."""

    backend: str
    snapshotter: LocalSnapshotter
    outside: Path
    keys: Iterator[int] = attrs.field(factory=itertools.count)

    @contextlib.contextmanager
    def prepared(self) -> Iterator[list[Mount]]:
        """The mounts of a snapshot on the base, which is removed at the end of the block."""
        key = f"key {next(self.keys)}"
        yield self.snapshotter.prepare(key, "base")
        self.snapshotter.remove(key)

    def apply(self, applier: Applier, data: bytes) -> Error | None:
        """Apply a layer to a snapshot on the base; returns the error with which it was refused."""
        with self.prepared() as mounts, stored(data) as blob:
            try:
                applier.apply(blob, mounts)
            except Error as error:
                return error
        return None


@contextlib.contextmanager
def stored(data: bytes) -> Iterator[Blob]:
    """A blob of these bytes."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        yield Blob(file.fileno(), len(data))


@pytest.fixture(scope="module", params=OPEN)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A snapshotter of every kind."""
    directory = tmp_path_factory.mktemp("layers")
    outside = make_watched(directory / "outside")
    with contextlib.ExitStack() as stack:
        if request.param == "btrfs":
            stack.enter_context(mounted_btrfs(directory, megabytes=512))
        snapshotter = stack.enter_context(OPEN[request.param](directory))
        target = Target(request.param, snapshotter, outside)
        with stored(base(str(outside))) as blob:
            LocalDiffer().apply(blob, snapshotter.prepare("base key"))
        snapshotter.commit("base", "base key")
        yield target


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_hostile_layer_is_refused_or_contained(
    target: Target, layer: HostileLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(target.outside)
    watch = Watch.begin(target.outside)
    refusal = target.apply(LocalDiffer(LIMITS), layer.make(str(target.outside)))
    assert watch.changes() == []
    assert not isinstance(refusal, Internal | Unknown)
    if layer.refused or (target.backend == "overlay" and layer.name in OVERLAY_MARKS):
        assert refusal is not None


@pytest.mark.parametrize("layer", FLOODS, ids=lambda layer: layer.name)
def test_a_flood_takes_little_memory(tmp_path: Path, layer: HostileLayer, tell: Callable[[str], None]) -> None:
    others = leftovers.children()
    applier = WorkerDiffer(1, LIMITS)
    try:
        with stored(layer.make("")) as blob, contextlib.suppress(Error):
            applier.apply(blob, [Mount("bind", str(tmp_path), ("rbind", "rw"))])
        peak = max(map(_peak, leftovers.children() - others))
    finally:
        applier.close()
    tell(f"{layer.name}: {peak} MiB")
    assert peak < MEBIBYTES


@pytest.mark.parametrize("cut", range(0, len(every_type()), BLOCK))
def test_a_layer_cut_at_any_block_is_refused_or_contained(target: Target, cut: int) -> None:
    watch = Watch.begin(target.outside)
    target.apply(LocalDiffer(LIMITS), every_type()[:cut])
    assert watch.changes() == []


def test_a_directory_exchanged_for_a_symlink_meanwhile_leads_nowhere_cve_2018_15664(target: Target) -> None:
    """`docker cp` resolved a path in a container, which had another one there when it was used."""
    outside = str(target.outside)
    watch = Watch.begin(target.outside)
    for _ in range(RACES):
        with target.prepared() as mounts, stored(archive(directory("e"), symlink("other", outside))) as blob:
            LocalDiffer().apply(blob, mounts)
            with (
                tree_of(mounts) as tree,
                exchanging(f"{tree}/e", f"{tree}/other"),
                stored(many_in_one_directory("e", 300)) as layer,
                contextlib.suppress(Error),
            ):
                LocalDiffer().apply(layer, mounts)
        assert watch.changes() == []


@contextlib.contextmanager
def tree_of(mounts: list[Mount]) -> Iterator[str]:
    """The directory to which layers are applied."""
    if mounts[-1].type == "overlay":
        yield overlay_directories(mounts[-1].options).upper
    else:
        with temporary_mount(mounts) as root:
            yield root


@contextlib.contextmanager
def exchanging(one: str, other: str) -> Iterator[None]:
    """Another process exchanges two names all the time during the block."""
    command = (sys.executable, "-c", _EXCHANGE_FOREVER, one, other)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"exchanging\n"
        try:
            yield
        finally:
            process.kill()


def _peak(pid: int) -> int:
    """The most memory that a process had, in MiB (VmHWM of proc(5))."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) >> 10 if found else 0
