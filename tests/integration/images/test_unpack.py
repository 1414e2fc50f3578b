"""Images are unpacked to snapshots."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from lamina.content import ContentStore
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, InvalidArgument, NotFound, PermissionDenied
from lamina.images import Progress
from lamina.images.documents import chain_ids
from lamina.images.unpack import Destination, Unpacker
from lamina.layers import Applier
from lamina.mount import temporary_mount
from lamina.snapshots import Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from tests.support.images.appliers import CountingApplier
from tests.support.images.built import build_image, layer
from tests.support.images.trees import committed, files_of, unfinished
from tests.support.snapshotters.btrfs import btrfs_snapshotter
from tests.support.snapshotters.native import open_native

pytestmark = pytest.mark.requires("root", "overlay")

LAYERS = (
    layer({"etc": None, "etc/name": "base", "old": None, "old/file": "1", "gone": "1"}),
    layer({"etc": None, "etc/name": "second", ".wh.gone": "", "new": "2"}),
    layer({".wh.old": "", "top": "3"}),
)
TREE = {"etc": None, "etc/name": "second", "new": "2", "top": "3"}
SECONDS = 60.0


def chain(*layers: bytes) -> tuple[str, ...]:
    return chain_ids(f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers)


@pytest.fixture(params=["side by side", "one by one", "native", "btrfs"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
    """A destination of each kind."""
    if request.param == "native":
        with open_native(tmp_path, sync_fs=False) as native:
            yield Destination("native", native)
    elif request.param == "btrfs":
        request.applymarker(pytest.mark.requires("btrfs"))
        with btrfs_snapshotter(tmp_path) as btrfs:
            yield Destination("btrfs", btrfs)
    else:
        yield attrs.evolve(request.getfixturevalue("destination"), rebases=request.param == "side by side")


def test_the_topmost_snapshot_has_the_tree_of_all_layers(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    image = build_image(content, LAYERS)
    top = Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)
    assert top == chain(*LAYERS)[-1]
    assert files_of(anywhere.snapshotter, top) == TREE
    assert committed(anywhere.snapshotter) == {*chain(*LAYERS)}
    assert unfinished(anywhere.snapshotter) == set()


def test_a_layer_that_depends_on_its_parent_is_applied_again_with_it(
    content: ContentStore, destination: Destination
) -> None:
    """The archive brings `a/new`, but not the directory."""
    image = build_image(content, [layer({"a": None, "a/old": "1"}), layer({"a/new": "2"})])
    applier = CountingApplier()
    top = Unpacker(content, applier).unpack(image.manifest, image.config, destination)
    assert files_of(destination.snapshotter, top) == {"a": None, "a/old": "1", "a/new": "2"}
    assert applier.rebased == [False, False]


def root_of(snapshotter: Snapshotter, name: str) -> tuple[int, int]:
    """The mode and the time of modification of the root directory."""
    with temporary_mount(snapshotter.view("root of", name)) as root:
        status = os.stat(root)
    snapshotter.remove("root of")
    return stat.S_IMODE(status.st_mode), int(status.st_mtime)


def test_the_root_directory_keeps_what_the_layers_say(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    """The mode of a root directory without a parent is what the third layer sets."""
    layers = (
        layer({"a": "1"}, root_mode=0o1700, root_mtime=1000),
        layer({"b": "2"}),
        layer({"c": "3"}, root_mode=0o755, root_mtime=3000),
        layer({"d": "4"}),
    )
    image = build_image(content, layers)
    Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)
    found = [root_of(anywhere.snapshotter, name) for name in chain(*layers)]
    assert found == [(0o1700, 1000), (0o1700, 1000), (0o755, 3000), (0o755, 3000)]


def test_the_times_of_the_root_directory_go_from_layer_to_layer(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    """Only the second layer and the one with a whiteout are compared with a view of what is below."""
    layers = (
        layer({"a": "1"}, root_mode=0o755, root_mtime=1000),
        layer({"b": "2"}),
        layer({"c": "3"}),
        layer({"d": "4"}, root_mode=0o755, root_mtime=4000),
        layer({"e": "5"}),
        layer({".wh.a": "", ".wh.missing": ""}),
        layer({"f": "6"}),
    )
    image = build_image(content, layers)
    top = Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)
    found = [root_of(anywhere.snapshotter, name) for name in chain(*layers)]
    assert found == [(0o755, time) for time in (1000, 1000, 1000, 4000, 4000, 4000, 4000)]
    assert files_of(anywhere.snapshotter, top).keys() == {"b", "c", "d", "e", "f"}


def test_layers_with_the_same_root_directory_are_applied_once(
    content: ContentStore, destination: Destination
) -> None:
    applier = CountingApplier()
    image = build_image(content, [layer({str(number): ""}, root_mode=0o755) for number in range(4)])
    Unpacker(content, applier).unpack(image.manifest, image.config, destination)
    assert sorted(applier.rebased) == [False, True, True, True]


def test_what_a_layer_deletes_where_nothing_is_leaves_no_trace(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    image = build_image(content, [LAYERS[0], layer({"own": None, "own/.wh.missing": "", ".wh.missing": ""})])
    top = Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)
    assert files_of(anywhere.snapshotter, top).keys() == {"etc", "etc/name", "old", "old/file", "gone", "own"}


def test_snapshots_have_the_labels_of_containerds_unpacker(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    image = build_image(content, LAYERS)
    Unpacker(content, applier).unpack(image.manifest, image.config, destination)
    first, second, _ = chain(*LAYERS)
    assert destination.snapshotter.stat(first).labels == {
        "containerd.io/snapshot.ref": first,
        "containerd.io/snapshot/diff-id": image.config.rootfs.diff_ids[0],
    }
    assert destination.snapshotter.stat(second).labels == {
        "containerd.io/snapshot.ref": second,
        "containerd.io/snapshot/diff-id": image.config.rootfs.diff_ids[1],
        "containerd.io/snapshot/parent-chain-id": first,
    }


def test_annotations_for_snapshotters_become_labels_but_map_no_owners(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    annotations = {
        "containerd.io/snapshot/example": "kept",
        "containerd.io/snapshot/uidmapping": "0:1000:1",
        "containerd.io/gc.root": "now",
        "com.example": "no",
    }
    image = build_image(content, LAYERS[:1], annotations=annotations)
    top = Unpacker(content, applier).unpack(image.manifest, image.config, destination)
    labels = destination.snapshotter.stat(top).labels
    assert labels["containerd.io/snapshot/example"] == "kept"
    assert not labels.keys() & (annotations.keys() - {"containerd.io/snapshot/example"})


def test_blobs_get_the_labels_of_containerds_unpacker(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    image = build_image(content, LAYERS)
    top = Unpacker(content, applier).unpack(image.manifest, image.config, destination)
    assert content.info(image.config_digest).labels == {"containerd.io/gc.ref.snapshot.overlayfs": top}
    for descriptor, diff_id in zip(image.manifest.layers, image.config.rootfs.diff_ids, strict=True):
        assert content.info(descriptor.digest).labels == {"containerd.io/uncompressed": diff_id}


def test_layers_that_are_there_are_not_read(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    unpacker = Unpacker(content, applier)
    base = build_image(content, LAYERS[:2])
    unpacker.unpack(base.manifest, base.config, anywhere)
    image = build_image(content, LAYERS)
    for descriptor in base.manifest.layers:
        content.delete(descriptor.digest)
    top = unpacker.unpack(image.manifest, image.config, anywhere)
    assert files_of(anywhere.snapshotter, top) == TREE
    assert unpacker.unpack(image.manifest, image.config, anywhere) == top


def test_an_image_without_layers_has_no_snapshot(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    image = build_image(content, [])
    assert Unpacker(content, applier).unpack(image.manifest, image.config, destination) == ""


def test_the_error_about_a_malformed_layer_names_the_layer(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    image = build_image(content, [LAYERS[0], b"no archive" * 100])
    with pytest.raises(InvalidArgument, match=f"^layer {image.manifest.layers[1].digest}: .*checksum"):
        Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)


def test_the_error_about_missing_privileges_says_who_has_them(
    content: ContentStore, destination: Destination
) -> None:
    def refuse(_number: int) -> None:
        raise PermissionDenied("apply the layer: .: Operation not permitted")

    image = build_image(content, LAYERS)
    with pytest.raises(PermissionDenied, match=r"^layer sha256:.*: Operation not permitted: only root, "):
        Unpacker(content, CountingApplier(refuse)).unpack(image.manifest, image.config, destination)


def test_a_layer_with_another_diff_id_is_not_kept(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    wrong = f"sha256:{'1' * 64}"
    image = build_image(
        content, LAYERS, diff_ids=[*build_image(content, LAYERS[:1]).config.rootfs.diff_ids, wrong, wrong]
    )
    with pytest.raises(InvalidArgument, match=f"has diff id sha256:.*, but the image says {wrong}"):
        Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)
    assert committed(anywhere.snapshotter) == {*chain(LAYERS[0])}
    assert unfinished(anywhere.snapshotter) == set()


def test_layers_below_a_missing_one_are_kept(
    content: ContentStore, anywhere: Destination, applier: Applier
) -> None:
    image = build_image(content, LAYERS)
    content.delete(image.manifest.layers[1].digest)
    with pytest.raises(NotFound, match=image.manifest.layers[1].digest):
        Unpacker(content, applier).unpack(image.manifest, image.config, anywhere)
    assert committed(anywhere.snapshotter) == {*chain(LAYERS[0])}
    assert unfinished(anywhere.snapshotter) == set()


def test_documents_that_disagree_on_the_number_of_layers_are_refused(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    one, two = build_image(content, LAYERS[:1]), build_image(content, LAYERS[:2])
    with pytest.raises(InvalidArgument, match="its manifest has 2 layers, and its configuration 1 diff ids"):
        Unpacker(content, applier).unpack(two.manifest, one.config, destination)


def test_ten_unpacks_of_an_image_do_the_work_once(content: ContentStore, anywhere: Destination) -> None:
    image, applier, together = build_image(content, LAYERS), CountingApplier(), threading.Barrier(10)
    unpacker = Unpacker(content, applier)

    def unpack(_: int) -> str:
        together.wait(SECONDS)
        return unpacker.unpack(image.manifest, image.config, anywhere)

    with ThreadPoolExecutor(10) as pool:
        assert {*pool.map(unpack, range(10))} == {chain(*LAYERS)[-1]}
    assert applier.begun == len(LAYERS)
    assert files_of(anywhere.snapshotter, chain(*LAYERS)[-1]) == TREE
    assert unfinished(anywhere.snapshotter) == set()


def test_images_with_common_layers_are_unpacked_at_the_same_time(
    content: ContentStore, destination: Destination
) -> None:
    """Each layer once, whichever image it is of."""
    others = [layer({f"other{number}": "4"}) for number in range(4)]
    images = [build_image(content, [*LAYERS, other]) for other in others]
    applier = CountingApplier()
    unpacker = Unpacker(content, applier)
    with ThreadPoolExecutor(len(images)) as pool:
        tops = list(pool.map(lambda image: unpacker.unpack(image.manifest, image.config, destination), images))
    assert len({*tops}) == len(images)
    assert applier.begun == len(LAYERS) + len(others)
    for number, top in enumerate(tops):
        assert files_of(destination.snapshotter, top) == TREE | {f"other{number}": "4"}


def test_unpackers_that_know_nothing_of_each_other_make_the_same_snapshots(
    content: ContentStore, anywhere: Destination
) -> None:
    """As those of two processes. The commit of one may find the snapshot of the other."""
    together = threading.Barrier(2)
    appliers = [CountingApplier(lambda number: number == 1 and together.wait(SECONDS)) for _ in range(2)]
    image = build_image(content, LAYERS)
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(Unpacker(content, applier).unpack, image.manifest, image.config, anywhere)
            for applier in appliers
        ]
        assert {call.result() for call in calls} == {chain(*LAYERS)[-1]}
    assert files_of(anywhere.snapshotter, chain(*LAYERS)[-1]) == TREE
    assert unfinished(anywhere.snapshotter) == set()


def test_a_cancelled_unpack_keeps_whole_layers_only(content: ContentStore, anywhere: Destination) -> None:
    context = CallContext()
    applier = CountingApplier(lambda number: number == 2 and context.cancel())
    image = build_image(content, LAYERS)
    unpacker = Unpacker(content, applier)
    with use(context), pytest.raises(Canceled):
        unpacker.unpack(image.manifest, image.config, anywhere)
    assert unfinished(anywhere.snapshotter) == set()
    assert committed(anywhere.snapshotter) <= {*chain(*LAYERS[:1])}
    assert files_of(anywhere.snapshotter, unpacker.unpack(image.manifest, image.config, anywhere)) == TREE


def test_the_progress_of_each_layer_reaches_its_size(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    image, seen = build_image(content, LAYERS), list[Progress]()
    unpack = functools.partial(Unpacker(content, applier).unpack, image.manifest, image.config, destination)
    for _ in range(2):  # the second time, there is nothing to do
        unpack(progress=seen.append)
        for descriptor in image.manifest.layers:
            own = [progress for progress in seen if progress.digest == descriptor.digest]
            assert {(progress.what, progress.total) for progress in own} == {("unpack", descriptor.size)}
            assert own[-1].done == descriptor.size
        seen.clear()


def test_a_layer_may_be_in_an_image_twice(
    content: ContentStore, destination: Destination, applier: Applier
) -> None:
    image = build_image(content, [LAYERS[0], LAYERS[1], LAYERS[0]])
    top = Unpacker(content, applier).unpack(image.manifest, image.config, destination)
    assert files_of(destination.snapshotter, top)["gone"] == "1"


def test_images_of_namespaces_are_unpacked_each_in_its_own_keyspace(
    content: ContentStore, overlay: LocalSnapshotter, applier: Applier
) -> None:
    image, unpacker = build_image(content, LAYERS), Unpacker(content, applier)
    for namespace in ("default", "other"):
        keyspace: Snapshotter = overlay.keyspace(f"images/{namespace}")
        unpacker.unpack(image.manifest, image.config, Destination("overlayfs", keyspace, rebases=True))
        assert committed(keyspace) == {*chain(*LAYERS)}
    assert committed(overlay) == set()
