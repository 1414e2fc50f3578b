"""The collector compared with a model that finds what is needed by closure, while everything changes meanwhile."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina import content
from lamina.content import Descriptor, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.errdefs import AlreadyExists, HasChildren
from lamina.images import Image, ImageStore, keyspace_of
from lamina.metadata import Metadata, Resource
from lamina.metadata.collection import Collector
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Info, Kind
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from tests.support.blobs import digest_of
from tests.support.rounds import rounds

ROUNDS = rounds(40, soak=4000)
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""Where thousands of syncs take no time."""
NAMESPACES = ("a", "b")
DATA = {digest_of(data): data for data in (b"0", b"1", b"2", b"3", b"4")}
DIGESTS = tuple(DATA)
NAMES = ("i", "j", "k")
KEYS = ("r", "s", "t", "u")
PAST, FUTURE = "2001-02-03T04:05:06Z", "2999-01-01T00:00:00+01:00"

References = st.dictionaries(
    st.sampled_from(
        [
            "containerd.io/gc.ref.content",
            "containerd.io/gc.ref.content.x",
            "containerd.io/gc.bref.content/y",
        ]
    ),
    st.sampled_from(DIGESTS),
    max_size=2,
)
OTHERS = st.one_of(
    st.dictionaries(
        st.sampled_from(["containerd.io/gc.ref.snapshot.native", "containerd.io/gc.bref.snapshot.native/1"]),
        st.sampled_from(KEYS),
        max_size=1,
    ),
    st.dictionaries(
        st.sampled_from(["containerd.io/gc.ref.image", "containerd.io/gc.bref.image.x"]),
        st.sampled_from(NAMES),
        max_size=1,
    ),
)
ROOTS = st.dictionaries(st.just("containerd.io/gc.root.x"), st.just("0"), max_size=1)
LABELS = st.builds(lambda *parts: {k: v for part in parts for k, v in part.items()}, References, OTHERS, ROOTS)
EXPIRY = st.sampled_from([{}, {}, {"containerd.io/gc.expire": PAST}, {"containerd.io/gc.expire": FUTURE}])
FLAT = st.sampled_from([{}, {"containerd.io/gc.flat": "1"}])
spaces = st.sampled_from(NAMESPACES)
digests = st.sampled_from(DIGESTS)
names = st.sampled_from(NAMES)
keys = st.sampled_from(KEYS)

T = TypeVar("T")
Thing = tuple[str, ...]
"""`blob` and namespace and digest; `image`, namespace and name; `snapshot`, namespace and key."""


@attrs.define
class Snapshot:
    kind: Kind
    parent: str
    labels: Mapping[str, str]


@attrs.define
class Model:
    """What there is, and a plain definition of what is needed."""

    blobs: dict[str, Mapping[str, str]] = attrs.Factory(dict)
    images: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = attrs.Factory(dict)
    leases: dict[tuple[str, str], tuple[Mapping[str, str], set[Thing]]] = attrs.Factory(dict)
    snapshots: dict[tuple[str, str], Snapshot] = attrs.Factory(dict)

    def everything(self) -> set[Thing]:
        blobs = {("blob", space, digest) for space in NAMESPACES for digest in DIGESTS}
        images = {("image", *one) for one in self.images}
        return blobs | images | {("snapshot", *one) for one in self.snapshots}

    def labels(self, thing: Thing) -> Mapping[str, str]:
        kind, space, name = thing
        if kind == "blob":
            return self.blobs.get(name, {})
        if kind == "image":
            return self.images[space, name][1] if (space, name) in self.images else {}
        return self.snapshots[space, name].labels if (space, name) in self.snapshots else {}

    def neighbours(self, thing: Thing) -> set[Thing]:
        kind, space, name = thing
        found = {named(key, value, space) for key, value in self.labels(thing).items() if ".ref." in key}
        if kind == "image" and (space, name) in self.images:
            found.add(("blob", space, self.images[space, name][0]))
        found |= self.parent(thing)
        return found | {other for other in self.everything() if self.is_back(other, thing)}

    def parent(self, thing: Thing) -> set[Thing]:
        kind, space, name = thing
        found = self.snapshots.get((space, name)) if kind == "snapshot" else None
        return {("snapshot", space, found.parent)} if found and found.parent else set()

    def is_back(self, other: Thing, thing: Thing) -> bool:
        labels = self.labels(other)
        return any(named(key, value, other[1]) == thing for key, value in labels.items() if ".bref." in key)

    def needed(self) -> set[Thing]:
        found: set[Thing] = {("image", *one) for one, (_, labels) in self.images.items() if not expired(labels)}
        for thing in self.everything():
            kind, space, name = thing
            is_root = any(key.startswith("containerd.io/gc.root") for key in self.labels(thing))
            is_active = kind == "snapshot" and self.snapshots[space, name].kind is not Kind.COMMITTED
            if kind != "image" and (is_root or is_active):
                found.add(thing)
        flat: set[Thing] = set()
        for labels, resources in self.leases.values():
            if not expired(labels):
                (flat if "containerd.io/gc.flat" in labels else found).update(resources)
        while more := {other for thing in found for other in self.neighbours(thing)} - found:
            found |= more
        while more := {other for thing in flat for other in self.flat_neighbours(thing)} - flat:
            flat |= more
        return found | flat

    def flat_neighbours(self, thing: Thing) -> set[Thing]:
        kind, space, name = thing
        if kind == "image" and (space, name) in self.images:
            return {("blob", space, self.images[space, name][0])}
        return self.parent(thing)


def named(key: str, value: str, space: str) -> Thing:
    kind = next(kind for kind in ("content", "snapshot", "image") if f"ref.{kind}" in key)
    return ("blob" if kind == "content" else kind, space, value)


def expired(labels: Mapping[str, str]) -> bool:
    return labels.get("containerd.io/gc.expire") == PAST


class World:
    """Images, blobs, leases and snapshots in two namespaces, and what there should be."""

    def __init__(self, path: Path, resources: contextlib.ExitStack) -> None:
        store = MetaStore.open(str(path / "store"))
        resources.callback(store.close)
        self.metadata = Metadata.open(store)
        self.content = LocalContentStore(str(path / "content"), self.metadata.labels)
        resources.callback(self.content.close)
        native = LocalSnapshotter.open(
            NativeBackend(str(path / "native")), store.snapshotter("native"), sync_fs=False
        )
        resources.callback(native.close)
        self.plain = native
        self.plain.prepare("plain")
        self.snapshotters = {space: native.keyspace(keyspace_of(space)) for space in NAMESPACES}
        self.collector = Collector(self.metadata, self.content, lambda: [("native", native)], grace=0)
        self.model = Model()
        self.held: set[str] = set()

    # What clients do

    def store_blob(self, digest: str, labels: Mapping[str, str]) -> None:
        ingest(self.content, [NewBlob(digest, DATA[digest], labels)])
        self.model.blobs[digest] = {**self.model.blobs.get(digest, {}), **labels}

    def label_blob(self, digest: str, labels: Mapping[str, str]) -> None:
        if digest in self.model.blobs:
            self.content.update(content.Info(digest, labels=labels))
            self.model.blobs[digest] = labels

    def move_labels(self, number: int, new: str) -> None:
        """Give the labels of a blob to another one."""
        old = pick([digest for digest, labels in self.model.blobs.items() if labels], number)
        if old is not None and new in self.model.blobs and old != new:
            self.label_blob(new, self.model.blobs[old])
            self.label_blob(old, {})

    def name_image(self, space: str, name: str, digest: str, labels: Mapping[str, str]) -> None:
        image = Image(name, Descriptor("t", digest, 1), labels)
        images: ImageStore = self.metadata.images(space)
        try:
            images.create(image)
        except AlreadyExists:
            images.update(image)
        self.model.images[space, name] = digest, image.labels

    def delete_image(self, number: int) -> None:
        if one := pick(self.model.images, number):
            space, name = one
            del self.model.images[one]
            self.metadata.images(space).delete(name)

    def move_image(self, number: int, space: str, name: str) -> None:
        """Give an image another name, and perhaps a namespace, and keep its target and labels."""
        old = pick(self.model.images, number)
        if old is not None and old != (space, name):
            self.name_image(space, name, *self.model.images[old])
            del self.model.images[old]
            self.metadata.images(old[0]).delete(old[1])

    def create_lease(self, space: str, name: str, labels: Mapping[str, str]) -> None:
        if (space, name) not in self.model.leases:
            self.metadata.leases(space).create(name, labels)
            self.model.leases[space, name] = labels, set()

    def delete_lease(self, space: str, name: str) -> None:
        if self.model.leases.pop((space, name), None):
            self.metadata.leases(space).delete(name)

    def lease(self, space: str, name: str, thing: str) -> None:
        if (space, name) in self.model.leases:
            kind, type_ = kind_of(thing)
            self.metadata.leases(space).add(name, Resource(type_, thing))
            self.model.leases[space, name][1].add((kind, space, thing))

    def move_resource(self, number: int, name: str) -> None:
        """Add a resource of a lease to another one, or to none, and remove it from the first."""
        resources = [(*one, thing) for one, (_, things) in self.model.leases.items() for thing in sorted(things)]
        if one := pick(resources, number):
            space, old, (kind, _, thing) = one
            if old != name:
                self.lease(space, name, thing)
                self.metadata.leases(space).remove(old, Resource(kind_of(thing)[1], thing))
                self.model.leases[space, old][1].discard((kind, space, thing))

    def prepare_snapshot(self, space: str, key: str, parent: str, labels: Mapping[str, str]) -> None:
        found = self.model.snapshots.get((space, parent))
        if (space, key) in self.model.snapshots:
            return
        if parent and (found is None or found.kind is not Kind.COMMITTED):
            return
        with self.metadata.changing_snapshots(space, "native", [key, parent], labels):
            self.snapshotters[space].prepare(key, parent, labels)
        self.model.snapshots[space, key] = Snapshot(Kind.ACTIVE, parent, labels)

    def commit_snapshot(self, space: str, key: str, name: str, labels: Mapping[str, str]) -> None:
        found = self.model.snapshots.get((space, key))
        if found is None or found.kind is not Kind.ACTIVE or (space, name) in self.model.snapshots:
            return
        with self.metadata.changing_snapshots(space, "native", [key, name], labels):
            self.snapshotters[space].commit(name, key, labels)
        del self.model.snapshots[space, key]
        self.model.snapshots[space, name] = Snapshot(Kind.COMMITTED, found.parent, labels)

    def make_snapshot(self, space: str, name: str, parent: str, labels: Mapping[str, str]) -> None:
        if (space, name) not in self.model.snapshots:
            self.prepare_snapshot(space, "extract", parent, {})
            self.commit_snapshot(space, "extract", name, labels)

    def move_snapshot(self, number: int, new: str) -> None:
        """Commit an active snapshot, and keep its labels."""
        active = [one for one, found in self.model.snapshots.items() if found.kind is Kind.ACTIVE]
        if one := pick(active, number):
            self.commit_snapshot(*one, new, self.model.snapshots[one].labels)

    def replace_snapshot(self, number: int, new: str) -> None:
        """Make an active snapshot like another one, and remove that."""
        active = [one for one, found in self.model.snapshots.items() if found.kind is Kind.ACTIVE]
        if one := pick(active, number):
            found = self.model.snapshots[one]
            self.prepare_snapshot(one[0], new, found.parent, found.labels)
            if new != one[1]:
                self.remove_snapshot(*one)

    def label_snapshot(self, space: str, key: str, labels: Mapping[str, str]) -> None:
        if (space, key) in self.model.snapshots:
            with self.metadata.changing_snapshots(space, "native", [key], labels):
                self.snapshotters[space].update(Info(key, labels=labels))
            self.model.snapshots[space, key].labels = labels

    def remove_snapshot(self, space: str, key: str) -> None:
        if (space, key) not in self.model.snapshots:
            return
        try:
            self.snapshotters[space].remove(key)
        except HasChildren:
            return
        del self.model.snapshots[space, key]

    def imported(self, space: str, name: str, manifest: str, layer: str) -> Iterator[None]:
        """Import an image, some of whose blobs may be there, in steps."""
        with self.metadata.temporary_lease(space) as lease:
            try:
                for digest in (layer, manifest):
                    lease.add_blob(digest)
                    self.held.add(digest)
                    yield
                missing = {layer, manifest} - {info.digest for info in self.content.walk()}
                yield
                for digest in sorted(missing):
                    self.store_blob(digest, {})
                    yield
                self.store_blob(manifest, {"containerd.io/gc.ref.content.l.0": layer})
                yield
                self.name_image(space, name, manifest, {})
                assert {layer, manifest} <= {info.digest for info in self.content.walk()}
            finally:
                self.held -= {layer, manifest}

    # What the collector did

    def check_removals(self, needed: set[Thing]) -> None:
        """Check that nothing was removed that is needed, and note what was."""
        gone: set[Thing] = set()
        for digest in self.model.blobs.keys() - {info.digest for info in self.content.walk()}:
            gone |= {("blob", space, digest) for space in NAMESPACES}
            assert digest not in self.held
            del self.model.blobs[digest]
        for space in NAMESPACES:
            images = {image.name for image in self.metadata.images(space).list()}
            gone |= {("image", *one) for one in dropped(self.model.images, space, images)}
            snapshots = {info.name for info in self.snapshotters[space].walk()}
            gone |= {("snapshot", *one) for one in dropped(self.model.snapshots, space, snapshots)}
            leases = {lease.id for lease in self.metadata.leases(space).list()}
            ended = {one for one, (labels, _) in self.model.leases.items() if expired(labels)}
            assert dropped(self.model.leases, space, leases) <= ended
        assert not gone & needed

    def check_rest(self, needed: set[Thing]) -> None:
        """Check that nothing is left that is not needed."""
        assert self.model.blobs.keys() <= {name for kind, _, name in needed if kind == "blob"}
        assert {("image", *one) for one in self.model.images} <= needed
        assert {("snapshot", *one) for one in self.model.snapshots} <= needed
        assert not [one for one, (labels, _) in self.model.leases.items() if expired(labels)]
        assert dict(self.metadata.labels.walk()) == {key: one for key, one in self.model.blobs.items() if one}
        assert [info.name for info in self.plain.walk()] == ["plain"]


def pick(known: Iterable[T], number: int) -> T | None:
    """Return one of some things, if there are any."""
    found = list(known)
    return found[number % len(found)] if found else None


def dropped(known: dict[tuple[str, str], Any], space: str, names: set[str]) -> set[tuple[str, str]]:
    """Remove what is not in a namespace any more, and return it."""
    gone = {one for one in known if one[0] == space and one[1] not in names}
    for one in gone:
        del known[one]
    return gone


def kind_of(thing: str) -> tuple[str, str]:
    """Return the kind of a thing, and the type of the resource."""
    if thing in DIGESTS:
        return "blob", "content"
    return ("snapshot", "snapshots/native") if thing in KEYS else ("image", "images")


things = st.one_of(digests, names, keys)
numbers = st.integers(0, 3)
Change = tuple[Any, ...]
"""A method of `World`, and its arguments."""
changes: st.SearchStrategy[Change] = st.one_of(
    st.tuples(st.just(World.store_blob), digests, LABELS),
    st.tuples(st.just(World.label_blob), digests, LABELS),
    st.tuples(st.just(World.move_labels), numbers, digests),
    st.tuples(st.just(World.name_image), spaces, names, digests, st.builds(dict.__or__, LABELS, EXPIRY)),
    st.tuples(st.just(World.delete_image), numbers),
    st.tuples(st.just(World.move_image), numbers, spaces, names),
    st.tuples(st.just(World.create_lease), spaces, names, st.builds(dict.__or__, EXPIRY, FLAT)),
    st.tuples(st.just(World.delete_lease), spaces, names),
    st.tuples(st.just(World.lease), spaces, names, things),
    st.tuples(st.just(World.move_resource), numbers, names),
    st.tuples(st.just(World.prepare_snapshot), spaces, keys, st.one_of(st.just(""), keys), LABELS),
    st.tuples(st.just(World.make_snapshot), spaces, keys, st.one_of(st.just(""), keys), LABELS),
    st.tuples(st.just(World.move_snapshot), numbers, keys),
    st.tuples(st.just(World.replace_snapshot), numbers, keys),
    st.tuples(st.just(World.label_snapshot), spaces, keys, LABELS),
    st.tuples(st.just(World.remove_snapshot), spaces, keys),
)
moves: st.SearchStrategy[Change] = st.one_of(
    st.tuples(st.just(World.move_labels), numbers, digests),
    st.tuples(st.just(World.move_image), numbers, spaces, names),
    st.tuples(st.just(World.move_resource), numbers, names),
    st.tuples(st.just(World.move_snapshot), numbers, keys),
    st.tuples(st.just(World.replace_snapshot), numbers, keys),
)
"""Changes that move a reference from one thing to another."""
imports = st.one_of(st.none(), st.tuples(spaces, names, digests, digests))


@contextlib.contextmanager
def small_world() -> Iterator[tuple[World, contextlib.ExitStack]]:
    """A world in which a collection goes on by one thing at a time, and what is closed with it."""
    with contextlib.ExitStack() as resources:
        for name in (
            "store._table.BATCH",
            "snapshots.storage._batch.BATCH",
            "metadata.collection._listing.STEP",
            "metadata.collection._marking.STEP",
            "metadata.collection._sweep.BATCH",
        ):
            resources.enter_context(mock.patch(f"lamina.{name}", 1))
        path = Path(resources.enter_context(tempfile.TemporaryDirectory(dir=MEMORY)))
        yield World(path, resources), resources


@settings(max_examples=ROUNDS)
@given(
    blobs=st.tuples(*[st.one_of(LABELS, st.just({}))] * len(DIGESTS)),
    before=st.lists(changes, max_size=20),
    meanwhile=st.lists(st.tuples(st.integers(0, 8), st.one_of(moves, changes)), max_size=10),
    imported=imports,
)
def test_a_collection_removes_what_nothing_needs_and_nothing_else(
    blobs: tuple[dict[str, str], ...],
    before: list[Change],
    meanwhile: list[tuple[int, Change]],
    imported: tuple[str, str, str, str] | None,
) -> None:
    with small_world() as (world, resources):
        for digest, labels in zip(DIGESTS, blobs, strict=True):
            world.store_blob(digest, labels)
        for method, *arguments in before:
            method(world, *arguments)
        steps = resources.enter_context(contextlib.closing(world.collector.steps()))
        operation = world.imported(*imported) if imported else iter(())
        for pause, (method, *arguments) in meanwhile:
            advance(world, steps, pause)
            next(operation, None)
            method(world, *arguments)
        while advance(world, steps, 1):
            next(operation, None)
        for _ in operation:
            pass
        needed = world.model.needed()
        for _ in world.collector.collect():
            pass
        world.check_removals(needed)
        world.check_rest(needed)


def advance(world: World, steps: Iterator[object], count: int) -> bool:
    """Go on with a collection by some steps, and return whether it goes on."""
    for _ in range(count):
        removed = next(steps, world)
        if removed is not None:
            world.check_removals(world.model.needed())
        if removed is world:
            return False
    return True


def image_moves(world: World) -> None:
    world.store_blob(DIGESTS[0], {})
    world.name_image("b", "k", DIGESTS[0], {})


def labels_move(world: World) -> None:
    world.store_blob(DIGESTS[0], {})
    world.store_blob(DIGESTS[4], {"containerd.io/gc.ref.content": DIGESTS[0]})
    world.store_blob(DIGESTS[1], {})
    for digest, name in ((DIGESTS[1], "i"), (DIGESTS[4], "k")):
        world.name_image("a", name, digest, {})


def resource_moves(world: World) -> None:
    world.store_blob(DIGESTS[0], {})
    world.create_lease("a", "i", {})
    world.create_lease("a", "k", {})
    world.lease("a", "k", DIGESTS[0])


def snapshot_moves(world: World) -> None:
    world.store_blob(DIGESTS[0], {})
    world.name_image("a", "i", DIGESTS[1], {})
    world.prepare_snapshot("a", "s", "", {})
    world.prepare_snapshot(
        "a", "u", "", {"containerd.io/gc.ref.content": DIGESTS[0], "containerd.io/gc.root": "1"}
    )


@pytest.mark.parametrize(
    ("build", "move"),
    [
        (image_moves, lambda world: world.move_image(0, "a", "i")),
        (labels_move, lambda world: world.move_labels(0, DIGESTS[1])),
        (resource_moves, lambda world: world.move_resource(0, "i")),
        (snapshot_moves, lambda world: world.move_snapshot(1, "r")),
        (snapshot_moves, lambda world: world.replace_snapshot(1, "r")),
    ],
    ids=["image", "labels", "resource", "committed", "replaced"],
)
def test_a_reference_that_moves_at_any_step_keeps_its_target(
    build: Callable[[World], None], move: Callable[[World], None]
) -> None:
    """It moves from a key that the collection has not read yet to one that it has passed."""
    position, goes_on = 0, True
    while goes_on:
        with small_world() as (world, resources):
            build(world)
            steps = resources.enter_context(contextlib.closing(world.collector.steps()))
            goes_on = advance(world, steps, position)
            move(world)
            advance(world, steps, 1000)
            assert DIGESTS[0] in world.model.blobs
        position += 1
    assert position > 5
