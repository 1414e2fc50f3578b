"""A data root and its metastore under test, without a host: used, lost, damaged and rebuilt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Info, Usage
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.recovery import Places, Rebuilt, rebuild
from tests.support.snapshotters.local import open_local


@attrs.frozen
class Site:
    """A metastore in `metastore/`, and in `data/` the data root of an overlay snapshotter that mounts nothing."""

    directory: Path

    @property
    def metastore(self) -> Path:
        return self.directory / "metastore"

    @property
    def database(self) -> Path:
        return self.metastore / "data.mdb"

    @property
    def root(self) -> Path:
        return self.directory / "data"

    @property
    def places(self) -> Places:
        return Places(str(self.directory), str(self.metastore), {"overlayfs": str(self.root)})

    @contextlib.contextmanager
    def open(self) -> Iterator[LocalSnapshotter]:
        """The snapshotter; when it closes, all recovery records are written."""
        self.root.mkdir(exist_ok=True)
        backend = OverlayBackend(str(self.root))
        with open_local(self.metastore, backend, "overlayfs", sync_fs=False) as snapshotter:
            yield snapshotter

    def rebuild(self, **options: Any) -> Rebuilt:
        return rebuild(self.places, **options)

    def all(self, *keyspaces: str) -> dict[tuple[str, str], tuple[Info, Usage]]:
        """Everything that the snapshotter tells of every snapshot, by keyspace and key."""
        with self.open() as snapshotter:
            return everything(snapshotter, *keyspaces)


def everything(snapshotter: LocalSnapshotter, *keyspaces: str) -> dict[tuple[str, str], tuple[Info, Usage]]:
    """What a snapshotter tells of every snapshot, by keyspace and key."""
    return {
        (name, info.name): (info, snapshotter.keyspace(name).usage(info.name))
        for name in keyspaces or ("overlayfs",)
        for info in snapshotter.keyspace(name).walk()
    }


def fill(snapshotter: LocalSnapshotter) -> None:
    """Layers on one another, an active snapshot and a view on the last, in two keyspaces; one was removed."""
    for keyspace in ("overlayfs", "other"):
        space = snapshotter.keyspace(keyspace)
        parent = ""
        for number in range(4):
            space.prepare(f"extract-{number}", parent, labels={"n": str(number)})
            space.commit(name := f"layer-{number}", f"extract-{number}", {"layer": str(number)})
            parent = name
        space.prepare("box", parent, labels={"a": "b"})
        space.update(Info("box", labels={"a": "c"}), ("labels.a",))
        space.view("look", parent)
        space.prepare("gone", parent)
        space.remove("gone")


def reasons(rebuilt: Rebuilt) -> dict[int, str]:
    return {out.id: out.reason for out in rebuilt.merged.left_out}
