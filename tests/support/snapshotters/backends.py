"""The snapshotters that the conformance suite is run on."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import attrs
import pytest

from lamina.snapshots import Snapshotter
from lamina.testing import SnapshotterFactory, Traits
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import mounted_btrfs, open_btrfs, run, subvolumes
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay


class Proxied:
    """Two hosts: what a client of the outer one asks of `remote` is done by the inner one's overlay snapshotter.

    They are started when they are first needed. Each check has them to itself, with nothing in them.
    """

    def __init__(self) -> None:
        self._running = contextlib.ExitStack()
        self._hosts: tuple[Host, Host] | None = None

    @property
    def hosts(self) -> tuple[Host, Host]:
        """The inner and the outer one."""
        if self._hosts is None:
            directory = self._running.enter_context(short_directory())
            inner = self._running.enter_context(Host(directory / "inner").running())
            table = f'type = "snapshot"\naddress = "{inner.address}"\nsnapshotter = "overlayfs"\n'
            outer = Host(directory / "outer", f"[proxy_plugins.remote]\n{table}")
            self._hosts = inner, self._running.enter_context(outer.running())
        return self._hosts

    @contextlib.contextmanager
    def open(self, _: Path) -> Iterator[Snapshotter]:
        """A client's snapshotter."""
        with self.hosts[1].client() as client:
            yield client.snapshotter("remote")

    def data(self, _: Path) -> list[str]:
        """What the inner host keeps."""
        return data_below(str(self.hosts[0].overlay))

    def stop(self) -> None:
        """Stop both, if they run."""
        self._hosts = None
        self._running.close()


class SharedBtrfs:
    """A btrfs on which each check has a directory of its own. It is mounted when it is first needed."""

    def __init__(self, *, quota: bool = False) -> None:
        self._quota = quota
        self._mounted = contextlib.ExitStack()
        self._mountpoint: Path | None = None

    @property
    def mountpoint(self) -> Path:
        """The directory on which it is mounted."""
        if self._mountpoint is None:
            directory = self._mounted.enter_context(short_directory())
            mounted = mounted_btrfs(directory, megabytes=2048, quota=self._quota)
            self._mountpoint = self._mounted.enter_context(mounted)
        return self._mountpoint

    @contextlib.contextmanager
    def directory(self, path: Path) -> Iterator[None]:
        """The directory of a check, during the block."""
        directory = self._directory(path)
        directory.mkdir()
        try:
            yield
        finally:
            prefix = f"{directory.relative_to(self.mountpoint)}/"
            if found := [name for name in subvolumes(self.mountpoint) if name.startswith(prefix)]:
                run(
                    "btrfs",
                    "subvolume",
                    "delete",
                    *(self.mountpoint / name for name in sorted(found, reverse=True)),
                )
            shutil.rmtree(directory)

    def open(self, path: Path) -> AbstractContextManager[Snapshotter]:
        """A snapshotter for the check."""
        return open_btrfs(path, root=self._directory(path) / "root", sync_fs=False)

    def data(self, path: Path) -> list[str]:
        """The data of the snapshotter of the check: directories and files below its root."""
        return data_below(f"{self._directory(path)}/root")

    def stop(self) -> None:
        """Unmount it, if it is mounted."""
        self._mountpoint = None
        self._mounted.close()

    def _directory(self, path: Path) -> Path:
        return self.mountpoint / path.parent.name  # pytest's name for the directory of the check


@contextlib.contextmanager
def emptied(open_: Callable[[Path], AbstractContextManager[Snapshotter]], path: Path) -> Iterator[None]:
    """Remove at the end of the block what a check has left in a snapshotter that others use too."""
    yield
    with open_(path) as snapshotter:
        while left := {info.name: info.parent for info in snapshotter.walk()}:
            for name in left.keys() - left.values():  # their times tell no order if the clock was set meanwhile
                snapshotter.remove(name)
        snapshotter.cleanup()


def data_below(root: str) -> list[str]:
    """What a local snapshotter keeps at a data root, removed snapshots too."""
    return [
        f"{name}/{entry}" for name in ("snapshots", "records", "trash") for entry in os.listdir(f"{root}/{name}")
    ]


OVERLAY = SnapshotterFactory(
    "overlayfs",
    functools.partial(open_overlay, sync_fs=False),
    Traits(rebase=True, renames_directories=False),
    data=lambda path: data_below(f"{path}/overlay"),
    marks=(pytest.mark.requires("root", "overlay"),),
)
PROXIED = Proxied()
PROXY = SnapshotterFactory(
    "proxy",
    PROXIED.open,
    Traits(in_process=False, keyspaces=False, rebase=True, renames_directories=False),
    environment=functools.partial(emptied, PROXIED.open),
    data=PROXIED.data,
    marks=(pytest.mark.requires("root", "overlay"),),
)
NATIVE = SnapshotterFactory(
    "native",
    functools.partial(open_native, sync_fs=False),
    data=lambda path: data_below(f"{path}/native"),
    marks=(pytest.mark.requires("root"),),
)
SHARED_BTRFS = SharedBtrfs()
BTRFS = SnapshotterFactory(
    "btrfs",
    SHARED_BTRFS.open,
    environment=SHARED_BTRFS.directory,
    data=SHARED_BTRFS.data,
    marks=(pytest.mark.requires("root", "btrfs"),),
)
SHARED_QUOTA = SharedBtrfs(quota=True)
BTRFS_QUOTA = attrs.evolve(
    BTRFS,
    name="btrfs-quota",
    open=SHARED_QUOTA.open,
    environment=SHARED_QUOTA.directory,
    data=SHARED_QUOTA.data,
)
"""Where the sizes of snapshots are those of qgroups, and limits are kept."""
BACKENDS = (OVERLAY, NATIVE, BTRFS, BTRFS_QUOTA, PROXY)
SHARED = (PROXIED, SHARED_BTRFS, SHARED_QUOTA)
"""Backends to stop after the last check."""
