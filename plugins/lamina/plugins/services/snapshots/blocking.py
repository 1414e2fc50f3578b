"""Snapshotters that know no steps."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from lamina.mount import Mount
from lamina.snapshots import Info, InSteps, Snapshotter
from lamina.steps import BLOCKING, Steps


def in_steps(snapshotter: Snapshotter) -> InSteps:
    """A snapshotter's operations in steps: its own, or each as one step that may block."""
    return snapshotter if isinstance(snapshotter, InSteps) else _Blocking(snapshotter)


@attrs.frozen
class _Blocking(InSteps):
    _snapshotter: Snapshotter

    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        yield BLOCKING
        return self._snapshotter.update(info, fieldpaths)

    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        yield BLOCKING
        return self._snapshotter.prepare(key, parent, labels)

    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        yield BLOCKING
        return self._snapshotter.view(key, parent, labels)

    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        yield BLOCKING
        self._snapshotter.commit(name, key, labels, parent)

    def remove_steps(self, key: str) -> Steps[None]:
        yield BLOCKING
        self._snapshotter.remove(key)
