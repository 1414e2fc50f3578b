"""A data root that another process holds when the host starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import Unavailable
from lamina.fs import Lock
from lamina.plugin import PluginType
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

URI = f"{PluginType.SNAPSHOTTER}.native"


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


def test_a_data_root_is_served_once_its_holder_releases_it(directory: Path) -> None:
    """The command line says meanwhile who has it, and that it is being retried."""
    (directory / "native").mkdir(mode=0o700)
    config = f'[plugins."{URI}"]\nroot_path = "{directory}/native"\n'
    with (
        contextlib.closing(Lock.acquire(f"{directory}/native/lamina.lock")) as holder,
        Host(directory / "host", config).running() as host,
        host.client() as client,
    ):
        native = client.snapshotter("native")
        with pytest.raises(Unavailable, match=r"is locked by process .*; it is being retried"):
            native.prepare("a")
        (row,) = host.lamina("plugins", "ls", f"type=={PluginType.SNAPSHOTTER},id==native").splitlines()[1:]
        assert row.endswith("failed (retrying)")
        assert "; it is being retried" in host.lamina("plugins", "why", URI)
        holder.close()
        host.reload()
        wait_until(lambda: not client.plugins("id==native")[0].details.retrying, 60, "it is served")
        native.prepare("a")
