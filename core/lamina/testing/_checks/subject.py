"""The snapshotter that a check is about, and what checks do with it again and again."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from lamina.errdefs import Error
from lamina.mount import Mount, temporary_mount
from lamina.snapshots import Snapshotter
from lamina.testing._factory import SnapshotterFactory, Traits
from lamina.testing._tree import ROOT, Tree, differences, read_tree

MAX_DIFFERENCES: Final = 30
"""How many differences between two trees are told."""
TIMEOUT: Final = 60.0
"""Seconds after which calls that run at once count as locked forever."""


class Subject:
    """A snapshotter that was opened for one check, with nothing in it."""

    def __init__(self, factory: SnapshotterFactory, directory: Path, data: Path) -> None:
        self._factory = factory
        self._data = data
        self.directory = directory
        """A directory for what the check itself keeps."""
        self._opened = contextlib.ExitStack()
        self._numbers = itertools.count()
        self.snapshotter = self._opened.enter_context(factory.open(data))

    @property
    def traits(self) -> Traits:
        """In what it may differ from others."""
        return self._factory.traits

    def reopen(self) -> Snapshotter:
        """Close it, and open it again on the same data."""
        self._opened.close()
        self.snapshotter = self._opened.enter_context(self._factory.open(self._data))
        return self.snapshotter

    def close(self) -> None:
        """Close it."""
        self._opened.close()

    def data(self) -> frozenset[str] | None:
        """What is kept for snapshots; None where it cannot be told."""
        return frozenset(self._factory.data(self._data)) if self._factory.data else None

    def layer(
        self,
        name: str,
        write: Callable[[Path], object] = lambda _root: None,
        parent: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Tree:
        """Commit a snapshot with what `write` makes in its tree; returns what was in it, seen before that."""
        key = f"layer {next(self._numbers)}"
        with mounted(self.snapshotter.prepare(key, parent)) as root:
            write(root)
            tree = self.read(root)
        self.snapshotter.commit(name, key, labels)
        return tree

    def tree(self, parent: str) -> Tree:
        """What a view of a committed snapshot shows."""
        key = f"view {next(self._numbers)}"
        with mounted(self.snapshotter.view(key, parent)) as root:
            tree = self.read(root)
        self.snapshotter.remove(key)
        return tree

    def active_tree(self, key: str) -> Tree:
        """What an active snapshot or view shows."""
        with mounted(self.snapshotter.mounts(key)) as root:
            return self.read(root)

    def read(self, root: Path, *, times: bool = True) -> Tree:
        """A mounted tree with its root, without what the file system itself made there."""
        return read_tree(root, ignore=self.traits.filesystem_entries, times=times)


class Checks:
    """What all groups of checks share: the fixtures."""

    factories: ClassVar[Sequence[SnapshotterFactory]] = ()
    """The snapshotters that are checked."""

    @pytest.fixture
    def snapshotter_factory(self) -> SnapshotterFactory:
        """Stands in for the parameter that the plugin gives to each check."""
        raise pytest.UsageError(
            "the conformance checks need their plugin: run pytest with `-p lamina.testing.plugin`, or write "
            '`pytest_plugins = ["lamina.testing.plugin"]` in the topmost conftest.py'
        )

    @pytest.fixture
    def subject(self, snapshotter_factory: SnapshotterFactory, tmp_path: Path) -> Iterator[Subject]:
        """The snapshotter under test, and what checks do with it."""
        data = tmp_path / "snapshotter"
        data.mkdir()
        with snapshotter_factory.environment(data):
            subject = Subject(snapshotter_factory, tmp_path, data)
            try:
                yield subject
            finally:
                subject.close()

    @pytest.fixture
    def snapshotter(self, subject: Subject) -> Snapshotter:
        """The snapshotter under test itself."""
        return subject.snapshotter


@contextlib.contextmanager
def mounted(mounts: Sequence[Mount]) -> Iterator[Path]:
    """Mount what a snapshotter returned, really; the block gets the root of the tree."""
    with temporary_mount(mounts) as root:
        yield Path(root)


def paths(tree: Tree) -> frozenset[str]:
    """The paths in a tree, without its root."""
    return frozenset(tree.keys() - {ROOT})


def assert_same(actual: Tree, expected: Tree) -> None:
    """Fail, with every difference, where two trees are not the same."""
    lines = differences(actual, expected)
    if lines:
        more = [f"and {len(lines) - MAX_DIFFERENCES} more"] if len(lines) > MAX_DIFFERENCES else []
        pytest.fail("\n".join(["the trees differ:", *lines[:MAX_DIFFERENCES], *more]))


def keys(snapshotter: Snapshotter, *filters: str) -> list[str]:
    """The keys and names of a walk, in its order."""
    return [info.name for info in snapshotter.walk(*filters)]


def run_concurrently(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls at the same moment, each in a thread of its own.

    Returns:
        What each returned; where it raised one of lamina's errors, that.

    Raises:
        Exception: What else a call raised.
    """
    start = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        start.wait(TIMEOUT)
        try:
            outcomes[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 - told to the thread that waits
            outcomes[number] = error

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(run, number), daemon=True)
        for number in range(len(calls))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), f"a call has not returned after {TIMEOUT:g} s"
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, Error):
            raise outcome
    return outcomes


def write_two_files(root: Path) -> None:
    """Two files, one of them in a directory."""
    (root / "dir").mkdir()
    (root / "dir/inner").write_text("inner")
    (root / "outer").write_text("outer")
