"""Collections whose process is killed between two system calls."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lamina.content import Descriptor, NewBlob, ingest, verify_blob
from lamina.content.local import LocalContentStore
from lamina.images import Image, keyspace_of
from lamina.metadata import Metadata, Resource
from lamina.metadata.collection import Collector
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from tests.support.blobs import digest_of
from tests.support.rounds import rounds

COLLECT = """
import os, signal, sys
from pathlib import Path
from tests.faults.test_killed_collections import opened
from tests.support.killed_ingests import count_calls

count, calls = int(sys.argv[2]), 0

def act(number):
    global calls
    calls = number
    if number == count:
        os.kill(os.getpid(), signal.SIGKILL)

with opened(Path(sys.argv[1])) as (metadata, content, snapshots, collector):
    count_calls(act)
    print(len([one for one in collector.collect()]))
    sys.setprofile(None)
print(calls)
"""
DATA = [b"%d" % number for number in range(150)]
NEEDED = {digest_of(data) for data in DATA[:10]}


@contextmanager
def opened(path: Path) -> Iterator[tuple[Metadata, LocalContentStore, LocalSnapshotter, Collector]]:
    """The stores in a directory."""
    with ExitStack() as stack:
        store = MetaStore.open(str(path / "store"))
        stack.callback(store.close)
        metadata = Metadata.open(store)
        content = LocalContentStore(str(path / "content"), metadata.labels)
        stack.callback(content.close)
        native = LocalSnapshotter.open(NativeBackend(str(path / "native")), store.snapshotter("native"))
        stack.callback(native.close)
        collector = Collector(metadata, content, lambda: [("native", native)], grace=0)
        yield metadata, content, native.keyspace(keyspace_of("default")), collector


def fill(path: Path) -> None:
    """An image of ten blobs and a snapshot, and many things that are not needed."""
    with opened(path) as (metadata, content, snapshots, _):
        first = digest_of(DATA[0])
        refs = {f"containerd.io/gc.ref.content.{number}": digest for number, digest in enumerate(sorted(NEEDED))}
        refs["containerd.io/gc.ref.snapshot.native"] = "needed"
        other = {"containerd.io/gc.ref.content": digest_of(DATA[20])}
        labels = [refs, *[{"l": "1"}] * 9, *[other] * 140]
        ingest(content, [NewBlob(digest_of(data), data, one) for data, one in zip(DATA, labels, strict=True)])
        metadata.images("default").create(Image("needed", Descriptor("t", first, 1)))
        past = {"containerd.io/gc.expire": "2001-01-01T00:00:00Z"}
        metadata.images("default").create(Image("old", Descriptor("t", digest_of(DATA[30]), 1), past))
        metadata.leases("default").create("old", past)
        metadata.leases("default").add("old", Resource("content", digest_of(DATA[31])))
        for name, parent in (("needed", ""), ("below", ""), ("above", "below"), ("top", "above")):
            snapshots.prepare("active", parent)
            snapshots.commit(name, "active")


def collect(path: Path, kill_at: int = 0) -> int:
    """Collect in a process that dies before a system call; return the number of calls, or 0 if it died.

    The number differs a little between processes, with the order of sets, so that one may end before it dies.
    """
    command = (sys.executable, "-c", COLLECT, path, str(kill_at))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if kill_at and done.returncode == -9:
        return 0
    assert done.returncode == 0, done.stderr
    calls = int(done.stdout.split()[-1])
    assert not 0 < kill_at <= calls
    return calls


def test_a_collection_that_was_killed_lost_nothing_and_is_finished_by_the_next(tmp_path: Path) -> None:
    fill(tmp_path / "whole")
    calls = collect(tmp_path / "whole")
    for number in range(rounds(4, soak=200)):
        path = tmp_path / str(number)
        fill(path)
        collect(path, kill_at=random.randint(1, calls))
        with opened(path) as (metadata, content, snapshots, collector):
            assert {info.digest for info in content.walk()} >= NEEDED
            for removed in collector.collect():
                assert not removed.error
            assert {info.digest for info in content.walk()} == NEEDED
            for digest in NEEDED:
                verify_blob(content, digest)
            assert {digest for digest, _ in metadata.labels.walk()} == NEEDED
            assert [info.name for info in snapshots.walk()] == ["needed"]
            assert [image.name for image in metadata.images("default").list()] == ["needed"]
            assert [*metadata.leases("default").list()] == []
