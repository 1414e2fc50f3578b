"""The snapshotters in which a collection looks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import SkipPlugin, Unavailable
from lamina.plugin import Plugin, PluginType, Status
from lamina.plugins.gc._snapshotters import namespaces, snapshotters, unused_snapshots
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore

WORKING = Plugin(type=PluginType.SNAPSHOTTER, id="overlayfs", status=Status.OK, instance=object())
SKIPPED = Plugin(type=PluginType.SNAPSHOTTER, id="btrfs", status=Status.SKIPPED, error=SkipPlugin("no btrfs here"))
FAILED = Plugin(type=PluginType.SNAPSHOTTER, id="remote", status=Status.FAILED, error=OSError("no disk"))
OTHER = Plugin(type=PluginType.CONTENT, id="content", status=Status.FAILED, error=OSError("no disk"))


@pytest.fixture
def metastore(tmp_path: Path) -> Iterator[MetaStore]:
    with contextlib.closing(MetaStore.open(str(tmp_path / "store"))) as store:
        yield store


@pytest.fixture
def unused(metastore: MetaStore, tmp_path: Path) -> Iterator[Snapshotter]:
    """A snapshotter with the id of one that is not used."""
    backend = NativeBackend(str(tmp_path / "data"))
    opened = LocalSnapshotter.open(backend, metastore.snapshotter("btrfs"), sync_fs=False)
    with contextlib.closing(opened) as snapshotter:
        yield snapshotter


def test_those_that_do_not_apply_are_passed_over() -> None:
    assert list(snapshotters([SKIPPED, OTHER, WORKING])) == [("overlayfs", WORKING.instance)]


@pytest.mark.parametrize("plugins", [[SKIPPED, WORKING], [WORKING]], ids=["skipped", "disabled"])
def test_the_snapshots_of_one_that_is_not_used_are_known(
    plugins: list[Plugin], metastore: MetaStore, unused: Snapshotter
) -> None:
    """Those of images, and not those of one that is used."""
    unused.prepare("plain")
    unused.keyspace("images/some").prepare("fork", labels={"containerd.io/gc.ref.content.base": "sha256:1"})
    ((name, namespace, info),) = unused_snapshots(plugins, metastore)
    assert (name, namespace, info.name) == ("btrfs", "some", "fork")
    assert [*unused_snapshots([attrs.evolve(WORKING, id="btrfs")], metastore)] == []


def test_one_that_does_not_work_is_an_error_after_the_others() -> None:
    """Nobody knows what its snapshots need."""
    found = snapshotters([FAILED, WORKING])
    assert next(found) == ("overlayfs", WORKING.instance)
    with pytest.raises(Unavailable, match=r"snapshotter remote does not work: .*no disk"):
        next(found)


def test_the_namespaces_of_snapshots_are_known(metastore: MetaStore, unused: Snapshotter) -> None:
    for keyspace in ("images/a", "images/b", "images", "others"):
        unused.keyspace(keyspace).prepare("s")
    assert namespaces(metastore) == {"a", "b"}
