"""Images that each containerd unpacks on lamina's snapshotters."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lamina.testing import Tree, differences, read_tree
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE, TEMPLATES
from tests.support.interop.releases import Release
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

LAYERS = 5
CHANGED = "lamina.test/changed:latest"
"""The name of the image that lamina makes."""


@pytest.fixture(scope="session")
def changed(host: Host, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the image with one more layer, which lamina has committed and exported."""
    directory = tmp_path_factory.mktemp("changed")
    root = directory / "root"
    root.mkdir()
    host.lamina("images", "import", str(archive))
    host.lamina("images", "mount", "--rw", "--key", "changed", IMAGE, str(root))
    (root / "added").write_text("added\n")
    (root / "bin/ls").unlink()
    host.lamina("images", "unmount", str(root))
    host.lamina("images", "commit", "changed", CHANGED, "--env", "PATH=/bin", "--env", "MADE_BY=lamina")
    host.lamina("images", "export", "-o", str(directory / "image.tar"), CHANGED)
    return directory / "image.tar"


def tree_of(containerd: Containerd, host: Host, snapshotter: str, target: Path) -> Tree:
    """Return the tree that `ctr images mount` shows of the image, from a snapshot of the host."""
    with containerd.mounted_image(IMAGE, snapshotter, target):
        assert [key for key in host.keys(snapshotter) if key.endswith(str(target))]
        return read_tree(target, times=False)


@pytest.mark.capability("`ctr images import`, `mount`, `rm` (nothing is left)")
def test_an_image_has_the_files_that_umoci_unpacks(
    containerd: Containerd, host: Host, snapshotter: str, image: str, tree: Tree, tmp_path: Path
) -> None:
    assert differences(tree_of(containerd, host, snapshotter, tmp_path / "mnt"), tree) == []


@pytest.mark.capability("`ctr images import --local`")
def test_an_import_without_the_transfer_service_makes_the_same(
    containerd: Containerd,
    release: Release,
    host: Host,
    snapshotter: str,
    archive: Path,
    tree: Tree,
    tmp_path: Path,
) -> None:
    if release.version < (1, 7):
        pytest.skip(f"containerd {release.upstream} knows no other way")
    containerd.ctr("images", "import", "--local", "--snapshotter", snapshotter, archive)
    assert differences(tree_of(containerd, host, snapshotter, tmp_path / "mnt"), tree) == []
    containerd.remove_image(IMAGE)
    wait_until(lambda: not host.keys(snapshotter), 120, f"containerd has collected all in {snapshotter}")


@pytest.mark.capability("`ctr snapshots usage`")
def test_each_layers_usage_is_told(containerd: Containerd, snapshotter: str, image: str) -> None:
    listed = containerd.ctr("snapshots", "--snapshotter", snapshotter, "usage", "-b")
    header, *rows = [line.split() for line in listed.splitlines()]
    assert header == ["KEY", "SIZE", "INODES"]
    assert len(rows) == LAYERS
    programs = Path("/bin/busybox").stat().st_size
    assert max(int(size) for _, size, _ in rows) >= programs


@pytest.mark.capability("`ctr run`, `tasks exec`, `snapshots diff`")
def test_what_a_container_changed_is_a_layer(containerd: Containerd, snapshotter: str, image: str) -> None:
    container = containerd.start_container(image, snapshotter, "sleep", "inf")
    try:
        note = f"{TEMPLATES}/note"
        assert containerd.execute(container, "cat", note) == "of the uppermost layer\n"
        containerd.execute(container, "sh", "-c", f"echo more > /new && > {note} && exec rm /bin/ls")
        with tarfile.open(fileobj=io.BytesIO(containerd.diff(container, snapshotter))) as layer:
            names = {member.name for member in layer if not member.isdir()}
    finally:
        containerd.remove_container(container)
    assert names >= {"new", note[1:], "bin/.wh.ls"}


@pytest.mark.capability("`ctr run` of an image that `lamina images commit` made")
def test_an_image_that_lamina_made_is_run(containerd: Containerd, changed: Path) -> None:
    """On containerd's own snapshotter."""
    containerd.import_image(changed, "overlayfs")
    try:
        shown = containerd.run(
            CHANGED, "overlayfs", "sh", "-c", "cat /added; echo $MADE_BY; test -e /bin/ls || echo gone"
        )
    finally:
        containerd.remove_image(CHANGED)
    assert shown.split() == ["added", "lamina", "gone"]
