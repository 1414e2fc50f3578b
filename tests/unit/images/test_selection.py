"""Choosing the manifest of an image."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lamina.content import Descriptor
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, InvalidArgument, NotFound
from lamina.images import documents
from lamina.images.documents import Platform
from lamina.images.selection import MAX_MANIFESTS, MAX_NESTING, candidates, choose
from tests.support.images import Documents

AMD64, ARM64, ARM = Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "arm", "v6")


@pytest.fixture
def made() -> Documents:
    return Documents()


def test_the_manifest_of_the_platform_is_chosen(made: Documents) -> None:
    ours, others = made.manifest(AMD64), made.manifest(ARM64)
    index = made.index((others, ARM64), (ours, AMD64))
    assert choose(made.read, index, "x", AMD64).descriptor == ours


def test_the_best_platform_is_chosen_and_then_the_first(made: Documents) -> None:
    older, first, second = made.manifest(ARM), made.manifest(ARM64, "1"), made.manifest(ARM64, "2")
    index = made.index((older, ARM), (first, ARM64), (second, Platform("linux", "aarch64", "v8")))
    assert choose(made.read, index, "x", ARM64).descriptor == first


def test_the_configuration_tells_the_platform_where_the_index_does_not(made: Documents) -> None:
    ours, others = made.manifest(AMD64), made.manifest(ARM64)
    assert choose(made.read, made.index((others, None), (ours, None)), "x", AMD64).descriptor == ours


def test_the_index_is_believed_where_it_tells_the_platform(made: Documents) -> None:
    manifest = made.manifest(AMD64)
    assert choose(made.read, made.index((manifest, ARM64)), "x", ARM64).platform == ARM64


def test_indexes_are_nested(made: Documents) -> None:
    ours, others = made.manifest(AMD64), made.manifest(ARM64)
    index = made.index((made.index((others, ARM64)), None), (made.index((ours, AMD64)), None))
    assert choose(made.read, index, "x", AMD64).descriptor == ours


def test_an_image_of_another_platform_is_refused_with_what_there_is(made: Documents) -> None:
    index = made.index((made.manifest(ARM64), ARM64), (made.manifest(ARM), ARM))
    with pytest.raises(NotFound) as caught:
        choose(made.read, index, "debian:12", AMD64)
    assert str(caught.value) == (
        "image debian:12: it is for linux/arm64, linux/arm/v6, not for linux/amd64: "
        "choose with --platform linux/arm64"
    )


def test_a_single_manifest_of_another_platform_is_refused_too(made: Documents) -> None:
    with pytest.raises(NotFound, match="it is for linux/arm64, not for linux/amd64"):
        choose(made.read, made.manifest(ARM64), "x", AMD64)


def test_the_host_is_the_default_platform(made: Documents) -> None:
    ours = made.manifest(Platform.host())
    assert choose(made.read, ours, "x").descriptor == ours


def test_one_manifest_can_be_for_several_platforms(made: Documents) -> None:
    manifest = made.manifest(AMD64)
    assert choose(made.read, made.index((manifest, AMD64), (manifest, ARM64)), "x", ARM64).platform == ARM64


def test_attestations_and_other_artifacts_are_passed_over(made: Documents) -> None:
    attestation = made.manifest(AMD64, "1", media_type="application/vnd.in-toto+json")
    ours = made.manifest(AMD64, "2")
    index = made.index(
        (attestation, Platform("unknown", "unknown")),
        (made.add(b"<xml/>", "application/xml"), AMD64),
        (made.manifest(AMD64, "3", media_type="application/vnd.cncf.helm.config.v1+json"), AMD64),
        (ours, AMD64),
    )
    assert [one.descriptor for one in candidates(made.read, index, "x")] == [ours]


def test_what_is_not_there_is_passed_over(made: Documents) -> None:
    """As in an archive of one of the platforms of an image."""
    absent, ours = made.manifest(AMD64, "1"), made.manifest(AMD64, "2")
    index = made.index((absent, AMD64), (made.index((absent, AMD64)), None), (ours, AMD64))
    for digest in (absent.digest, made.index((absent, AMD64)).digest):
        del made.blobs[digest]
    assert choose(made.read, index, "x", AMD64).descriptor == ours


def test_a_target_that_is_not_there_is_not_found(made: Documents) -> None:
    target = made.manifest(AMD64)
    made.blobs.clear()
    with pytest.raises(NotFound, match=target.digest):
        choose(made.read, target, "x", AMD64)


@pytest.mark.parametrize("depth", [MAX_NESTING + 1, 10_000])
def test_deeply_nested_indexes_are_refused(made: Documents, depth: int) -> None:
    target = made.manifest(AMD64)
    for _ in range(depth):
        target = made.index((target, AMD64))
    with pytest.raises(InvalidArgument, match="indexes are nested more than 8 deep"):
        choose(made.read, target, "x", AMD64)


def test_an_index_that_names_itself_is_refused(made: Documents) -> None:
    """It cannot have its own digest in it, so its content is another one."""
    name = Descriptor(documents.OCI_INDEX, f"sha256:{'a' * 64}", 0)
    index = made.index((name, None))
    made.blobs[name.digest] = made.blobs[index.digest]
    with pytest.raises(InvalidArgument, match="bytes where its descriptor says 0"):
        choose(made.read, index, "x", AMD64)


def test_an_index_named_many_times_is_read_once(made: Documents) -> None:
    """Seven levels of ten names each would be ten million manifests."""
    target = made.manifest(AMD64)
    for _ in range(MAX_NESTING):
        target = made.index(*[(target, None)] * 10)
    assert len(candidates(made.read, target, "x")) == 10
    assert made.reads < 50


def test_more_manifests_than_the_limit_are_refused(made: Documents) -> None:
    manifests = [(made.manifest(AMD64, str(number)), AMD64) for number in range(MAX_MANIFESTS + 1)]
    with pytest.raises(InvalidArgument, match="more than 1000 manifests"):
        candidates(made.read, made.index(*manifests), "x")


@pytest.mark.parametrize("media_type", ["", "text/html", documents.OCI_LAYER])
def test_a_target_of_another_type_is_refused(made: Documents, media_type: str) -> None:
    with pytest.raises(InvalidArgument, match="is neither that of a manifest nor of an index"):
        choose(made.read, made.add(b"", media_type), "x", AMD64)


@pytest.mark.parametrize("find", [choose, candidates])
def test_a_search_ends_with_its_call(made: Documents, find: Callable[..., object]) -> None:
    context = CallContext()
    context.cancel()
    with use(context), pytest.raises(Canceled):
        find(made.read, made.manifest(AMD64), "x")
