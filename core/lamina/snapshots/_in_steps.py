"""Operations in steps, and the blocking methods of the contract derived from them."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lamina.snapshots._contract import Info, Snapshotter
from lamina.steps import run

if TYPE_CHECKING:
    from lamina.mount import Mount
    from lamina.steps import Steps


class InSteps(abc.ABC):
    """The operations of a snapshotter that write, each in steps.

    A snapshotter that offers them, besides the contract, promises that its `stat` and `mounts` do not block, and
    yields `BLOCKING` before a step that may. `BLOCKING` may raise where it is yielded (`ResourceExhausted`,
    `Unavailable`, `Canceled`, `DeadlineExceeded`): yield it before anything that cannot be undone, and undo there
    what was done before.
    """

    @abc.abstractmethod
    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        """Implement `Snapshotter.update`."""

    @abc.abstractmethod
    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """Implement `Snapshotter.prepare`."""

    @abc.abstractmethod
    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """Implement `Snapshotter.view`."""

    @abc.abstractmethod
    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        """Implement `Snapshotter.commit`."""

    @abc.abstractmethod
    def remove_steps(self, key: str) -> Steps[None]:
        """Implement `Snapshotter.remove`."""


class StepwiseSnapshotter(Snapshotter, InSteps):
    """A snapshotter that states its writing operations in steps; the blocking methods run them."""

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """Run `update_steps`."""
        return run(self.update_steps(info, fieldpaths))

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """Run `prepare_steps`."""
        return run(self.prepare_steps(key, parent, labels))

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """Run `view_steps`."""
        return run(self.view_steps(key, parent, labels))

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        """Run `commit_steps`."""
        run(self.commit_steps(name, key, labels, parent))

    def remove(self, key: str) -> None:
        """Run `remove_steps`."""
        run(self.remove_steps(key))
