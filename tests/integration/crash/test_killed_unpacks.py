"""Processes that unpack images, and their workers, are killed at random steps."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from lamina.content import ContentStore, Descriptor, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.errdefs import LockHeld, NotFound, Unavailable
from lamina.fs import Lock
from lamina.images import Progress
from lamina.images.documents import OCI_MANIFEST, chain_ids
from lamina.images.unpack import Destination, Unpacker
from lamina.layers.workers import WorkerDiffer
from lamina.mount import mountinfo
from lamina.places import LOCK
from lamina.snapshots import Snapshotter
from tests.support import leftovers
from tests.support.images.built import BuiltImage, build_image, layer
from tests.support.images.documents import descriptor_of
from tests.support.images.trees import committed, files_of, unfinished
from tests.support.rounds import rounds
from tests.support.snapshotters.overlay import open_overlay
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

ROUNDS = rounds(4, 100)
WORKER_ROUNDS = rounds(6, 200)
FILES = 40
LAYERS = [
    layer({f"layer{number}": None, **{f"layer{number}/file{file}": f"{number} {file}" for file in range(FILES)}})
    for number in range(6)
]
DEPENDENT = layer({"layer0/.wh.file0": "", "layer1/file0": "changed"})
"""A layer that is applied again, with its parent."""
LAYERS.insert(4, DEPENDENT)
TREE = {
    **{f"layer{number}": None for number in range(6)},
    **{f"layer{number}/file{file}": f"{number} {file}" for number in range(6) for file in range(FILES)},
    "layer1/file0": "changed",
}
del TREE["layer0/file0"]
STEPS = len(LAYERS) * 6
SECONDS = 60.0


def build(content: ContentStore) -> tuple[BuiltImage, Descriptor]:
    """An image, and the descriptor of its manifest."""
    image = build_image(content, LAYERS)
    data = json.dumps(image.manifest.document()).encode()
    described = descriptor_of(data, OCI_MANIFEST)
    ingest(content, [NewBlob(described.digest, data)])
    return image, described


def is_free(lock: Path) -> bool:
    """Whether no process has a lock file locked."""
    try:
        Lock.acquire(str(lock)).close()
    except (LockHeld, NotFound):
        return not lock.exists()
    return True


def check(snapshotter: Snapshotter, image: BuiltImage, top: str) -> None:
    """Check that the image is there, and nothing else."""
    chain = chain_ids(image.config.rootfs.diff_ids)
    assert top == chain[-1]
    assert committed(snapshotter) == {*chain}
    assert unfinished(snapshotter) == set()
    assert files_of(snapshotter, top) == TREE


def test_the_next_unpack_finishes_after_a_process_was_killed(tmp_path: Path) -> None:
    random = Random(14)
    with closing(LocalContentStore(str(tmp_path / "content"))) as content:
        image, manifest = build(content)
    for number in range(ROUNDS):
        program = [sys.executable, "-m", "tests.support.images.unpacking", str(tmp_path), str(number)]
        with subprocess.Popen([*program, manifest.digest, str(manifest.size)], stdout=subprocess.PIPE) as process:
            assert process.stdout
            for _ in range(random.randrange(STEPS)):
                process.stdout.readline()
            process.kill()
        # A worker that was just being started still has the descriptors of its owner, until it is executed.
        wait_until(lambda: is_free(tmp_path / "content" / LOCK), SECONDS, "the content store is closed")
        with (
            closing(LocalContentStore(str(tmp_path / "content"))) as content,
            open_overlay(tmp_path, sync_fs=False) as overlay,
            closing(WorkerDiffer()) as applier,
        ):
            keyspace = overlay.keyspace(str(number))
            destination = Destination("overlayfs", keyspace, rebases=True)
            check(keyspace, image, Unpacker(content, applier).unpack(image.manifest, image.config, destination))
    assert not [info for info in mountinfo() if str(tmp_path) in info.super_options]


def test_the_next_unpack_finishes_after_a_worker_was_killed(tmp_path: Path) -> None:
    random, before = Random(14), leftovers.children()
    with (
        closing(LocalContentStore(str(tmp_path / "content"))) as content,
        open_overlay(tmp_path, sync_fs=False) as overlay,
        closing(WorkerDiffer()) as applier,
    ):
        image, _ = build(content)
        unpacker = Unpacker(content, applier)
        failures, number = 0, 0
        while number < WORKER_ROUNDS or not failures:  # a worker may be killed when it has nothing to do
            number += 1
            remaining = random.randrange(2, len(LAYERS) * 2)

            def kill(_: Progress) -> None:
                nonlocal remaining
                remaining -= 1
                if not remaining:
                    for pid in leftovers.children() - before:
                        with contextlib.suppress(ProcessLookupError):  # another thread has waited for it
                            os.kill(pid, signal.SIGKILL)

            keyspace = overlay.keyspace(str(number))
            destination = Destination("overlayfs", keyspace, rebases=True)
            try:
                unpacker.unpack(image.manifest, image.config, destination, kill)
            except Unavailable:
                failures += 1
                assert unfinished(keyspace) == set()
            check(keyspace, image, unpacker.unpack(image.manifest, image.config, destination))
