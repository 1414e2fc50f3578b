"""Operations in steps."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lamina.snapshots._contract import Info

if TYPE_CHECKING:
    from lamina.mount import Mount
    from lamina.steps import Steps


class InSteps(abc.ABC):
    """What a snapshotter may offer besides the contract: the operations that store something, in steps.

    Such a snapshotter says by `BLOCKING` what may block; its `stat` and `mounts` do not. `BLOCKING` may raise
    where it is yielded (`ResourceExhausted`, `Unavailable`, `Canceled`, `DeadlineExceeded`): it comes before
    anything that cannot be undone, and what was done before it is undone then.
    """

    @abc.abstractmethod
    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        """As `Snapshotter.update`."""

    @abc.abstractmethod
    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """As `Snapshotter.prepare`."""

    @abc.abstractmethod
    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """As `Snapshotter.view`."""

    @abc.abstractmethod
    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        """As `Snapshotter.commit`."""

    @abc.abstractmethod
    def remove_steps(self, key: str) -> Steps[None]:
        """As `Snapshotter.remove`."""
