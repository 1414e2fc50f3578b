"""What lamina commits and exports is read by others."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.testing import Tree, differences, read_tree
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE, LICENSES, TEMPLATES
from tests.support.interop.podman import podman
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay", "umoci", "skopeo", "busybox-static")

MINE = "lamina.test/mine:1"
CHANGES = (
    *("--env", "A=1", "--label", "b=ü", "--user", "1:1", "--workdir", "/srv", "--cmd", "ls -l", "--expose", "80"),
    *(
        "--volume",
        "/data",
        "--stop-signal",
        "SIGINT",
        "--author",
        "me",
        "--message",
        "why",
        "--source-date-epoch",
        "1",
    ),
)


@attrs.frozen
class Exports:
    """An image that was committed, in all formats."""

    oci: Path
    docker: Path
    layout: Path
    tree: Tree
    """The tree of the snapshot that was committed, without the times of directories."""
    config: dict[str, Any]

    @property
    def blobs(self) -> dict[str, bytes]:
        return blobs_of(self.layout)

    @property
    def target(self) -> str:
        """The digest of the manifest."""
        return digest_in(self.layout)


@pytest.fixture(scope="module", params=["gzip", "zstd"])
def exports(request: pytest.FixtureRequest, archive: Path) -> Iterator[Exports]:
    with short_directory() as directory, Host(directory / "host").running() as host:
        target = directory / "target"
        target.mkdir()
        host.lamina("images", "import", str(archive))
        host.lamina("images", "mount", "--rw", "--key", "work", IMAGE, str(target))
        change(target)
        tree = read_tree(target, times=False)
        host.lamina("images", "unmount", str(target))
        host.lamina("images", "commit", "--compression", request.param, *CHANGES, "work", MINE)
        paths = {"oci": directory / "oci.tar", "docker": directory / "docker.tar", "oci-dir": directory / "layout"}
        for format_, path in paths.items():
            host.lamina("images", "export", "--format", format_, "-o", str(path), MINE)
        config = json.loads(host.lamina("images", "config", MINE))
        yield Exports(paths["oci"], paths["docker"], paths["oci-dir"], tree, config)


def change(root: Path) -> None:
    """Change a tree in every way that a layer can hold."""
    (root / "srv").mkdir(0o750)
    (root / "srv/new").write_text("new")
    os.chown(root / "srv/new", 3, 4)
    os.setxattr(root / "srv/new", "user.x", b"\0y")
    os.link(root / "srv/new", root / "srv/second")
    os.symlink("new", root / "srv/symlink")
    os.mkfifo(root / "srv/fifo")
    os.mknod(root / "srv/null", 0o20666, os.makedev(1, 3))
    (root / f"srv/{'long' * 50}").write_text("long")
    (root / os.fsdecode(b"srv/\xff")).write_text("not UTF-8")
    (root / LICENSES[1:] / "BSD").unlink()
    (root / LICENSES[1:] / "GPL-1").write_text("changed")
    shutil.rmtree(root / TEMPLATES[1:])
    (root / TEMPLATES[1:]).mkdir()
    (root / TEMPLATES[1:] / "other").touch()
    (root / "bin/ls").chmod(0o4755)


def blobs_of(layout: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (layout / "blobs/sha256").iterdir()}


def digest_in(layout: Path) -> str:
    digest: str = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    return digest


def skopeo(*arguments: str | Path) -> str:
    return run("skopeo", "--insecure-policy", *arguments)


@pytest.mark.parametrize("transport", ["oci", "docker-archive", "oci-archive"])
def test_skopeo_reads_the_configuration(exports: Exports, transport: str) -> None:
    path = {"oci": f"{exports.layout}:1", "oci-archive": f"{exports.oci}:1", "docker-archive": str(exports.docker)}
    assert json.loads(skopeo("inspect", "--config", "--raw", f"{transport}:{path[transport]}")) == exports.config


def test_skopeo_copies_there_and_back_with_every_digest(exports: Exports, tmp_path: Path) -> None:
    skopeo("copy", "--quiet", "--preserve-digests", f"oci-archive:{exports.oci}", f"dir:{tmp_path}/there")
    skopeo("copy", "--quiet", "--preserve-digests", f"dir:{tmp_path}/there", f"oci:{tmp_path}/back:1")
    assert blobs_of(tmp_path / "back") == exports.blobs
    assert digest_in(tmp_path / "back") == exports.target


@pytest.mark.parametrize("exports", ["gzip"], indirect=True)
def test_umoci_unpacks_the_tree_of_the_fork(exports: Exports, tmp_path: Path) -> None:
    """Umoci 0.4 does not know zstd."""
    run("umoci", "raw", "unpack", "--image", f"{exports.layout}:1", tmp_path / "tree")
    assert differences(read_tree(tmp_path / "tree", times=False), exports.tree) == []
    assert "lamina images commit" in run("umoci", "stat", "--image", f"{exports.layout}:1")


@pytest.mark.requires("buildah")
def test_buildah_mounts_the_tree_of_the_fork(exports: Exports) -> None:
    """It makes the root directory itself, which no layer of the image has."""
    with short_directory() as directory:
        storage = ("--root", directory / "root", "--runroot", directory / "run", "--storage-driver", "vfs")

        def buildah(*arguments: str | Path) -> str:
            return run("buildah", *storage, *arguments).strip()

        working = buildah("from", f"oci-archive:{exports.oci}")
        try:
            tree = read_tree(buildah("mount", working), times=False)
            assert differences({**tree, ".": exports.tree["."]}, exports.tree) == []
        finally:
            buildah("umount", working)
            buildah("rm", working)


@pytest.mark.requires("podman")
@pytest.mark.parametrize("format_", ["oci", "docker"])
def test_podman_loads_the_image_under_its_name(exports: Exports, format_: str) -> None:
    with short_directory() as directory:
        archive = exports.oci if format_ == "oci" else exports.docker
        podman(directory, "load", "--quiet", "--input", archive)
        (image,) = json.loads(podman(directory, "image", "inspect", MINE))
        assert image["Config"]["Env"] == exports.config["config"]["Env"]
        assert image["RootFS"]["Layers"] == exports.config["rootfs"]["diff_ids"]
        assert image["History"][-1]["comment"] == "why"


@pytest.mark.requires("ctr", "containerd")
@pytest.mark.parametrize("format_", ["oci", "docker"])
def test_containerd_imports_the_image_under_its_name(exports: Exports, format_: str) -> None:
    with short_directory() as directory, Containerd(directory / "containerd").running() as containerd:
        path = exports.oci if format_ == "oci" else exports.docker
        containerd.ctr("images", "import", "--snapshotter", "native", path)
        name, _, digest, *_ = containerd.ctr("images", "ls").splitlines()[1].split()
        assert (name, digest) == (MINE, exports.target)
