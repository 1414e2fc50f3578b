"""Collections: what is kept, what goes, and what happens when a part of it fails."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from lamina.content import Commit, Descriptor, Info, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded, Error, NotFound, Unavailable
from lamina.images import Image, keyspace_of
from lamina.metadata import Metadata, Resource
from lamina.metadata._node import snapshot
from lamina.metadata.collection import Collector, Removed, _answers
from lamina.metadata.collection._edges import Edges
from lamina.metadata.collection._listing import Keyspace, Listed, Listing, Root
from lamina.metadata.collection._marking import Marking
from lamina.metadata.collection._sources import Sources
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Info as Snapshot
from lamina.snapshots import Kind, Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from lamina.snapshots.temporary import LABEL
from tests.support.blobs import digest_of
from tests.support.snapshotters.forwarding import Forwarding
from tests.support.waiting import wait_until

A, B, C = (digest_of(data) for data in (b"a", b"b", b"c"))
DATA = {A: b"a", B: b"b", C: b"c"}
SPACE = "default"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetaStore]:
    with contextlib.closing(MetaStore.open(str(tmp_path / "store"))) as store:
        yield store


@pytest.fixture
def native(store: MetaStore, tmp_path: Path) -> Iterator[LocalSnapshotter]:
    backend = NativeBackend(str(tmp_path / "native"))
    opened = LocalSnapshotter.open(backend, store.snapshotter("native"), sync_fs=False)
    with contextlib.closing(opened) as snapshotter:
        yield snapshotter


@pytest.fixture
def snapshots(native: LocalSnapshotter) -> Snapshotter:
    """Those of images."""
    return native.keyspace(keyspace_of(SPACE))


@pytest.fixture
def content(metadata: Metadata, tmp_path: Path) -> Iterator[LocalContentStore]:
    with contextlib.closing(LocalContentStore(str(tmp_path / "content"), metadata.labels)) as content:
        yield content


@pytest.fixture
def collector(metadata: Metadata, content: LocalContentStore, native: LocalSnapshotter) -> Collector:
    return Collector(metadata, content, lambda: [("native", native)], grace=0)


def add(content: LocalContentStore, *digests: str, labels: Mapping[str, str] | None = None) -> None:
    ingest(content, [NewBlob(digest, DATA[digest], labels or {}) for digest in digests])


def name(metadata: Metadata, digest: str, called: str = "i", **labels: str) -> None:
    metadata.images(SPACE).create(Image(called, Descriptor("t", digest, 1), labels))


def commit(snapshots: Snapshotter, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> None:
    snapshots.prepare(f"{key}-active", parent)
    snapshots.commit(key, f"{key}-active", labels)


def blobs(content: LocalContentStore) -> list[str]:
    return [info.digest for info in content.walk()]


def keys(snapshots: Snapshotter) -> list[str]:
    return [info.name for info in snapshots.walk()]


def names(removed: list[Removed]) -> list[str]:
    return [one.name for one in removed]


def test_everything_that_is_removed_is_logged_with_the_reason(
    collector: Collector, content: LocalContentStore, caplog: pytest.LogCaptureFixture
) -> None:
    add(content, A)
    with caplog.at_level(logging.INFO):
        [removed] = collector.collect()
    assert removed == Removed("blob", A, size=1, reason="nothing refers to it")
    [record] = [one for one in caplog.records if one.name.startswith("lamina.metadata")]
    assert (record.__dict__["what"], record.__dict__["reason"]) == (A, "nothing refers to it")


def test_a_dry_run_says_the_same_and_removes_nothing(
    collector: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    add(content, A, B)
    name(metadata, B, called="old", **{"containerd.io/gc.expire": "2001-01-01T00:00:00Z"})
    commit(snapshots, "below")
    commit(snapshots, "above", "below")
    said = list(collector.collect(dry_run=True))
    assert keys(snapshots) == ["above", "below"]
    assert len(blobs(content)) == 2
    assert metadata.images(SPACE).get("old")
    assert [one.kind for one in said] == ["image", "snapshot", "snapshot", "blob", "blob"]
    assert list(collector.collect()) == said
    assert keys(snapshots) == blobs(content) == []


def test_what_is_young_stays(
    collector: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    collector.grace = 3600
    name(metadata, B)
    add(content, A)
    commit(snapshots, "below")
    commit(snapshots, "above", "below")
    found = [(one.name, one.young) for one in collector.collect()]
    assert found == [("above", True), (A, True)], "and what is below a young one is not even tried"
    assert keys(snapshots) == ["above", "below"]


def test_what_an_operation_has_named_and_does_not_keep_goes_at_once(
    collector: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    collector.grace = 3600
    with metadata.temporary_lease(SPACE) as lease:
        lease.add_blob(A)
        lease.add_snapshot("native", "s")
        add(content, A)
        commit(snapshots, "s")
        assert list(collector.collect()) == [], "while it goes on, everything stays"
    assert names(list(collector.collect())) == ["s", A]


def test_what_a_failed_operation_leaves_goes_by_its_age(
    collector: Collector, metadata: Metadata, content: LocalContentStore
) -> None:
    collector.grace = 3600
    with contextlib.suppress(NotFound), metadata.temporary_lease(SPACE) as lease:
        lease.add_blob(A)
        add(content, A)
        raise NotFound
    [stays] = collector.collect()
    assert stays.young


def test_what_is_made_again_is_young_again(
    collector: Collector, metadata: Metadata, content: LocalContentStore
) -> None:
    collector.grace = 3600
    with metadata.temporary_lease(SPACE) as lease:
        lease.add_blob(A)
    add(content, A)
    [stays] = collector.collect()
    assert stays.young


def test_what_is_made_again_is_young_although_the_clock_was_set_back(
    collector: Collector, metadata: Metadata, content: LocalContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector.grace = 60
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time_ns", lambda: int((time.time() + 3600) * 1e9))
        with metadata.temporary_lease(SPACE) as lease:
            lease.add_blob(A)
    add(content, A)
    [stays] = collector.collect()
    assert stays.young


def test_only_snapshots_of_images_are_removed(
    collector: Collector, metadata: Metadata, native: LocalSnapshotter, snapshots: Snapshotter
) -> None:
    others = [native, native.keyspace("lamina"), native.keyspace("images/unknown")]
    for one in (*others, snapshots):
        commit(one, "s")
    with metadata.temporary_lease(SPACE):  # else nothing is known of the namespace
        pass
    assert names(list(collector.collect())) == ["s"]
    assert keys(snapshots) == []
    assert [keys(one) for one in others] == [["s"]] * 3


def test_active_snapshots_and_views_stay_with_what_they_need(
    collector: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    add(content, A)
    name(metadata, B)
    commit(snapshots, "s", labels={"containerd.io/gc.ref.content.base": A})
    snapshots.prepare("fork", "s")
    snapshots.view("view", "s")
    assert list(collector.collect()) == []


def test_temporary_snapshots_of_ended_owners_go(
    collector: Collector, metadata: Metadata, snapshots: Snapshotter
) -> None:
    collector.grace = 3600
    name(metadata, A)
    snapshots.prepare("extract-1 x", labels={LABEL: "another-boot 1 2 3 word"})
    [removed] = collector.collect()
    assert (removed.name, removed.reason) == ("extract-1 x", "its owner has ended")


def test_a_parent_that_got_a_child_meanwhile_stays(
    collector: Collector, metadata: Metadata, snapshots: Snapshotter
) -> None:
    name(metadata, A)
    commit(snapshots, "s")
    steps = collector.steps()
    for _ in range(3):
        next(steps)
    snapshots.prepare("fork", "s")
    assert [one for one in steps if one] == []
    assert keys(snapshots) == ["fork", "s"]


def test_a_store_whose_labels_are_elsewhere_keeps_its_blobs(
    metadata: Metadata, tmp_path: Path, native: LocalSnapshotter
) -> None:
    with contextlib.closing(LocalContentStore(str(tmp_path / "other"))) as content:
        add(content, A)
        collector = Collector(metadata, content, lambda: [("native", native)], grace=0)
        assert list(collector.collect()) == []
        assert blobs(content) == [A]
        assert collector.usage().reclaimable == 0


def test_a_snapshotter_with_one_keyspace_is_left_alone(
    metadata: Metadata, content: LocalContentStore, native: LocalSnapshotter
) -> None:
    name(metadata, A)
    commit(native, "s")
    collector = Collector(metadata, content, lambda: [("proxy", Forwarding(native))], grace=0)
    assert list(collector.collect()) == []
    assert keys(native) == ["s"]


class InImages(Forwarding):
    """A snapshotter whose keyspaces all are that of the images."""

    def keyspace(self, name: str) -> Snapshotter:
        return self


class Unlisted(InImages):
    """A snapshotter that cannot list its snapshots."""

    def __init__(self, inner: Snapshotter, error: BaseException) -> None:
        super().__init__(inner)
        self.error = error

    def walk(self, *filters: str) -> Iterator[object]:
        raise self.error


@pytest.mark.parametrize("error", [Unavailable("gone"), SystemExit("gone")], ids=["error", "exit"])
def test_blobs_stay_while_a_snapshotter_cannot_say_what_it_needs(
    metadata: Metadata,
    content: LocalContentStore,
    native: LocalSnapshotter,
    snapshots: Snapshotter,
    error: BaseException,
) -> None:
    name(metadata, B)
    add(content, A)
    commit(snapshots, "s")
    both = [("broken", Unlisted(native, error)), ("native", native)]
    found = list(Collector(metadata, content, lambda: both, grace=0).collect())
    assert [(one.snapshotter, one.name, bool(one.error)) for one in found] == [
        ("native", "s", False),
        ("broken", "", True),
    ]
    assert blobs(content) == [A]


class Silent(InImages):
    """A snapshotter that does not answer one kind of call until it is told to, except in one namespace."""

    def __init__(self, inner: Snapshotter, method: str) -> None:
        super().__init__(inner)
        self.method = method
        self.hangs = threading.Event()
        self.go_on = threading.Event()

    def keyspace(self, name: str) -> Snapshotter:
        return InImages(self.inner) if name == keyspace_of("answers") else self

    def hang_in(self, method: str) -> None:
        if method == self.method and not self.go_on.is_set():
            self.hangs.set()
            self.go_on.wait()

    def walk(self, *filters: str) -> Iterator[Any]:
        self.hang_in("walk")
        return super().walk(*filters)

    def stat(self, key: str) -> Any:
        self.hang_in("stat")
        return super().stat(key)

    def usage(self, key: str) -> Any:
        self.hang_in("usage")
        return super().usage(key)


@pytest.fixture
def silent(snapshots: Snapshotter, request: pytest.FixtureRequest) -> Iterator[Silent]:
    found = Silent(snapshots, request.param)
    yield found
    found.go_on.set()
    wait_until(lambda: not is_asked("silent"), 60, "the threads end")


def is_asked(snapshotter: str) -> bool:
    return any(thread.name == f"snapshotter {snapshotter}" for thread in threading.enumerate())


@pytest.fixture
def impatient(
    metadata: Metadata,
    content: LocalContentStore,
    silent: Silent,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Collector]:
    """A collector that asks a silent snapshotter, and one that works.

    Its 2 seconds for an answer are over when the silent one hangs, and never before, however busy the machine is.
    """

    class Answers(queue.SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            while True:
                with contextlib.suppress(queue.Empty):
                    return super().get(timeout=0.01)
                if timeout is not None and silent.hangs.is_set():
                    silent.hangs.clear()
                    raise queue.Empty

    monkeypatch.setattr(_answers, "queue", SimpleNamespace(SimpleQueue=Answers, Empty=queue.Empty))
    with contextlib.closing(MetaStore.open(str(tmp_path / "other store"))) as store:
        backend = NativeBackend(str(tmp_path / "other"))
        with contextlib.closing(
            LocalSnapshotter.open(backend, store.snapshotter("native"), sync_fs=False)
        ) as other:
            commit(other.keyspace(keyspace_of(SPACE)), "unneeded")
            name(metadata, B)
            both: list[tuple[str, Snapshotter]] = [("silent", silent), ("native", other)]
            yield Collector(metadata, content, lambda: both, grace=0, answer_seconds=2)


NO_ANSWER = "no answer within 2 seconds"


@pytest.mark.parametrize("silent", ["walk"], indirect=True)
def test_a_snapshotter_that_does_not_list_its_snapshots_is_given_up(
    impatient: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter, silent: Silent
) -> None:
    """It is named, its snapshots and all blobs stay, and the rest goes on."""
    metadata.leases("answers").create("l")
    add(content, A)
    commit(snapshots, "s")
    assert [(one.snapshotter, one.name, one.error) for one in impatient.collect()] == [
        ("native", "unneeded", ""),
        ("silent", "", f"cannot list its snapshots, so no blobs are removed: {NO_ANSWER}"),
    ]
    used = impatient.usage()
    assert (used.reclaimable, used.failures) == (
        0,
        ["snapshotter silent: it still does not answer an earlier call"],
    )
    ((step,),) = impatient.why(A, SPACE)
    assert "snapshotter silent: it still does not answer" in step.how
    silent.go_on.set()
    wait_until(lambda: impatient.usage().failures == [], 60, "it answers")
    assert names([*impatient.collect()]) == ["s", A]


@pytest.mark.parametrize("silent", ["usage"], indirect=True)
def test_sizes_that_a_snapshotter_does_not_say_are_not_counted(
    impatient: Collector, snapshots: Snapshotter
) -> None:
    commit(snapshots, "s")
    used = impatient.usage()
    assert used.snapshots == used.reclaimable > 0
    assert used.failures == [f"snapshotter silent: {NO_ANSWER}"]


@pytest.mark.parametrize("silent", ["stat"], indirect=True)
def test_a_snapshot_of_which_a_snapshotter_says_nothing_is_not_explained(
    impatient: Collector, snapshots: Snapshotter
) -> None:
    commit(snapshots, "s")
    with pytest.raises(Unavailable, match=f"snapshotter silent: {NO_ANSWER}"):
        impatient.why("silent/s", SPACE)


@pytest.mark.parametrize("silent", ["walk"], indirect=True)
def test_the_wait_for_an_answer_ends_with_the_call(
    metadata: Metadata, content: LocalContentStore, silent: Silent
) -> None:
    collector = Collector(metadata, content, lambda: [("silent", silent)], answer_seconds=3600)
    name(metadata, B)
    with use(CallContext(deadline=time.monotonic() + 0.1)), pytest.raises(DeadlineExceeded):
        collector.usage()
    context = CallContext()
    canceller = threading.Timer(0.1, context.cancel)
    canceller.start()
    with use(context), pytest.raises(Canceled):
        collector.usage()
    canceller.join()


def test_snapshots_of_a_snapshotter_that_is_not_used_keep_what_they_need(
    metadata: Metadata, content: LocalContentStore
) -> None:
    fork = Snapshot("fork", Kind.ACTIVE, labels={"containerd.io/gc.ref.content.base": A})
    collector = Collector(metadata, content, list, grace=0, unused=lambda: [("btrfs", SPACE, fork)])
    add(content, A, labels={"containerd.io/gc.ref.content": B})
    add(content, B, C)
    assert [[(step.kind, step.name, step.how) for step in chain] for chain in collector.why(B, SPACE)] == [
        [
            ("snapshot", "fork", "its snapshotter is not used at present"),
            ("blob", A, "label containerd.io/gc.ref.content.base"),
            ("blob", B, "label containerd.io/gc.ref.content"),
        ]
    ]
    assert names([*collector.collect()]) == [C]


class Faulty(InImages):
    """A snapshotter that does not remove some snapshots."""

    def remove(self, key: str) -> None:
        if key == "bad":
            raise ZeroDivisionError
        super().remove(key)


def test_a_snapshot_that_cannot_be_removed_does_not_keep_the_rest(
    metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    name(metadata, B)
    add(content, A)
    for key in ("bad", "good"):
        commit(snapshots, key)
    collector = Collector(metadata, content, lambda: [("native", Faulty(snapshots))], grace=0)
    found = {one.name: one.error for one in collector.collect()}
    assert found == {"bad": "ZeroDivisionError", "good": "", A: ""}
    assert keys(snapshots) == ["bad"]


class Hanging(InImages):
    """A snapshotter that hangs while it removes a snapshot."""

    def __init__(self, inner: Snapshotter) -> None:
        super().__init__(inner)
        self.hangs = threading.Event()
        self.go_on = threading.Event()

    def remove(self, key: str) -> None:
        self.hangs.set()
        self.go_on.wait()
        super().remove(key)


def test_a_snapshotter_that_hangs_keeps_only_those_waiting_who_need_that_snapshot(
    metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    name(metadata, B)
    add(content, B)
    commit(snapshots, "s")
    hanging = Hanging(snapshots)
    collector = Collector(metadata, content, lambda: [("native", hanging)], grace=0)
    thread = threading.Thread(target=lambda: list(collector.collect()))
    thread.start()
    try:
        hanging.hangs.wait()
        metadata.images(SPACE).update(Image("i", Descriptor("t", A, 1)))
        add(content, A, labels={"containerd.io/gc.ref.snapshot.native": "s"})
        metadata.leases(SPACE).create("l")
        with metadata.temporary_lease(SPACE) as lease:
            lease.add_blob(B)
            lease.add_snapshot("native", "other")
            with use(CallContext(deadline=time.monotonic() + 0.1)), pytest.raises(DeadlineExceeded):
                lease.add_snapshot("native", "s")
        assert names(list(collector.collect(dry_run=True))) == [B]
    finally:
        hanging.go_on.set()
        thread.join()
    assert keys(snapshots) == []
    assert set(blobs(content)) == {A, B}


def test_who_needs_a_blob_that_is_being_removed_waits_and_finds_it_gone(
    metadata: Metadata, content: LocalContentStore, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(content, A)
    begun, go_on = threading.Event(), threading.Event()
    unlink = os.unlink

    def slow(path: str, **where: int) -> None:
        if path == A.removeprefix("sha256:"):
            begun.set()
            go_on.wait()
        unlink(path, **where)

    monkeypatch.setattr(os, "unlink", slow)
    thread = threading.Thread(target=lambda: list(collector.collect()))
    thread.start()
    found: list[bool] = []

    def operate() -> None:
        with metadata.temporary_lease(SPACE) as lease:
            lease.add_blob(A)
            found.append(A in blobs(content))

    operation = threading.Thread(target=operate)
    try:
        begun.wait()
        operation.start()
        wait_until(lambda: metadata.protection.is_held(_node(A)), 60, "the lease does not begin")
        assert not found
    finally:
        go_on.set()
        thread.join()
        operation.join()
    assert found == [False]


def _node(digest: str) -> tuple[str, ...]:
    from lamina.metadata._node import blob  # noqa: PLC0415 - the only test that looks at it

    return blob(digest)


def test_a_blob_that_changes_before_it_is_removed_stays(
    content: LocalContentStore, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(content, A, B)
    delete_all = content.delete_all

    def late(blobs: list[Info]) -> Mapping[str, Error]:
        content.add_labels(A, {"containerd.io/gc.root": "1"})
        return delete_all(blobs)

    monkeypatch.setattr(content, "delete_all", late)
    assert names(list(collector.collect())) == [B]
    monkeypatch.undo()
    assert list(collector.collect()) == []


def test_a_blob_that_cannot_be_deleted_does_not_keep_the_rest(
    content: LocalContentStore, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(content, A, B, labels={"l": "1"})
    unlink = os.unlink

    def failing(path: str, **where: int) -> None:
        if path == A.removeprefix("sha256:"):
            raise OSError(5, "Input/output error")
        unlink(path, **where)

    monkeypatch.setattr(os, "unlink", failing)
    found = {one.name: bool(one.error) for one in collector.collect()}
    assert found == {A: True, B: False}
    monkeypatch.undo()
    assert names(list(collector.collect())) == [A]


def test_labels_whose_blob_is_gone_are_forgotten(
    metadata: Metadata, content: LocalContentStore, collector: Collector, tmp_path: Path
) -> None:
    """As after a crash between the two halves of a removal."""
    add(content, A, labels={"containerd.io/gc.ref.content": B})
    (tmp_path / "content/blobs/sha256" / A.removeprefix("sha256:")).unlink()
    assert list(collector.collect()) == []
    assert [*metadata.labels.walk()] == []


def test_a_new_blob_does_not_get_the_labels_of_an_earlier_one(
    metadata: Metadata, content: LocalContentStore, tmp_path: Path
) -> None:
    add(content, A, labels={"containerd.io/gc.root": "1"})
    (tmp_path / "content/blobs/sha256" / A.removeprefix("sha256:")).unlink()
    add(content, A)
    assert content.info(A).labels == {}


def test_a_removal_takes_one_commit_a_batch(
    store: MetaStore, content: LocalContentStore, collector: Collector
) -> None:
    data = {digest_of(b"%d" % number): b"%d" % number for number in range(100)}
    before = commits(store)
    with contextlib.ExitStack() as writers:
        open_ = []
        for digest, text in data.items():
            writer = writers.enter_context(content.writer(digest))
            writer.write(text)
            open_.append(Commit(writer, digest, labels={"l": "1"}))
        content.commit_all(open_)
    assert commits(store) - before == 1, "so does a common commit of new blobs"
    before = commits(store)
    assert len(list(collector.collect())) == 100
    assert commits(store) - before == 2


def commits(store: MetaStore) -> int:
    [metric] = [one for one in store.metrics() if one.name == "lamina_metastore_commit_seconds"]
    return metric.samples[()].count


def test_collections_wait_for_one_another(collector: Collector, metadata: Metadata) -> None:
    name(metadata, A)
    first = collector.steps()
    next(first)
    with use(CallContext(deadline=time.monotonic() + 0.2)), pytest.raises(DeadlineExceeded):
        list(collector.collect())
    first.close()
    assert list(collector.collect()) == []


def test_an_expired_lease_goes_with_what_it_kept(
    metadata: Metadata, content: LocalContentStore, collector: Collector
) -> None:
    add(content, A, B)
    for lease, expiry, digest in (("old", "2001-01-01T00:00:00.5Z", A), ("new", "2999-01-01T00:00:00+01:00", B)):
        metadata.leases(SPACE).create(lease, {"containerd.io/gc.expire": expiry})
        metadata.leases(SPACE).add(lease, Resource("content", digest))
    assert names(list(collector.collect())) == ["old", A]


@pytest.mark.parametrize("expiry", ["soon", "2001-01-01", "2001-13-01T00:00:00Z"])
def test_a_lease_whose_expiry_cannot_be_read_stays(metadata: Metadata, collector: Collector, expiry: str) -> None:
    metadata.leases(SPACE).create("l", {"containerd.io/gc.expire": expiry})
    assert list(collector.collect()) == []


def test_the_usage_of_images_says_what_is_shared(
    metadata: Metadata, content: LocalContentStore, collector: Collector
) -> None:
    add(content, A, B, C)
    content.add_labels(A, {"containerd.io/gc.ref.content.l.0": B})
    name(metadata, A, called="one")
    name(metadata, B, called="two")
    usage = collector.usage()
    assert [(one.name, one.own, one.shared) for one in usage.images] == [("one", 1, 1), ("two", 0, 1)]
    assert (usage.total, usage.reclaimable) == (3, 1)


def test_why_follows_references_back_to_the_roots(
    metadata: Metadata, content: LocalContentStore, collector: Collector, snapshots: Snapshotter
) -> None:
    add(content, A, labels={"containerd.io/gc.ref.snapshot.native": "above"})
    name(metadata, A)
    commit(snapshots, "below")
    commit(snapshots, "above", "below")
    snapshots.prepare("fork", "below")
    chains = collector.why("native/below", SPACE)
    shown = [[(step.kind, step.name, step.how) for step in chain] for chain in chains]
    assert sorted(shown) == [
        [
            ("image", "i", "image"),
            ("blob", A, "target"),
            ("snapshot", "above", "label containerd.io/gc.ref.snapshot.native"),
            ("snapshot", "below", "parent"),
        ],
        [("snapshot", "fork", "active snapshot"), ("snapshot", "below", "parent")],
    ]
    with pytest.raises(NotFound):
        collector.why("native/none", SPACE)


def test_what_a_young_thing_refers_to_stays_with_it(
    collector: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    """A manifest that is just being written would be worth nothing without its layers."""
    collector.grace = 3600
    with metadata.temporary_lease(SPACE) as lease:
        for digest in (A, C):
            lease.add_blob(digest)
        lease.add_snapshot("native", "s")
        add(content, A, C)
        commit(snapshots, "s")
    add(content, B, labels={"containerd.io/gc.ref.content": A, "containerd.io/gc.ref.snapshot.native": "s"})
    found = {one.name: one.young for one in collector.collect()}
    assert found == {"s": True, A: True, B: True, C: False}
    assert [[step.how for step in chain] for chain in collector.why(A, SPACE)] == [
        ["made or changed a moment ago", "label containerd.io/gc.ref.content"]
    ]
    collector.grace = 0
    assert {one.young for one in collector.collect()} == {False}


def test_a_collection_of_content_keeps_the_blobs_of_expired_images_and_leases(
    collector: Collector, metadata: Metadata, content: LocalContentStore
) -> None:
    """It does not remove the images, which would be without their blobs."""
    expired = {"containerd.io/gc.expire": "2001-01-01T00:00:00Z"}
    add(content, A, B)
    name(metadata, A, **expired)
    metadata.leases(SPACE).create("lease", expired)
    metadata.leases(SPACE).add("lease", Resource("content", B))
    assert list(collector.collect(content_only=True)) == []
    collector.discard([A, B])
    assert set(blobs(content)) == {A, B}
    assert {one.kind for one in collector.collect()} == {"image", "lease", "blob"}


def test_what_a_fork_needs_is_not_the_images_own(
    collector: Collector, metadata: Metadata, content: LocalContentStore, snapshots: Snapshotter
) -> None:
    add(content, A, labels={"containerd.io/gc.ref.snapshot.native": "s"})
    commit(snapshots, "s")
    name(metadata, A)
    [alone] = collector.usage().images
    assert (alone.own_content, alone.shared) == (1, 0)
    snapshots.prepare("fork", "s", {"containerd.io/gc.ref.content.base": A})
    [forked] = collector.usage().images
    assert (forked.own, forked.shared) == (0, alone.own)


def test_a_young_blob_is_kept_because_it_is_young(collector: Collector, content: LocalContentStore) -> None:
    collector.grace = 3600
    add(content, A)
    assert [[step.how for step in chain] for chain in collector.why(A, SPACE)] == [
        ["made or changed a moment ago"]
    ]


def test_blobs_that_are_kept_for_snapshots_that_cannot_be_listed_are_no_free_space(
    metadata: Metadata, content: LocalContentStore
) -> None:
    def snapshotters() -> Iterator[tuple[str, Snapshotter]]:
        yield from ()
        raise Unavailable("no disk")

    collector = Collector(metadata, content, snapshotters, grace=0)
    add(content, A)
    assert collector.usage().reclaimable == 0
    [[step]] = collector.why(A, SPACE)
    assert step.how == "kept because snapshots that may need it cannot be listed: no disk"


def test_a_blob_is_kept_through_an_image_that_is_in_no_namespace(
    collector: Collector, content: LocalContentStore
) -> None:
    """There need not be a namespace, either."""
    add(content, A, labels={"containerd.io/gc.root": "0", "containerd.io/gc.ref.image": "i"})
    add(content, B, labels={"containerd.io/gc.bref.image": "i"})
    add(content, C)
    assert names([*collector.collect()]) == [C]


def test_a_flat_lease_keeps_any_number_of_parents(metadata: Metadata, content: LocalContentStore) -> None:
    names = [f"s{number}" for number in range(5000)]
    listing = Listing(Sources(metadata, content, list))
    listing.keyspaces[SPACE, "native"] = Keyspace(
        SPACE,
        "native",
        mock.Mock(Snapshotter),
        {key: Listed(below, {}, True, False, 0) for key, below in zip(names, ["", *names], strict=False)},
    )
    listing.roots.append(Root(snapshot(SPACE, "native", names[-1]), "resource", flat=True))
    marking = Marking(listing, Edges(Sources(metadata, content, list), listing))
    for _ in marking.mark_roots():
        pass
    assert all(marking.has(snapshot(SPACE, "native", key)) for key in names)


def test_snapshots_of_a_namespace_that_the_metadata_does_not_know_are_collected(
    metadata: Metadata, content: LocalContentStore, native: LocalSnapshotter
) -> None:
    """An older lamina recorded no namespaces."""
    collector = Collector(metadata, content, lambda: [("native", native)], grace=0, namespaces=lambda: ["old"])
    old = native.keyspace(keyspace_of("old"))
    add(content, A, B)
    commit(old, "s")
    old.prepare("fork", labels={"containerd.io/gc.ref.content": A})
    assert names(list(collector.collect())) == ["s", B]
    assert keys(old) == ["fork"]
