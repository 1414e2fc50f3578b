"""Data that is not the snapshotter's own is not touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, InvalidArgument
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host
from tests.support.snapshotters.native import open_native
from tests.support.waiting import wait_until


def make_file(path: Path) -> Path:
    path.write_text("precious")
    return path


def make_directory(path: Path) -> Path:
    path.mkdir()
    return make_file(path / "file")


@pytest.mark.parametrize("make", [make_file, make_directory])
def test_foreign_data_is_neither_overwritten_nor_deleted(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with open_native(tmp_path) as snapshotter:
        precious = make(tmp_path / "native/snapshots/1")
        with pytest.raises(FailedPrecondition, match="Nothing there was touched"):
            snapshotter.prepare("a")
        snapshotter.cleanup()
        assert list(snapshotter.walk()) == []
    assert precious.read_text() == "precious"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host whose native snapshotter has a data root of its own."""
    with short_directory() as directory:
        configured = f"""[plugins."io.containerd.snapshotter.v1.{{}}"]\nroot_path = "{tmp_path}/data"\n"""
        with Host(directory / "h", configured.format("native")).running() as host:
            with host.client() as client:
                for name in ("native", "overlayfs"):
                    client.snapshotter(name).prepare("a")
            make_file(tmp_path / "data/snapshots/1/file")
            wait_until((tmp_path / "data/records/1").exists, 60, "the recovery record is written")
            host.stop()
            host.configure(configured.format("overlayfs"))
            yield host


@pytest.mark.requires("root", "overlay")
def test_the_data_root_of_another_snapshotter_is_refused(host: Host, tmp_path: Path) -> None:
    """Its data looked like what a crash had damaged, and was deleted."""
    host.start()
    with host.client() as client, pytest.raises(InvalidArgument, match="holds snapshots of native"):
        client.snapshotter("overlayfs").stat("a")
    assert (tmp_path / "data/snapshots/1/file").read_text() == "precious"


@pytest.mark.requires("root", "overlay")
def test_a_stray_recovery_record_of_another_snapshotter_keeps_no_data_root_from_being_used() -> None:
    with short_directory() as directory, Host(directory / "h").running() as host, host.client() as client:
        for name in ("native", "overlayfs"):
            client.snapshotter(name).prepare("a")
            client.snapshotter(name).prepare("b")
        records = [
            host.root / f"io.containerd.snapshotter.v1.{name}/records/1" for name in ("native", "overlayfs")
        ]
        wait_until(lambda: all(record.exists() for record in records), 60, "the recovery records are written")
        host.stop()
        shutil.copy(*records)
        host.start()
        with host.client() as again:
            assert again.snapshotter("overlayfs").stat("a").name == "a"
