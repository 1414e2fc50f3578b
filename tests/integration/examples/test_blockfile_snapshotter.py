"""The blockfile example, beyond the contract that the conformance suite checks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import FailedPrecondition, InvalidArgument, SkipPlugin
from lamina.images.unpack import Destination, Unpacker
from lamina.layers.workers import WorkerDiffer
from lamina.mount import temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support.commands import run
from tests.support.disks.full_disks import sync
from tests.support.images.built import build_image, layer
from tests.support.images.trees import files_of
from tests.support.snapshotters.local import open_local
from tests.support.waiting import wait_until

PACKAGE = Path(__file__).parents[3] / "examples/blockfile-snapshotter"
SIZE = "64M"
SECONDS = 60

pytestmark = pytest.mark.requires("root", "loop", "mkfs.ext4")

Open = Callable[[Path], contextlib.AbstractContextManager[LocalSnapshotter]]
"""Opens a snapshotter with its images in a directory and its metastore elsewhere."""


@pytest.fixture
def blockfile(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(PACKAGE)
    import blockfile_snapshotter  # noqa: PLC0415 # found through the line above

    module: ModuleType = blockfile_snapshotter
    return module


@pytest.fixture
def open_images(blockfile: ModuleType, tmp_path: Path) -> Open:
    @contextlib.contextmanager
    def open_(directory: Path) -> Iterator[LocalSnapshotter]:
        root, config = str(directory / "images"), blockfile.BlockfileConfig(image_size=SIZE)
        blockfile.make_empty_image(root, config)
        backend = blockfile.BlockfileBackend(root, config)
        with open_local(tmp_path / "metastore", backend, blockfile.ID) as snapshotter:
            yield snapshotter

    return open_


def test_a_mounted_snapshot_cannot_be_committed(open_images: Open, tmp_path: Path) -> None:
    with open_images(tmp_path) as snapshotter:
        with temporary_mount(snapshotter.prepare("a")) as root:
            (Path(root) / "file").touch()
            with pytest.raises(FailedPrecondition, match="not clean: unmount it"):
                snapshotter.commit("c", "a")
        snapshotter.commit("c", "a")


def test_a_snapshot_that_lost_writes_on_a_full_disk_cannot_be_committed(open_images: Open, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", disk)
    try:
        with open_images(disk) as snapshotter:
            with temporary_mount(snapshotter.prepare("a")) as root, contextlib.suppress(OSError):
                (Path(root) / "file").write_bytes(os.urandom(32 << 20))
            with pytest.raises(FailedPrecondition, match="the disk was full"):
                snapshotter.commit("c", "a")
            snapshotter.remove("a")
            snapshotter.cleanup()
            with temporary_mount(snapshotter.prepare("b")) as root:
                (Path(root) / "file").write_bytes(os.urandom(1 << 20))
            snapshotter.commit("c", "b")
    finally:
        run("umount", "--lazy", disk)


def test_an_image_shrinks_when_files_are_deleted(open_images: Open, tmp_path: Path) -> None:
    with open_images(tmp_path) as snapshotter, temporary_mount(snapshotter.prepare("a")) as root:
        file = Path(root) / "file"
        file.write_bytes(os.urandom(16 << 20))
        sync(file.parent)
        assert snapshotter.usage("a").size > 16 << 20
        file.unlink()
        sync(file.parent)
        wait_until(lambda: snapshotter.usage("a").size < 8 << 20, SECONDS, "the space to be given back")


def test_views_of_a_parent_have_no_image(open_images: Open, tmp_path: Path) -> None:
    with open_images(tmp_path) as snapshotter:
        snapshotter.prepare("a")
        snapshotter.commit("c", "a")
        views = [snapshotter.view(f"v{number}", "c") for number in range(2)]
        assert len(os.listdir(tmp_path / "images/snapshots")) == 1
        with temporary_mount(views[0]) as one, temporary_mount(views[1]) as two:
            assert os.listdir(one) == os.listdir(two) == []


def test_it_is_skipped_without_mkfs(
    blockfile: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SkipPlugin, match="install e2fsprogs"):
        blockfile.make_empty_image(str(tmp_path / "images"), blockfile.BlockfileConfig())
    assert os.listdir(tmp_path / "images") == []


def test_it_is_skipped_without_permission_to_mount(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import sys
        from blockfile_snapshotter import BlockfileConfig, make_empty_image
        make_empty_image(sys.argv[1], BlockfileConfig())
    """)
    command = ("setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", program, tmp_path / "images")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "SkipPlugin: ext4 images cannot be mounted in" in done.stderr
    assert os.listdir(tmp_path / "images") == []


def test_its_readme_shows_the_defaults(blockfile: ModuleType) -> None:
    shown = (PACKAGE / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
    defaults = attrs.asdict(blockfile.BlockfileConfig())
    table = tomllib.loads(shown)["plugins"]["io.containerd.snapshotter.v1.blockfile"]
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()} == defaults


@pytest.mark.parametrize("wrong", [{"image_size": "10 apples"}, {"mount_options": ("nonsense",)}], ids=str)
def test_a_wrong_setting_is_an_error(blockfile: ModuleType, tmp_path: Path, wrong: dict[str, object]) -> None:
    (said,) = wrong.values()
    word = said if isinstance(said, str) else "nonsense"
    with pytest.raises(InvalidArgument, match=word):
        blockfile.make_empty_image(str(tmp_path / "images"), blockfile.BlockfileConfig(**wrong))
    assert os.listdir(tmp_path / "images") == []


def test_images_are_unpacked_to_it(open_images: Open, tmp_path: Path) -> None:
    """Each layer through a mount that has ended when the layer is committed."""
    layers = [layer({"gone": "1", "a": None, "a/kept": "1"}), layer({".wh.gone": "", "a/new": "2"})]
    with (
        open_images(tmp_path) as snapshotter,
        contextlib.closing(LocalContentStore(str(tmp_path / "content"))) as content,
        contextlib.closing(WorkerDiffer()) as applier,
    ):
        image = build_image(content, layers)
        destination = Destination("blockfile", snapshotter)
        top = Unpacker(content, applier).unpack(image.manifest, image.config, destination)
        assert files_of(snapshotter, top) == {"a": None, "a/kept": "1", "a/new": "2"}
