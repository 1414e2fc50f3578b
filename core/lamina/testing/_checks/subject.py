"""The snapshotter under test, fixtures and helpers for the checks."""

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
"""The maximum number of differences between two trees in a message."""
TIMEOUT: Final = 120.0
"""Seconds after which concurrent calls count as deadlocked."""


class Subject:
    """The snapshotter under test, with helpers that take several calls."""

    def __init__(self, factory: SnapshotterFactory, directory: Path, data: Path) -> None:
        self._factory = factory
        self._data = data
        self.directory = directory
        """A directory for the check's own files."""
        self._opened = contextlib.ExitStack()
        self._numbers = itertools.count()
        self.snapshotter = self._opened.enter_context(factory.open(data))

    @property
    def traits(self) -> Traits:
        """The traits of the snapshotter."""
        return self._factory.traits

    def reopen(self) -> Snapshotter:
        """Close the snapshotter and open it again on the same data."""
        self._opened.close()
        self.snapshotter = self._opened.enter_context(self._factory.open(self._data))
        return self.snapshotter

    def close(self) -> None:
        """Close the snapshotter."""
        self._opened.close()

    def data(self) -> frozenset[str] | None:
        """List the data that exists for snapshots; None if unknown."""
        return frozenset(self._factory.data(self._data)) if self._factory.data else None

    def layer(
        self,
        name: str,
        write: Callable[[Path], object] = lambda _root: None,
        parent: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> Tree:
        """Prepare a snapshot, let `write` change its tree, and commit it; return the tree as of the commit."""
        key = f"layer {next(self._numbers)}"
        with mounted(self.snapshotter.prepare(key, parent)) as root:
            write(root)
            tree = self.read(root)
        self.snapshotter.commit(name, key, labels)
        return tree

    def tree(self, parent: str) -> Tree:
        """Return the tree of a committed snapshot."""
        key = f"view {next(self._numbers)}"
        with mounted(self.snapshotter.view(key, parent)) as root:
            tree = self.read(root)
        self.snapshotter.remove(key)
        return tree

    def active_tree(self, key: str) -> Tree:
        """Return the tree of an active snapshot or view."""
        with mounted(self.snapshotter.mounts(key)) as root:
            return self.read(root)

    def read(self, root: Path, *, times: bool = True) -> Tree:
        """Read a mounted tree, without entries that the file system created."""
        return read_tree(root, ignore=self.traits.filesystem_entries, times=times)


class Checks:
    """The fixtures of all groups of checks."""

    factories: ClassVar[Sequence[SnapshotterFactory]] = ()
    """The snapshotters to check."""

    @pytest.fixture
    def snapshotter_factory(self) -> SnapshotterFactory:
        """Fail, because the plugin did not parametrize the check."""
        raise pytest.UsageError(
            "the conformance checks need their plugin: run pytest with `-p lamina.testing.plugin`, or write "
            '`pytest_plugins = ["lamina.testing.plugin"]` in the topmost conftest.py'
        )

    @pytest.fixture
    def subject(self, snapshotter_factory: SnapshotterFactory, tmp_path: Path) -> Iterator[Subject]:
        """The snapshotter under test with its helpers."""
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
        """The snapshotter under test."""
        return subject.snapshotter


@contextlib.contextmanager
def mounted(mounts: Sequence[Mount]) -> Iterator[Path]:
    """Mount the result of a snapshotter for the duration of the block, and yield the root of the tree."""
    with temporary_mount(mounts) as root:
        yield Path(root)


def paths(tree: Tree) -> frozenset[str]:
    """Return the paths in a tree without its root."""
    return frozenset(tree.keys() - {ROOT})


def assert_same(actual: Tree, expected: Tree) -> None:
    """Fail with the differences unless two trees are equal."""
    lines = differences(actual, expected)
    if lines:
        more = [f"and {len(lines) - MAX_DIFFERENCES} more"] if len(lines) > MAX_DIFFERENCES else []
        pytest.fail("\n".join(["the trees differ:", *lines[:MAX_DIFFERENCES], *more]))


def keys(snapshotter: Snapshotter, *filters: str) -> list[str]:
    """Return the keys and names of a walk in its order."""
    return [info.name for info in snapshotter.walk(*filters)]


def run_concurrently(*calls: Callable[[], Any]) -> list[Any]:
    """Make calls concurrently, each in its own thread.

    Returns:
        The result of each call, or the lamina error that it raised.

    Raises:
        Exception: Any other exception of a call.
    """
    start = threading.Barrier(len(calls))
    outcomes: list[Any] = [None] * len(calls)

    def run(number: int) -> None:
        start.wait(TIMEOUT)
        try:
            outcomes[number] = calls[number]()
        except Exception as error:  # noqa: BLE001 - returned to the caller
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
    """Write two files, one of them in a directory."""
    (root / "dir").mkdir()
    (root / "dir/inner").write_text("inner")
    (root / "outer").write_text("outer")
