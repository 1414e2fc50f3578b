"""The overlay snapshotter for containers in user namespaces."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument
from lamina.mount import Mount, temporary_mount
from lamina.plugin import Plugin, PluginSet, PluginType, Readiness, Status, close_all, initialise
from lamina.plugins.metastore.plugin import lamina_register as register_metastore
from lamina.plugins.snapshots.overlay import probe
from lamina.plugins.snapshots.overlay.plugin import OverlayConfig
from lamina.plugins.snapshots.overlay.plugin import lamina_register as register_overlay
from lamina.snapshots import Kind
from lamina.snapshots.local import LocalSnapshotter
from tests.support.directories import CHECKOUT
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")

UIDS, GIDS = "0:1000:10", "0:2000:10,20:3000:1"
LABELS = {"containerd.io/snapshot/uidmapping": UIDS, "containerd.io/snapshot/gidmapping": GIDS}
MAPS = (f"uidmap={UIDS}", f"gidmap={GIDS}")


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path, remap_ids=True) as snapshotter:
        yield snapshotter


def two_layers(snapshotter: LocalSnapshotter) -> None:
    """Commit `c1` on `c0`, each with files of root and of user 5, group 6."""
    for number, parent in enumerate(("", "c0")):
        with temporary_mount(snapshotter.prepare("making", parent)) as root:
            Path(root, f"root{number}").touch()
            Path(root, f"user{number}").touch()
            os.chown(Path(root, f"user{number}"), 5, 6)
        snapshotter.commit(f"c{number}", "making")


def owners(root: str) -> dict[str, tuple[int, int]]:
    names = [".", *os.listdir(root)]
    return {name: (os.stat(Path(root, name)).st_uid, os.stat(Path(root, name)).st_gid) for name in names}


def fs(tmp_path: Path, number: int) -> str:
    return f"{tmp_path}/overlay/snapshots/{number}/fs"


CONTAINER_ROOT, CONTAINER_USER = (1000, 2000), (1005, 2006)


def test_id_map_options_come_first_in_all_mounts(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    two_layers(overlay)
    lower = f"lowerdir={fs(tmp_path, 2)}:{fs(tmp_path, 1)}"
    work = f"workdir={tmp_path}/overlay/snapshots/5/work"
    assert overlay.prepare("a0", labels=LABELS) == [Mount("bind", fs(tmp_path, 3), (*MAPS, "rw", "rbind"))]
    assert overlay.view("v0", labels=LABELS) == [Mount("bind", fs(tmp_path, 4), (*MAPS, "ro", "rbind"))]
    assert overlay.prepare("a2", "c1", LABELS) == [
        Mount("overlay", "overlay", (*MAPS, work, f"upperdir={fs(tmp_path, 5)}", lower, "index=off"))
    ]
    assert overlay.view("v1", "c0", LABELS) == [Mount("bind", fs(tmp_path, 1), (*MAPS, "ro", "rbind"))]
    assert overlay.view("v2", "c1", LABELS) == [Mount("overlay", "overlay", (*MAPS, lower, "index=off"))]
    assert overlay.mounts("v1") == [Mount("bind", fs(tmp_path, 1), (*MAPS, "ro", "rbind"))]


def test_without_labels_nothing_is_mapped(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    assert overlay.prepare("a") == [Mount("bind", fs(tmp_path, 1), ("rw", "rbind"))]


def test_labels_have_no_effect_if_ids_cannot_be_remapped(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        assert overlay.prepare("a", labels=LABELS)[0].options == ("rw", "rbind")


def test_a_container_owns_all_layers(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    two_layers(overlay)
    seen = {"root0": CONTAINER_ROOT, "root1": CONTAINER_ROOT, "user0": CONTAINER_USER, "user1": CONTAINER_USER}
    mounts = overlay.prepare("a", "c1", LABELS)
    with temporary_mount(mounts, directory=tmp_path) as root:
        assert owners(root) == {".": CONTAINER_ROOT, **seen}
        Path(root, "new").touch()
        os.chown(Path(root, "new"), *CONTAINER_USER)
        Path(root, "root0").write_text("copied up")
    with temporary_mount(mounts, directory=tmp_path) as root:
        assert owners(root) == {".": CONTAINER_ROOT, "new": CONTAINER_USER, **seen}
    assert owners(fs(tmp_path, 1)) == {".": (0, 0), "root0": (0, 0), "user0": (5, 6)}


@pytest.mark.parametrize(("parent", "layers"), [("c0", 1), ("c1", 2)])
def test_a_view_shows_layers_as_the_containers_own(
    overlay: LocalSnapshotter, tmp_path: Path, parent: str, layers: int
) -> None:
    two_layers(overlay)
    with temporary_mount(overlay.view("v", parent, LABELS), directory=tmp_path) as root:
        seen = owners(root)
        with pytest.raises(OSError, match="Read-only"):
            Path(root, "new").touch()
    # The root directory of a view is that of the topmost layer.
    assert seen.pop(".") == CONTAINER_ROOT
    assert sorted(seen.values()) == sorted([CONTAINER_ROOT, CONTAINER_USER] * layers)


def test_the_root_of_an_empty_snapshot_belongs_to_the_containers_root_and_is_roots_on_disk(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    mounts = overlay.prepare("a", labels=LABELS)
    with temporary_mount(mounts, directory=tmp_path) as root:
        assert owners(root) == {".": CONTAINER_ROOT}
        subprocess.run(["touch", "new"], cwd=root, user=1000, group=2000, extra_groups=[], check=True)
        assert owners(root)["new"] == CONTAINER_ROOT
    assert owners(fs(tmp_path, 1)) == {".": (0, 0), "new": (0, 0)}


@pytest.mark.parametrize("text", ["0:1000", "1:1000:5", "0:1000:1,x", "0:4294967295:1"])
def test_a_label_that_does_not_map_root_is_refused_and_creates_nothing(
    overlay: LocalSnapshotter, tmp_path: Path, text: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"label containerd.io/snapshot/uidmapping={text}: "):
        overlay.prepare("a", labels={**LABELS, "containerd.io/snapshot/uidmapping": text})
    assert list(overlay.walk()) == []
    assert os.listdir(tmp_path / "overlay/snapshots") == []


def test_a_size_limit_is_ignored_and_logged(overlay: LocalSnapshotter, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        overlay.prepare("a", labels={"containerd.io/snapshot/max-size": "4096"})
    assert [record.getMessage() for record in caplog.records] == [
        "overlayfs cannot limit the size of a snapshot: ignoring its label"
    ]
    assert overlay.stat("a").kind is Kind.ACTIVE


def chown(root: Path) -> None:
    """Change the owners of a tree to the mapped host users, as containerd does in a copy."""
    for path in (root, *root.iterdir()):
        status = path.stat()
        os.chown(path, 1000 + status.st_uid, 2000 + status.st_gid)


def test_a_tree_chowned_by_a_client_is_not_mapped_again(
    overlay: LocalSnapshotter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """containerd 1.7, and 2.x without `remap-ids`, chowns a copy and prepares a labelled snapshot on it."""
    two_layers(overlay)
    with temporary_mount(overlay.prepare("copy-remap", "c1")) as root:
        chown(Path(root))
    overlay.commit("copy", "copy-remap")
    for mounts in (overlay.prepare("a", "copy", LABELS), overlay.view("v", "copy", LABELS)):
        assert not set(MAPS) & set(mounts[0].options)
        with temporary_mount(mounts, directory=tmp_path) as root:
            seen = owners(root)
        assert seen["."] == seen["root0"] == CONTAINER_ROOT
        assert seen["user1"] == CONTAINER_USER
    assert caplog.records == []


def test_an_id_mapped_mount_is_logged_with_the_setting_for_older_clients(
    overlay: LocalSnapshotter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "lamina.plugins.snapshots.overlay"):
        overlay.prepare("a", labels=LABELS)
    (record,) = caplog.records
    assert "remap_ids = false" in record.getMessage()


@contextlib.contextmanager
def started(tmp_path: Path, config: OverlayConfig) -> Iterator[Plugin]:
    """The plugin on a metastore, both as a host starts them."""
    plugins = PluginSet()
    for registration in (*register_metastore(), *register_overlay()):
        plugin = initialise(
            registration,
            config=config if registration.type == PluginType.SNAPSHOTTER else None,
            root=tmp_path / registration.uri,
            state=tmp_path / "state",
            properties={},
            plugins=plugins,
            readiness=Readiness(),
        )
        plugins.add(plugin)
    try:
        yield plugin
    finally:
        close_all(plugins, seconds=10)


@pytest.mark.parametrize(
    ("slow_chown", "capabilities"),
    [(False, ["remap-ids", "only-remap-ids", "rebase"]), (True, ["remap-ids", "rebase"])],
)
def test_the_plugin_reports_its_capabilities(tmp_path: Path, slow_chown: bool, capabilities: list[str]) -> None:
    with started(tmp_path, OverlayConfig(slow_chown=slow_chown)) as plugin:
        assert (plugin.status, plugin.meta.capabilities) == (Status.OK, capabilities)
        assert isinstance(plugin.instance, LocalSnapshotter)
        assert plugin.instance.prepare("a", labels=LABELS)[0].options == (*MAPS, "rw", "rbind")


def test_without_remap_ids_labels_have_no_effect_and_clients_chown_a_copy(tmp_path: Path) -> None:
    with started(tmp_path, OverlayConfig(remap_ids=False)) as plugin:
        assert plugin.meta.capabilities == ["rebase"]
        assert isinstance(plugin.instance, LocalSnapshotter)
        assert plugin.instance.prepare("a", labels=LABELS)[0].options == ("rw", "rbind")


MUST_REMAP = """
import sys
from pathlib import Path
from lamina.plugins.snapshots.overlay.plugin import OverlayConfig
from test_overlay_remap import started

with started(Path(sys.argv[1]), OverlayConfig(remap_ids=True)) as plugin:
    print(plugin.status.value, plugin.error)
"""


def test_the_plugin_fails_if_remapping_is_required_and_impossible(tmp_path: Path) -> None:
    """Root in a user namespace cannot remap ids."""
    places = os.pathsep.join((str(Path(__file__).parent), str(CHECKOUT)))
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", MUST_REMAP, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "remap_ids = true: layers in " in done.stdout
    assert "With false, clients chown a copy" in done.stdout


DIAGNOSE = """
import sys
from lamina.plugins.snapshots.overlay._diagnose import diagnose

print(*(found.remedy for found in diagnose(sys.argv[1], (), True, None) if found.check == "id-mapped layers"))
"""


def test_the_diagnosis_says_as_well_with_which_value_clients_chown_a_copy(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", DIAGNOSE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("set remap_ids = false, with which clients chown a copy"), done.stderr


IN_A_USER_NAMESPACE = """
import logging, sys
from lamina.plugins.snapshots.overlay import probe

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
print(probe(sys.argv[1], (), remap_ids=True)[1])
"""


def test_the_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    assert probe(str(tmp_path), ("volatile",), remap_ids=True) == (("volatile", "index=off"), True)
    assert probe(str(tmp_path), (), remap_ids=False) == (("index=off",), False)
    with pytest.raises(InvalidArgument, match="nonsense"):
        probe(str(tmp_path), ("nonsense",), remap_ids=True)
    assert os.listdir(tmp_path) == []


def test_ids_cannot_be_remapped_in_a_user_namespace(tmp_path: Path) -> None:
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", IN_A_USER_NAMESPACE]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("layers cannot be id-mapped here\nFalse\n", "")
