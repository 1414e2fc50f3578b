"""The layer of two trees turns one into the other, and is the same on every snapshotter."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

import attrs
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lamina.fs import remove_tree
from lamina.layers import LocalDiffer
from lamina.mount import Mount, temporary_mount
from lamina.plugins.snapshots.btrfs import BtrfsBackend
from lamina.plugins.snapshots.btrfs import probe as probe_btrfs
from lamina.plugins.snapshots.native import NativeBackend
from lamina.plugins.snapshots.overlay import OverlayBackend, probe
from lamina.snapshots import Snapshotter
from lamina.snapshots.local import Backend
from lamina.testing import Tree, differences, read_tree
from tests.support.blobs import blob_in_file
from tests.support.comparing import layer, shown
from tests.support.rounds import rounds
from tests.support.snapshotters.btrfs import mounted_btrfs
from tests.support.snapshotters.local import open_local
from tests.support.tree_changes import CHANGE, MAKING, Change, apply

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "loop")

BLOCKFILE = Path(__file__).parents[3] / "examples/blockfile-snapshotter"
_numbers = itertools.count()


@attrs.frozen
class Bench:
    """Snapshotters of all kinds, and a directory for scratch."""

    overlay: Snapshotter
    others: Mapping[str, Snapshotter]
    directory: Path


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    directory = tmp_path_factory.mktemp("bench")
    for name in ("overlay", "redirecting", "native"):
        (directory / name).mkdir()
    with ExitStack() as stack:
        # Commits of the metastore would take most of the time on a disk.
        metastores = Path(stack.enter_context(temporary_mount([Mount("tmpfs", "tmpfs")])))

        def opened(backend: Backend, name: str) -> Snapshotter:
            return stack.enter_context(open_local(metastores / name, backend, name, sync_fs=False))

        overlay, native = str(directory / "overlay"), str(directory / "native")
        redirecting = str(directory / "redirecting")
        options = probe(redirecting, ("redirect_dir=on", "metacopy=on"), remap_ids=False)[0]
        btrfs = str(stack.enter_context(mounted_btrfs(directory, megabytes=512)) / "root")
        os.mkdir(btrfs)
        yield Bench(
            opened(OverlayBackend(overlay, options=probe(overlay, (), remap_ids=False)[0]), "overlay"),
            {
                "redirecting": opened(OverlayBackend(redirecting, options=options), "redirecting"),
                "native": opened(NativeBackend(native), "native"),
                "btrfs": opened(BtrfsBackend(btrfs, device=probe_btrfs(btrfs)), "btrfs"),
                "blockfile": opened(blockfile(directory / "images"), "blockfile"),
            },
            directory,
        )


def blockfile(root: Path) -> Backend:
    """The backend of a package that is no part of lamina."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BLOCKFILE)
        import blockfile_snapshotter  # noqa: PLC0415 # found through the line above

        sys.modules.pop("blockfile_snapshotter")
    config = blockfile_snapshotter.BlockfileConfig(image_size="8M")
    blockfile_snapshotter.make_empty_image(str(root), config)
    return blockfile_snapshotter.BlockfileBackend(str(root), config)


@settings(max_examples=rounds(50, 1000), suppress_health_check=list(HealthCheck))
@given(
    lowest=st.lists(MAKING, min_size=3, max_size=12),
    base=st.lists(MAKING, min_size=8, max_size=24),
    changes=st.lists(CHANGE, min_size=4, max_size=24),
    others=st.permutations(("redirecting", "native", "btrfs", "blockfile")).map(
        lambda names: names[: rounds(1, 4)]
    ),
)
def test_layers_turn_one_tree_into_the_other_and_are_the_same_everywhere(
    bench: Bench,
    lowest: Sequence[Change],
    base: Sequence[Change],
    changes: Sequence[Change],
    others: Sequence[str],
) -> None:
    with Snapshots(bench.overlay) as overlay:
        zero, _ = overlay.changed("", lowest)
        a, _ = overlay.changed(zero, base)
        with overlay.active(a) as (mounts, root):
            possible = apply(changes, root)
            tree = read(root)
            expected = layer(overlay.view(a), mounts)
            assert layer(overlay.view(a), shown(root)) == expected, "walked"
            assert layer(mounts, mounts) == EMPTY
        b = overlay.commit(mounts)
        assert layer(overlay.view(a), overlay.view(b)) == expected, "committed"
        with overlay.mounted(a) as base_root, overlay.mounted(b) as root:
            assert layer(overlay.view(zero), overlay.view(b)) == layer(overlay.view(zero), shown(root)), (
                "two layers"
            )
            fork, _ = overlay.changed(zero, changes)
            with overlay.mounted(fork) as other:
                walked = layer(shown(other), shown(root))
            assert layer(overlay.view(fork), overlay.view(b)) == walked, "a fork"
            assert applied(overlay, fork, walked, bench.directory) == tree
            assert applied(overlay, a, expected, bench.directory) == tree
            assert rebuilt(overlay, a, root, tree) == expected, "rebuilt on overlay"
            event("changes" if expected != EMPTY else "no changes")
            for name in others:
                with Snapshots(bench.others[name]) as other:
                    own = other.copied(base_root)
                    mine, found = other.changed(own, possible)
                    between = layer(other.view(own), other.view(mine))
                    with other.mounted(own) as one, other.mounted(mine) as two:
                        assert layer(shown(one), shown(two)) == between, f"{name}, walked"
                    assert applied(other, own, between, bench.directory) == found, name
                    if found == tree:
                        event(f"{name}: the same tree")
                        assert between == expected, name
                    assert rebuilt(other, own, root, tree) == expected, name


EMPTY = bytes(1024)


class Snapshots:
    """The snapshots of one example, removed at its end."""

    def __init__(self, snapshotter: Snapshotter) -> None:
        self._snapshotter = snapshotter
        self._made: list[str] = []
        self._keys: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for key in reversed(self._made):
            self._snapshotter.remove(key)
        self._snapshotter.cleanup()

    def _key(self) -> str:
        self._made.append(f"snapshot{next(_numbers)}")
        return self._made[-1]

    @contextmanager
    def active(self, parent: str) -> Iterator[tuple[list[Mount], Path]]:
        key = self._key()
        mounts = self._snapshotter.prepare(key, parent)
        self._keys[id(mounts)] = key
        with temporary_mount(mounts) as root:
            yield mounts, Path(root)

    def commit(self, mounts: Sequence[Mount]) -> str:
        key = self._keys[id(mounts)]
        self._made.remove(key)
        name = self._key()
        self._snapshotter.commit(name, key)
        return name

    def changed(self, parent: str, changes: Sequence[Change]) -> tuple[str, Tree]:
        with self.active(parent) as (mounts, root):
            apply(changes, root)
            tree = read(root)
        return self.commit(mounts), tree

    def copied(self, source: Path) -> str:
        with self.active("") as (mounts, root):
            copy(source, root)
        return self.commit(mounts)

    def view(self, name: str) -> list[Mount]:
        return self._snapshotter.view(self._key(), name)

    @contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        with temporary_mount(self.view(name)) as root:
            yield Path(root)


def applied(snapshots: Snapshots, parent: str, archive: bytes, directory: Path) -> Tree:
    """The tree after a layer was applied."""
    with snapshots.active(parent) as (mounts, _):
        pass
    with blob_in_file(directory / "blob", archive) as blob:
        LocalDiffer().apply(blob, mounts)
    with snapshots.mounted(snapshots.commit(mounts)) as root:
        return read(root)


def rebuilt(snapshots: Snapshots, parent: str, source: Path, tree: Tree) -> bytes:
    """The layer of a tree that was made by replacing everything."""
    with snapshots.active(parent) as (mounts, root):
        for entry in root.iterdir():
            remove_tree(str(entry))
        copy(source, root)
        assert differences(read(root), tree) == []
    return layer(snapshots.view(parent), mounts)


def copy(source: Path, target: Path) -> None:
    """Copy a tree. What it is copied to must not have a set-group-ID bit, which `cp` would pass on and leave."""
    target.chmod(0o700)
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)


def read(root: Path) -> Tree:
    """A tree by its definition."""
    return {
        path: attrs.evolve(entry, mtime=0) if entry.type == "directory" else entry
        for path, entry in read_tree(root).items()
        if entry.type != "socket"
    }
