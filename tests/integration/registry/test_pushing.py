"""Manifests and blobs to Debian's docker-registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.content import Descriptor
from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.registry import Access, Limits, Registry
from tests.support.blobs import blob_in_file, digest_of
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.proxy import Proxy
from tests.support.registries.seeding import MANIFEST, described, image_document, noise, seed_blob

pytestmark = pytest.mark.requires("docker-registry")


@pytest.mark.parametrize("size", [0, 1, 2, 3_000_000])
def test_a_blob_is_stored_once(server: DockerRegistry, registry: Registry, tmp_path: Path, size: int) -> None:
    data = noise(size, seed=2)
    repository = registry.repository("library/new")
    with blob_in_file(tmp_path / "file", data, offset=7) as blob:
        assert repository.upload(described(data), blob) is True
        assert repository.upload(described(data), blob) is False
    assert server.blob_file(digest_of(data)).read_bytes() == data


def test_a_blob_is_sent_in_one_request(proxy: Proxy, tmp_path: Path) -> None:
    data = noise(200_000, seed=3)
    with Registry(proxy.host) as registry, blob_in_file(tmp_path / "file", data) as blob:
        registry.repository("library/new").upload(described(data), blob)
    assert [method for method, _ in proxy.requests] == ["HEAD", "POST", "PUT"]


def test_a_blob_of_another_repository_is_mounted(server: DockerRegistry, proxy: Proxy, tmp_path: Path) -> None:
    data = noise(200_000, seed=4)
    seed_blob(server, "library/source", data)
    with Registry(proxy.host) as registry, blob_in_file(tmp_path / "file", data) as blob:
        repository = registry.repository("library/mounted")
        assert repository.upload(described(data), blob, mount_from=["library/source"]) is False
        assert repository.has(digest_of(data))
    assert [method for method, _ in proxy.requests] == ["HEAD", "POST", "HEAD"]


def test_a_blob_that_cannot_be_mounted_is_sent(proxy: Proxy, tmp_path: Path) -> None:
    """And the upload that the registry began instead of mounting is cancelled."""
    data = noise(200_000, seed=5)
    with Registry(proxy.host) as registry, blob_in_file(tmp_path / "file", data) as blob:
        repository = registry.repository("library/new")
        assert repository.upload(described(data), blob, mount_from=["library/none"]) is True
    assert [method for method, _ in proxy.requests] == ["HEAD", "POST", "DELETE", "POST", "PUT"]


def test_progress_counts_what_was_sent(registry: Registry, tmp_path: Path) -> None:
    data, reported = noise(3_000_000, seed=6), list[int]()
    with blob_in_file(tmp_path / "file", data) as blob:
        registry.repository("library/new").upload(described(data), blob, progress=reported.append)
    assert (reported[0], reported[-1]) == (0, len(data))
    assert reported == sorted(reported)


def test_relative_locations_are_followed(tmp_path: Path) -> None:
    data = noise(1000)
    server = DockerRegistry(tmp_path / "registry", relative_urls=True)
    with server.running(), Registry(server.host) as registry, blob_in_file(tmp_path / "file", data) as blob:
        assert registry.repository("library/new").upload(described(data), blob) is True


def test_a_blob_of_another_size_is_refused(registry: Registry, tmp_path: Path) -> None:
    with blob_in_file(tmp_path / "file", b"data") as blob, pytest.raises(InvalidArgument, match="4 bytes, not 5"):
        registry.repository("library/new").upload(described(b"other"), blob)


def test_a_damaged_blob_is_refused_by_the_registry(server: DockerRegistry, tmp_path: Path) -> None:
    with Registry(server.host, Access(limits=Limits(pause=0.01))) as registry:
        repository = registry.repository("library/damaged")
        with blob_in_file(tmp_path / "file", b"DATA") as blob, pytest.raises(FailedPrecondition, match="DIGEST"):
            repository.upload(described(b"data"), blob)


@pytest.fixture
def manifest(registry: Registry, tmp_path: Path) -> tuple[Descriptor, bytes]:
    """A manifest whose blobs `library/image` has."""
    parts = (b"{}", noise(1000, seed=7))
    for data in parts:
        with blob_in_file(tmp_path / "part", data) as blob:
            registry.repository("library/image").upload(described(data), blob)
    document = image_document(*parts)
    return described(document, MANIFEST), document


def test_a_manifest_is_stored_under_its_digest(registry: Registry, manifest: tuple[Descriptor, bytes]) -> None:
    repository = registry.repository("library/image")
    repository.put_manifest(*manifest)
    assert repository.manifest(manifest[0]) == manifest[1]


def test_a_manifest_is_stored_under_a_tag(registry: Registry, manifest: tuple[Descriptor, bytes]) -> None:
    repository = registry.repository("library/image")
    repository.put_manifest(*manifest, tag="v1")
    assert repository.resolve("v1") == manifest[0]


def test_a_manifest_whose_blobs_are_missing_is_refused(
    registry: Registry, manifest: tuple[Descriptor, bytes]
) -> None:
    with pytest.raises(FailedPrecondition, match="MANIFEST_BLOB_UNKNOWN"):
        registry.repository("library/empty").put_manifest(*manifest)


def test_the_document_of_another_descriptor_is_refused(
    registry: Registry, manifest: tuple[Descriptor, bytes]
) -> None:
    with pytest.raises(InvalidArgument, match="the data has another digest or size"):
        registry.repository("library/image").put_manifest(manifest[0], b"{}")


def test_a_malformed_tag_is_refused(registry: Registry, manifest: tuple[Descriptor, bytes]) -> None:
    with pytest.raises(InvalidArgument, match="tag"):
        registry.repository("library/image").put_manifest(*manifest, tag="a/b")
