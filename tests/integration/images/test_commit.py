"""Images that are made of snapshots."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import attrs
import pytest

from lamina.content import NewBlob, Writer, ingest, read_blob
from lamina.content.local import LocalContentStore
from lamina.errdefs import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    RefLocked,
    Unimplemented,
)
from lamina.images import ConfigChanges, Image, LocalTransfer, Progress
from lamina.images.building import BASE
from lamina.images.documents import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Index, IndexEntry, Manifest, Platform
from lamina.images.unpack import Destination
from lamina.layers import Differ, LocalDiffer, WrittenLayer
from lamina.metadata import Metadata
from lamina.metadata.collection import Collector
from lamina.mount import temporary_mount
from lamina.snapshots import Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.temporary import DIFF, LABEL
from lamina.store import Store
from tests.support.images.built import build_image, layer
from tests.support.images.documents import descriptor_of
from tests.support.images.trees import files_of, unfinished
from tests.support.snapshotters.backends import BTRFS, NATIVE, OVERLAY
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay")

LAYERS = (layer({"etc": None, "etc/os-release": "12", "etc/motd": "hello"}),)
DEBIAN = "docker.io/library/debian:12"
EPOCH = 1_700_000_000


@attrs.frozen
class Builds:
    """Commits the changes that tests make."""

    content: LocalContentStore
    metadata: Metadata
    snapshotter: Snapshotter
    transfer: LocalTransfer

    def base(self, name: str = DEBIAN, author: str = "") -> str:
        """Make an image with `LAYERS`, unpack it, and return the digest of its manifest."""
        built = build_image(self.content, LAYERS)
        config = {**json.loads(read_blob(self.content, built.config_digest)), "author": author}
        described = self.store(config, OCI_CONFIG)
        manifest = Manifest(OCI_MANIFEST, described, built.manifest.layers, {"some": "annotation"})
        target = self.store(manifest.document(), OCI_MANIFEST)
        self.metadata.images("default").put(Image(name, target))
        self.transfer.unpack(name)
        return target.digest

    def store(self, document: object, media_type: str) -> Any:
        data = json.dumps(document).encode()
        described = descriptor_of(data, media_type)
        ingest(self.content, [NewBlob(described.digest, data)])
        return described

    def fork(self, key: str = "work", parent: str | None = None, **labels: str) -> None:
        """Make an active snapshot on the base image or another snapshot."""
        chain = self.transfer.resolve(DEBIAN).chain_id if parent is None else parent
        self.snapshotter.prepare(key, chain, {name.replace("_", "/"): value for name, value in labels.items()})

    @contextlib.contextmanager
    def changing(self, key: str = "work") -> Iterator[Path]:
        with temporary_mount(self.snapshotter.mounts(key)) as root:
            yield Path(root)

    def change(self, key: str = "work") -> None:
        """Add a file, remove one, and change one."""
        with self.changing(key) as root:
            (root / "etc/added").write_text("new")
            (root / "etc/motd").unlink()
            (root / "etc/os-release").write_text("13")

    def documents(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The configuration and the manifest of an image."""
        found = self.transfer.resolve(name)
        return tuple(json.loads(read_blob(self.content, one.digest)) for one in (found.config, found.manifest))

    def unpacked(self, name: str) -> dict[str, str | None]:
        return files_of(self.snapshotter, self.transfer.unpack(name).chain_id)

    def ingests(self) -> list[str]:
        return [status.ref for status in self.content.statuses()]


Making = Callable[..., Builds]


@pytest.fixture
def building(tmp_path: Path) -> Iterator[Making]:
    with contextlib.ExitStack() as stack:
        metadata = Metadata.open(stack.enter_context(closing(Store.open(str(tmp_path / "store")))))
        content = stack.enter_context(closing(LocalContentStore(str(tmp_path / "content"), metadata.labels)))

        def make(snapshotter: Snapshotter, differ: Differ | None = None) -> Builds:
            destination = Destination("some", snapshotter)
            transfer = LocalTransfer(
                content,
                metadata.images,
                differ or LocalDiffer(),
                lambda _: destination,
                metadata.temporary_lease,
                discard=lambda _: None,
            )
            return Builds(content, metadata, snapshotter.keyspace("images/default"), transfer)

        yield make


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path, sync_fs=False) as snapshotter:
        yield snapshotter


@pytest.fixture
def builds(building: Making, overlay: LocalSnapshotter) -> Builds:
    return building(overlay)


@pytest.mark.parametrize(
    "backend", [pytest.param(one, id=one.name, marks=one.marks) for one in (OVERLAY, NATIVE, BTRFS)]
)
def test_an_image_has_the_tree_of_the_snapshot_on_every_backend(
    backend: Any, building: Making, tmp_path: Path
) -> None:
    with backend.environment(tmp_path), backend.open(tmp_path) as snapshotter:
        builds = building(snapshotter)
        builds.base()
        builds.fork()
        builds.change()
        image = builds.transfer.commit("work", "mine", source_date_epoch=EPOCH)
        assert image.name == "docker.io/library/mine:latest"
        assert builds.unpacked("mine") == {"etc": None, "etc/added": "new", "etc/os-release": "13"}
        assert unfinished(builds.snapshotter) == {"work"}
        assert builds.ingests() == []


def test_files_of_a_user_namespace_have_the_owners_that_its_container_sees(
    building: Making, tmp_path: Path
) -> None:
    """The fork looks as it was made without a namespace, and so does the layer."""
    maps = {f"containerd.io/snapshot/{kind}mapping": "0:100000:65536" for kind in ("uid", "gid")}
    digests = set()
    with open_overlay(tmp_path, sync_fs=False, remap_ids=True) as snapshotter:
        builds = building(snapshotter)
        builds.base()
        for key, labels, first in (("plain", {}, 0), ("mapped", maps, 100000)):
            builds.snapshotter.prepare(key, builds.transfer.resolve(DEBIAN).chain_id, labels)
            with builds.changing(key) as root:
                (root / "etc/os-release").chmod(0o600)
                os.chown(root / "etc/motd", first + 7, first + 8)
                os.mkfifo(root / "new")
                os.utime(root / "new", (EPOCH, EPOCH))
                os.chown(root / "new", first, first)
            builds.transfer.commit(key, key, source_date_epoch=EPOCH)
            digests.add(builds.documents(key)[1]["layers"][-1]["digest"])
    assert len(digests) == 1


def test_it_has_the_layers_of_its_base_and_one_more(builds: Builds) -> None:
    builds.base()
    builds.fork()
    builds.change()
    builds.transfer.commit("work", "mine")
    base, made = builds.transfer.resolve(DEBIAN), builds.transfer.resolve("mine")
    assert made.layers[:-1] == base.layers
    assert made.diff_ids[:-1] == base.diff_ids
    assert len(made.layers) == 2
    assert builds.documents("mine")[1]["annotations"] == {"some": "annotation"}


def test_blobs_get_the_labels_that_an_import_gives_them(builds: Builds) -> None:
    builds.base()
    builds.fork()
    builds.change()
    builds.transfer.commit("work", "mine")
    made = builds.transfer.resolve("mine")
    assert builds.content.info(made.layers[-1].digest).labels == {"containerd.io/uncompressed": made.diff_ids[-1]}
    assert builds.content.info(made.manifest.digest).labels == {
        "containerd.io/gc.ref.content.config": made.config.digest,
        **{f"containerd.io/gc.ref.content.l.{number}": one.digest for number, one in enumerate(made.layers)},
    }


def test_the_same_snapshot_makes_the_same_image_for_the_same_time(builds: Builds) -> None:
    builds.base()
    builds.fork()
    builds.change()
    first, second = (
        builds.transfer.commit("work", name, source_date_epoch=EPOCH).target for name in ("one", "two")
    )
    assert first == second
    config, _ = builds.documents("one")
    assert config["created"] == config["history"][-1]["created"] == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_layer_is_compressed_as_asked_for(builds: Builds, compression: Any) -> None:
    builds.base()
    builds.fork()
    builds.change()
    builds.transfer.commit("work", "mine", compression=compression)
    layer_type = builds.transfer.resolve("mine").layers[-1].media_type
    assert layer_type == "application/vnd.oci.image.layer.v1.tar" + {"none": ""}.get(
        compression, f"+{compression}"
    )
    assert builds.unpacked("mine")["etc/added"] == "new"
    with pytest.raises(InvalidArgument, match="expected gzip, zstd, none"):
        builds.transfer.commit("work", "mine", compression="xz")


def test_changes_of_the_configuration_and_the_message_are_in_the_image(builds: Builds) -> None:
    builds.base(author="somebody")
    builds.fork()
    builds.change()
    changes = ConfigChanges(cmd=("sh",), author="me")
    builds.transfer.commit("work", "mine", changes=changes, message="why", source_date_epoch=0)
    config, _ = builds.documents("mine")
    assert (config["config"], config["author"]) == ({"Cmd": ["sh"]}, "me")
    assert config["history"] == [
        {},
        {
            "created": "1970-01-01T00:00:00Z",
            "created_by": "lamina images commit",
            "author": "me",
            "comment": "why",
        },
    ]


def test_an_unchanged_snapshot_adds_no_layer(builds: Builds) -> None:
    builds.base()
    builds.fork()
    chain = builds.transfer.resolve(DEBIAN).chain_id
    for key in ("work", chain):
        builds.transfer.commit(key, "mine", changes=ConfigChanges(user="1"))
        assert builds.transfer.resolve("mine").layers == builds.transfer.resolve(DEBIAN).layers
        config, _ = builds.documents("mine")
        assert config["history"][-1]["empty_layer"] is True
        builds.metadata.images("default").delete("docker.io/library/mine:latest")
    assert builds.ingests() == []


def test_a_snapshot_without_an_image_below_becomes_one_layer(builds: Builds) -> None:
    builds.fork("base", "")
    with builds.changing("base") as root:
        (root / "file").write_text("1")
    builds.snapshotter.commit("app", "base")
    builds.fork("work", "app")
    with builds.changing() as root:
        (root / "other").write_text("2")
    builds.transfer.commit("work", "mine")
    assert len(builds.transfer.resolve("mine").layers) == 1
    assert builds.unpacked("mine") == {"file": "1", "other": "2"}


def test_the_nearest_image_below_is_the_base(builds: Builds) -> None:
    """The layer has what several snapshots changed."""
    builds.base()
    builds.fork()
    builds.change()
    builds.snapshotter.commit("app", "work")
    builds.fork("more", "app")
    with builds.changing("more") as root:
        (root / "more").write_text("1")
    builds.transfer.commit("more", "mine")
    assert len(builds.transfer.resolve("mine").layers) == 2
    builds.transfer.commit("app", "app")
    builds.transfer.unpack("app")
    builds.fork("again", builds.transfer.resolve("app").chain_id)
    with builds.changing("again") as root:
        (root / "more").write_text("1")
    builds.transfer.commit("again", "again")
    assert builds.transfer.resolve("again").layers[:2] == builds.transfer.resolve("app").layers
    assert builds.unpacked("again") == builds.unpacked("mine")


def test_of_several_images_below_one_is_named_or_labelled(builds: Builds) -> None:
    builds.base(author="first")
    other = builds.base("docker.io/library/other:1", author="second")
    builds.fork()
    with pytest.raises(
        FailedPrecondition, match=rf"is based on several images: {DEBIAN}, .*other:1.* --base {DEBIAN}"
    ):
        builds.transfer.commit("work", "mine")
    builds.transfer.commit("work", "mine", base="other:1")
    assert builds.documents("mine")[0]["author"] == "second"
    builds.metadata.images("default").put(
        Image("docker.io/library/same:1", builds.transfer.resolve("other:1").manifest)
    )
    builds.snapshotter.prepare("labelled", builds.transfer.resolve(DEBIAN).chain_id, {BASE: other})
    builds.transfer.commit("labelled", "mine")
    assert builds.documents("mine")[0]["author"] == "second"


def test_several_names_of_one_image_are_one_base(builds: Builds) -> None:
    builds.base()
    builds.base("docker.io/library/other:1")
    builds.fork()
    builds.transfer.commit("work", "mine")


def test_a_label_counts_only_if_it_is_true(builds: Builds) -> None:
    builds.base(author="first")
    chain = builds.transfer.resolve(DEBIAN).chain_id
    for number, wrong in enumerate((f"sha256:{'0' * 64}", builds.store({"x": 1}, OCI_MANIFEST).digest, "x")):
        builds.snapshotter.prepare(f"work {number}", chain, {BASE: wrong})
        builds.transfer.commit(f"work {number}", "mine")
        assert builds.documents("mine")[0]["author"] == "first"
        builds.metadata.images("default").delete("docker.io/library/mine:latest")


def test_a_base_that_the_snapshot_does_not_lie_on_is_refused(builds: Builds) -> None:
    builds.base()
    builds.fork("work", "")
    with pytest.raises(FailedPrecondition, match=f"'work' is not based on {DEBIAN}"):
        builds.transfer.commit("work", "mine", base="debian:12")
    with pytest.raises(NotFound, match="no image 'missing'"):
        builds.transfer.commit("work", "mine", base="missing")
    with pytest.raises(
        NotFound, match=r"^snapshot 'missing' does not exist in some/images/default: lamina snapshots "
    ):
        builds.transfer.commit("missing", "mine")
    assert [image.name for image in builds.metadata.images("default").list()] == [DEBIAN]


def test_a_mounted_snapshot_is_refused_unless_it_is_committed_live(builds: Builds) -> None:
    builds.base()
    builds.fork()
    builds.change()
    with builds.changing() as root:
        with pytest.raises(FailedPrecondition, match=f"'work' is mounted on {root}: unmount it first .*--live"):
            builds.transfer.commit("work", "mine")
        builds.transfer.commit("work", "mine", live=True)
    assert builds.unpacked("mine")["etc/added"] == "new"


def test_mounts_of_other_namespaces_count(builds: Builds) -> None:
    builds.base()
    builds.fork()
    (mount,) = builds.snapshotter.mounts("work")
    script = 'mount -t "$1" "$2" -o "$3" /mnt && echo mounted && read -r _'
    options = ",".join(mount.options)
    command = ("unshare", "--mount", "sh", "-c", script, "sh", mount.type, mount.source, options)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "mounted\n"
        with pytest.raises(FailedPrecondition, match="as seen by process"):
            builds.transfer.commit("work", "mine")
        process.communicate("\n")


def test_a_snapshot_that_is_mounted_during_the_commit_is_refused(
    building: Making, overlay: LocalSnapshotter
) -> None:
    class Mounting(LocalDiffer):
        def compare(self, *arguments: Any, **options: Any) -> WrittenLayer:
            written = super().compare(*arguments, **options)
            mounted.enter_context(builds.changing())
            return written

    with contextlib.ExitStack() as mounted:
        builds = building(overlay, Mounting())
        builds.base()
        builds.fork()
        builds.change()
        with pytest.raises(FailedPrecondition, match="is mounted"):
            builds.transfer.commit("work", "mine")
    assert builds.ingests() == []


@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
def test_a_snapshot_that_is_removed_while_it_is_read_is_no_image(
    building: Making, overlay: LocalSnapshotter, is_replaced: bool
) -> None:
    """What was read may be a part of its files."""

    class Removing(LocalDiffer):
        def compare(self, *arguments: Any, **options: Any) -> WrittenLayer:
            written = super().compare(*arguments, **options)
            builds.snapshotter.remove("work")
            if is_replaced:
                builds.fork()
            return written

    builds = building(overlay, Removing())
    builds.base()
    builds.fork()
    builds.change()
    with pytest.raises(Aborted if is_replaced else NotFound):
        builds.transfer.commit("work", "mine", live=True)
    with pytest.raises(NotFound):
        builds.transfer.resolve("mine")


class Interrupted(LocalDiffer):
    """Writes a part of a layer, and fails."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def compare(self, lower: Any, upper: Any, write: Callable[[bytes], object], **_: Any) -> WrittenLayer:
        write(b"a part")
        raise self._error


def test_documents_that_an_interrupted_commit_left_are_replaced_by_those_of_the_next(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds.base()
    builds.fork()
    with monkeypatch.context() as patched:
        patched.setattr(builds.content, "commit_all", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            builds.transfer.commit("work", "mine")
    assert len(builds.ingests()) == 2
    builds.transfer.commit("work", "mine")
    assert builds.ingests() == []


@pytest.mark.parametrize("error", [Aborted("changed"), KeyboardInterrupt()], ids=["changed", "interrupted"])
def test_a_failed_commit_leaves_nothing(building: Making, overlay: LocalSnapshotter, error: BaseException) -> None:
    builds = building(overlay, Interrupted(error))
    builds.base()
    builds.fork()
    before = {info.digest for info in builds.content.walk()}
    with pytest.raises(type(error)):
        builds.transfer.commit("work", "mine")
    assert builds.ingests() == []
    assert {info.digest for info in builds.content.walk()} == before
    assert unfinished(builds.snapshotter) == {"work"}


def test_what_an_interrupted_commit_left_is_not_part_of_the_layer(builds: Builds) -> None:
    builds.base()
    builds.fork()
    builds.change()
    builds.transfer.commit("work", "one", source_date_epoch=EPOCH)
    refs: list[str] = []
    open_writer = builds.content.writer

    def writer(ref: str, **options: Any) -> Writer:
        refs.append(ref)
        return open_writer(ref, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builds.content, "writer", writer)
        builds.transfer.commit("work", "two", source_date_epoch=EPOCH)
    with open_writer(refs[0]) as left:
        left.write(b"a part")
    assert builds.transfer.commit("work", "two", source_date_epoch=EPOCH).target.digest == (
        builds.transfer.resolve("one").manifest.digest
    )
    with open_writer(refs[0]), pytest.raises(RefLocked, match="'work' is being committed"):
        builds.transfer.commit("work", "two")


def test_leftovers_of_killed_commits_are_removed(builds: Builds) -> None:
    builds.base()
    builds.fork()
    program = "from lamina.snapshots.temporary import Owner; print(Owner().label)"
    label = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.strip()
    builds.snapshotter.view(f"{DIFF}1", "", {LABEL: label})
    builds.transfer.commit("work", "mine")
    assert unfinished(builds.snapshotter) == {"work"}


def test_a_differ_that_only_applies_layers_says_so(building: Making, overlay: LocalSnapshotter) -> None:
    class Applying(LocalDiffer):
        compare = Differ.compare

    builds = building(overlay, Applying())
    builds.base()
    builds.fork()
    with pytest.raises(Unimplemented, match="only applies layers"):
        builds.transfer.commit("work", "mine")


def test_the_name_of_a_new_image_has_no_digest(builds: Builds) -> None:
    builds.base()
    builds.fork()
    for name in (f"mine@sha256:{'0' * 64}", "MINE"):
        with pytest.raises(InvalidArgument):
            builds.transfer.commit("work", name)


def test_progress_is_reported_under_the_key(builds: Builds) -> None:
    builds.base()
    builds.fork()
    builds.change()
    reported: list[Progress] = []
    builds.transfer.commit("work", "mine", progress=reported.append)
    assert {(one.digest, one.what) for one in reported} == {("work", "commit")}
    assert reported[-1].done == reported[-1].total > 0


def test_an_edited_image_has_the_same_layers(builds: Builds) -> None:
    target = builds.base(author="somebody")
    made = builds.transfer.edit("debian:12", "mine", changes=ConfigChanges(env={"A": "1"}), message="why")
    assert builds.transfer.resolve("mine").layers == builds.transfer.resolve(DEBIAN).layers
    config, _ = builds.documents("mine")
    assert config["config"] == {"Env": ["A=1"]}
    assert config["history"][-1] == {
        "created": config["created"],
        "created_by": "lamina images config",
        "comment": "why",
        "empty_layer": True,
    }
    assert made.name == "docker.io/library/mine:latest"
    assert builds.transfer.resolve(DEBIAN).manifest.digest == target
    builds.transfer.edit("debian:12", changes=ConfigChanges(author=""))
    assert builds.transfer.resolve(DEBIAN).manifest.digest != target


def test_an_image_for_several_platforms_is_not_replaced_by_one_for_one(builds: Builds) -> None:
    builds.base()
    amd64 = builds.transfer.resolve(DEBIAN).manifest
    config = {**builds.documents(DEBIAN)[0], "architecture": "s390x"}
    other = Manifest(OCI_MANIFEST, builds.store(config, OCI_CONFIG), builds.transfer.resolve(DEBIAN).layers)
    entries = (
        IndexEntry(amd64, Platform.host()),
        IndexEntry(builds.store(other.document(), OCI_MANIFEST), Platform("linux", "s390x")),
    )
    index = builds.store(Index(OCI_INDEX, entries).document(), OCI_INDEX)
    builds.metadata.images("default").put(Image(DEBIAN, index))
    with pytest.raises(FailedPrecondition, match=r"several platforms .*linux/s390x.*give that another name"):
        builds.transfer.edit(DEBIAN, changes=ConfigChanges(user="1"))
    builds.transfer.edit(DEBIAN, "mine", changes=ConfigChanges(user="1"), platform="linux/s390x")
    assert builds.transfer.resolve("mine", platform="linux/s390x").platform == "linux/s390x"


def test_a_collection_in_the_middle_takes_nothing_away(building: Making, overlay: LocalSnapshotter) -> None:
    """Also if nothing but the commit needs it any more."""

    class Collecting(LocalDiffer):
        def compare(self, *arguments: Any, **options: Any) -> WrittenLayer:
            written = super().compare(*arguments, **options)
            builds.metadata.images("default").delete(DEBIAN)
            list(Collector(builds.metadata, builds.content, lambda: [("some", overlay)], grace=0).collect())
            return written

    builds = building(overlay, Collecting())
    builds.base()
    builds.fork()
    builds.change()
    chain = builds.transfer.resolve(DEBIAN).chain_id
    builds.transfer.commit("work", "mine")
    for blob in builds.transfer.resolve("mine").layers:
        builds.content.info(blob.digest)
    assert builds.unpacked("mine")["etc/added"] == "new"
    assert builds.snapshotter.stat("work").parent == chain


def test_layers_of_the_base_need_not_be_there(builds: Builds, tmp_path: Path) -> None:
    """They were discarded. Only an export wants them."""
    builds.base()
    builds.fork()
    builds.change()
    (lower,) = builds.transfer.resolve(DEBIAN).layers
    builds.content.delete(lower.digest)
    builds.transfer.commit("work", "mine")
    assert builds.unpacked("mine")["etc/added"] == "new"
    with pytest.raises(NotFound, match=f"mine:latest: blob {lower.digest} is not there: it was discarded"):
        builds.transfer.export(str(tmp_path / "out"), ["mine"])
