"""Manifests and blobs from Debian's docker-registry."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import InvalidArgument, NotFound
from lamina.registry import Access, Limits, Registry
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.downloads import download
from tests.support.registries.proxy import Proxy
from tests.support.registries.seeding import described, noise, seed_blob, seed_image

pytestmark = pytest.mark.requires("docker-registry")


def test_a_tag_is_resolved_without_its_document(server: DockerRegistry, proxy: Proxy) -> None:
    image = seed_image(server, "library/one", noise(1000))
    with Registry(proxy.host) as registry:
        assert registry.repository("library/one").resolve("latest") == image.descriptor
    assert [method for method, _ in proxy.requests] == ["HEAD"]


def test_a_digest_is_resolved(server: DockerRegistry, registry: Registry) -> None:
    image = seed_image(server, "library/one", noise(1000))
    assert registry.repository("library/one").resolve(image.descriptor.digest) == image.descriptor


def test_a_manifest_is_read_by_its_digest(server: DockerRegistry, registry: Registry) -> None:
    image = seed_image(server, "library/one", noise(1000))
    assert registry.repository("library/one").manifest(image.descriptor) == image.document


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_a_blob_is_fetched(
    server: DockerRegistry, registry: Registry, store: LocalContentStore, size: int
) -> None:
    descriptor = seed_blob(server, "library/one", noise(size))
    assert download(registry.repository("library/one"), descriptor, store) == noise(size)


def test_a_blob_is_continued_where_the_writer_ends(
    server: DockerRegistry, proxy: Proxy, store: LocalContentStore
) -> None:
    data = noise(300_000)
    descriptor = seed_blob(server, "library/one", data)
    with Registry(proxy.host) as registry:
        found = download(registry.repository("library/one"), descriptor, store, begin=data[:100_000])
    assert (found, proxy.headers[-1]["Range"]) == (data, "bytes=100000-299999")


def test_a_complete_writer_asks_for_nothing(
    server: DockerRegistry, proxy: Proxy, store: LocalContentStore
) -> None:
    data = noise(1000)
    descriptor = seed_blob(server, "library/one", data)
    with Registry(proxy.host) as registry:
        download(registry.repository("library/one"), descriptor, store, begin=data)
    assert proxy.requests == []


@pytest.mark.parametrize("begin", [b"x" * 1000, b"x" * 400_000], ids=["shorter", "longer"])
def test_what_a_writer_had_of_something_else_is_replaced(
    server: DockerRegistry, registry: Registry, store: LocalContentStore, begin: bytes
) -> None:
    data = noise(300_000)
    descriptor = seed_blob(server, "library/one", data)
    assert download(registry.repository("library/one"), descriptor, store, begin) == data


def test_progress_ends_with_the_size(server: DockerRegistry, registry: Registry, store: LocalContentStore) -> None:
    descriptor = seed_blob(server, "library/one", noise(3_000_000))
    reported: list[int] = []
    with store.writer("blob") as writer:
        registry.repository("library/one").fetch(descriptor, writer, reported.append)
    assert (reported[0], reported[-1]) == (0, descriptor.size)
    assert reported == sorted(reported)


def test_connections_are_used_again(server: DockerRegistry, proxy: Proxy) -> None:
    image = seed_image(server, "library/one", noise(1000))
    with Registry(proxy.host) as registry:
        repository = registry.repository("library/one")
        for _ in range(3):
            repository.resolve("latest")
            repository.manifest(image.descriptor)
            repository.has(image.layer_descriptor.digest)
    assert (len(proxy.requests), proxy.connections) == (9, 1)


def test_a_connection_that_the_registry_closed_meanwhile_is_replaced(tmp_path: Path) -> None:
    """That is no failed attempt: it says nothing about the request."""
    server = DockerRegistry(tmp_path / "r")
    with server.running(), Registry(server.host, Access(limits=Limits(attempts=1))) as registry:
        repository = registry.repository("library/one")
        for _ in range(3):
            assert not repository.has(described(b"none").digest)
            server.kill()
            server.start()


def test_threads_share_a_registry(server: DockerRegistry, registry: Registry, store: LocalContentStore) -> None:
    blobs = [noise(300_000, seed) for seed in range(8)]
    descriptors = [seed_blob(server, "library/many", data) for data in blobs]
    repository = registry.repository("library/many")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda descriptor: download(repository, descriptor, store), descriptors))
    assert found == blobs


def test_a_blob_is_looked_for(server: DockerRegistry, registry: Registry) -> None:
    descriptor = seed_blob(server, "library/one", noise(1000))
    assert registry.repository("library/one").has(descriptor.digest)
    assert not registry.repository("library/one").has(described(b"other").digest)


def test_a_message_says_what_was_asked_and_what_the_registry_says(registry: Registry) -> None:
    with pytest.raises(NotFound) as raised:
        registry.repository("library/none").resolve("latest")
    assert str(raised.value) == (
        f"registry {registry.host}, repository library/none: read manifest latest: it answered 404 Not Found: "
        "MANIFEST_UNKNOWN: manifest unknown: check the tag or the digest"
    )


def test_a_blob_that_is_not_there_is_not_found(registry: Registry, store: LocalContentStore) -> None:
    with pytest.raises(NotFound), store.writer("blob") as writer:
        registry.repository("library/one").fetch(described(b"none"), writer)


@pytest.mark.parametrize("reference", ["", "a/b", "-x", "x" * 129, "sha256:abc", "a?b", "a\r\nb", "../x"])
def test_a_malformed_reference_is_refused_without_a_request(proxy: Proxy, reference: str) -> None:
    with Registry(proxy.host) as registry, pytest.raises(InvalidArgument):
        registry.repository("library/one").resolve(reference)
    assert proxy.requests == []


@pytest.mark.parametrize("path", ["", "A", "/a", "a/", "a//b", "a/../b", "a?b", "a b", "a" * 256])
def test_a_malformed_repository_is_refused(registry: Registry, path: str) -> None:
    with pytest.raises(InvalidArgument, match="expected lower-case components"):
        registry.repository(path)
