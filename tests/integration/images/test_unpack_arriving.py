"""Layers are unpacked as their blobs arrive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import attrs
import pytest

from lamina.content import ContentStore, NewBlob, ingest, read_blob
from lamina.context import current
from lamina.errdefs import InvalidArgument, Unavailable
from lamina.images.documents import chain_ids
from lamina.images.unpack import Arrivals, Destination, Unpacker, arriving
from tests.support.images.appliers import CountingApplier
from tests.support.images.built import BuiltImage, build_image, layer
from tests.support.images.trees import committed, files_of, unfinished
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

LAYERS = tuple(layer({f"{number}": f"{number}", "same": f"{number}"}) for number in range(4))
TREE = {**{f"{number}": f"{number}" for number in range(4)}, "same": "3"}
SECONDS = 60.0

Gate = Callable[[int], None]


@contextmanager
def gated(content: ContentStore, image: BuiltImage) -> Iterator[tuple[Gate, Arrivals]]:
    """Yield what lets a layer arrive by its number, and its arrivals. The configuration is there."""
    digests = [one.digest for one in image.manifest.layers]
    data = {digest: read_blob(content, digest) for digest in digests}
    for digest in digests:
        content.delete(digest)
    arrivals = Arrivals(digests)

    def let(number: int) -> None:
        ingest(content, [NewBlob(digests[number], data[digests[number]])])
        arrivals.add(digests[number])

    yield let, arrivals


def chain(image: BuiltImage) -> tuple[str, ...]:
    return chain_ids(image.config.rootfs.diff_ids)


@pytest.mark.parametrize("rebases", [True, False])
def test_layers_may_arrive_in_any_order(content: ContentStore, destination: Destination, *, rebases: bool) -> None:
    image, applier = build_image(content, LAYERS), CountingApplier()
    place = attrs.evolve(destination, rebases=rebases)
    with gated(content, image) as (let, arrivals), ThreadPoolExecutor(1) as pool:
        top = pool.submit(Unpacker(content, applier).unpack, image.manifest, image.config, place, None, arrivals)
        for number in (2, 3, 1, 0):
            let(number)
        assert files_of(destination.snapshotter, top.result(SECONDS)) == TREE
    assert unfinished(destination.snapshotter) == set()


def test_a_layer_is_applied_before_those_below_it_arrive(content: ContentStore, destination: Destination) -> None:
    image, applier = build_image(content, LAYERS), CountingApplier()
    with gated(content, image) as (let, arrivals), ThreadPoolExecutor(1) as pool:
        top = pool.submit(
            Unpacker(content, applier).unpack, image.manifest, image.config, destination, None, arrivals
        )
        for number in (1, 2, 3):
            let(number)
        wait_until(lambda: applier.rebased == [True] * 3, SECONDS, "three layers are applied")
        assert committed(destination.snapshotter) == set()
        let(0)
        assert top.result(SECONDS) == chain(image)[-1]


@pytest.mark.parametrize("rebases", [True, False])
def test_layers_below_one_that_never_arrives_are_kept(
    content: ContentStore, destination: Destination, *, rebases: bool
) -> None:
    image, applier = build_image(content, LAYERS), CountingApplier()
    place = attrs.evolve(destination, rebases=rebases)
    with gated(content, image) as (let, arrivals):
        for number in (0, 1, 3):
            let(number)
        arrivals.end(Unavailable("the registry is gone"))
        with pytest.raises(Unavailable, match="the registry is gone"):
            Unpacker(content, applier).unpack(image.manifest, image.config, place, None, arrivals)
    assert committed(destination.snapshotter) == {*chain(image)[:2]}
    assert unfinished(destination.snapshotter) == set()


def test_a_layer_that_cannot_be_applied_ends_the_wait_for_those_below_it(
    content: ContentStore, destination: Destination
) -> None:
    image, applier = build_image(content, [*LAYERS[:3], b"no archive" * 100]), CountingApplier()
    with gated(content, image) as (let, arrivals):
        let(0)
        let(3)
        with pytest.raises(InvalidArgument, match="checksum"):
            Unpacker(content, applier).unpack(image.manifest, image.config, destination, None, arrivals)
    assert committed(destination.snapshotter) <= {chain(image)[0]}
    assert unfinished(destination.snapshotter) == set()


def test_a_failed_unpack_stops_what_brings_its_blobs(content: ContentStore, destination: Destination) -> None:
    image, stopped = build_image(content, [b"no archive" * 100]), threading.Event()
    (digest,) = (one.digest for one in image.manifest.layers)

    def bring(stored: Callable[[str], object]) -> None:
        stored(digest)
        current().on_cancel(stopped.set)
        stopped.wait(SECONDS)
        current().check()

    with pytest.raises(InvalidArgument), arriving([digest, "sha256:other"], bring) as arrivals:
        Unpacker(content, CountingApplier()).unpack(image.manifest, image.config, destination, None, arrivals)
    assert stopped.is_set()


def test_calls_whose_layers_arrive_in_opposite_orders_do_not_wait_for_each_other(
    content: ContentStore, destination: Destination
) -> None:
    """Each has layers that the other needs, and does more than it has threads for."""
    image = build_image(content, [layer({f"{number}": ""}) for number in range(12)])
    digests = [one.digest for one in image.manifest.layers]
    applier = CountingApplier()
    unpacker = Unpacker(content, applier)
    for _ in range(3):
        both = [Arrivals(digests), Arrivals(digests)]
        with ThreadPoolExecutor(2) as pool:
            tops = [
                pool.submit(unpacker.unpack, image.manifest, image.config, destination, None, one) for one in both
            ]
            for first, last in zip(digests, reversed(digests), strict=True):
                both[0].add(first)
                both[1].add(last)
            assert {top.result(SECONDS) for top in tops} == {chain(image)[-1]}
        assert applier.begun == len(digests)
        assert unfinished(destination.snapshotter) == set()
        applier.begun = 0
        for name in reversed(chain(image)):
            destination.snapshotter.remove(name)
