"""The examples work as documented."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.config import load
from lamina.errdefs import Unimplemented
from lamina.mount import temporary_mount
from lamina.plugin import discover
from lamina.snapshots import Kind
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host
from tests.support.snapshotters.local import open_local

EXAMPLES = Path(__file__).parents[3] / "examples"

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


def test_the_demo_shows_three_layers_and_leaves_nothing() -> None:
    shown = run(sys.executable, EXAMPLES / "demo.py")
    export, serve = shown.splitlines()[:2]
    address = export.removeprefix("$ export LAMINA_ADDRESS=")
    assert serve.endswith(f" --address {address} &")
    assert " base\n  \\_ app\n    \\_ config\n      \\_ look\n" in shown
    assert "  bin/app: v2\n  etc/app.conf: threads = 2\n  etc/os-release: NAME=demo\n" in shown
    assert shown.endswith("# host down, exit code 0\n# mounts left: 0, directory left: False\n")


def test_the_copy_snapshotter_serves_real_trees(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    with (
        Host(directory / "host", arguments=("-p", "copy_snapshotter")).running() as host,
        host.client() as client,
    ):
        copies = client.snapshotter("lamina-copies")
        with temporary_mount(copies.prepare("a"), directory=directory) as root:
            (Path(root) / "file").write_text("one")
            os.chown(f"{root}/file", 7, 8)
            os.mknod(f"{root}/device", stat.S_IFCHR, os.makedev(1, 3))
        copies.commit("base", "a")
        with temporary_mount(copies.prepare("b", "base"), directory=directory) as root:
            (Path(root) / "file").write_text("two")
        with temporary_mount(copies.view("v", "base"), directory=directory) as root:
            assert (Path(root) / "file").read_text() == "one"
            assert sorted(os.listdir(root)) == ["device", "file"]
            assert (os.stat(f"{root}/file").st_uid, os.stat(f"{root}/file").st_gid) == (7, 8)
            assert os.stat(f"{root}/device").st_rdev == os.makedev(1, 3)


def test_the_configuration_is_accepted() -> None:
    config = load(EXAMPLES / "config.toml")
    decoded, warnings = config.decode_plugins({one.uri: one.config for one in discover().registry})
    assert warnings == []
    assert decoded["io.containerd.grpc.v1.snapshots"].aliases == {
        "lamina": "overlayfs",
        "lamina-build": "overlayfs",
    }


def test_a_snapshotter_that_cannot_rebase_refuses_instead_of_losing_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    from copy_snapshotter import CopyBackend  # noqa: PLC0415 # found through the line above

    with open_local(tmp_path / "metastore", CopyBackend(str(tmp_path / "copies")), "copies") as snapshotter:
        for key in ("a", "b"):
            snapshotter.prepare(key)
        snapshotter.commit("base", "a")
        with pytest.raises(Unimplemented, match="cannot give it one at commit"):
            snapshotter.commit("top", "b", parent="base")
        assert snapshotter.stat("b").kind is Kind.ACTIVE
