"""Images are pulled from Debian's docker-registry into a host."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.content import Descriptor, read_blob
from lamina.context import CallContext, use
from lamina.errdefs import (
    Canceled,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from lamina.images import Image, Progress
from lamina.images.documents import Manifest, Platform
from lamina.registry import Access, Credentials
from lamina.registry import Limits as RegistryLimits
from tests.support.images import Documents
from tests.support.images.built import layer
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.faults import corrupt_at, hang_up, stall_after, status
from tests.support.registries.hosts import PullingHost
from tests.support.registries.proxy import Proxy
from tests.support.registries.seeding import noise, seed_documents

pytestmark = pytest.mark.requires("root", "overlay", "docker-registry")

OURS, OTHER = Platform.host(), Platform("linux", "s390x")
LAYERS = (
    layer({"etc": None, "etc/name": "base", "gone": "1"}),
    layer({".wh.gone": "", "etc/name": "second", "noise": noise(300_000).hex()}),
    layer({"top": "3"}),
)
QUICK = Access(limits=RegistryLimits(attempts=2, pause=0.01))
SECONDS = 60.0


def parts(made: Documents, target: Descriptor) -> Manifest:
    return Manifest.decode(made.read(target), target)


def test_a_pulled_image_is_stored_unpacked_and_named(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    seed_documents(server, path, made, manifest, "12")
    pulled = target.transfer.pull(f"{server.host}/{path}:12")
    (image,) = pulled.images
    assert (image.name, image.target.digest) == (f"{server.host}/{path}:12", manifest.digest)
    assert {digest: read_blob(target.content, digest) for digest in target.blobs()} == made.blobs
    files = target.files(image)
    assert (files["etc/name"], files["top"], "gone" in files) == ("second", "3", False)
    assert list(target.content.statuses()) == []


def test_blobs_say_what_they_refer_to_and_where_they_come_from(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS[:1])
    seed_documents(server, path, made, manifest, "12")
    for repository in (path, f"{path}/other"):
        seed_documents(server, repository, made, manifest, "12")
        target.transfer.pull(f"{server.host}/{repository}:12", unpack=False)
    source = {f"containerd.io/distribution.source.{server.host}": f"{path},{path}/other"}
    found = parts(made, manifest)
    assert {info.digest: info.labels for info in target.content.walk()} == {
        manifest.digest: {
            "containerd.io/gc.ref.content.config": found.config.digest,
            "containerd.io/gc.ref.content.l.0": found.layers[0].digest,
            **source,
        },
        found.config.digest: source,
        found.layers[0].digest: source,
    }


def test_only_the_platform_is_fetched_and_the_index_kept(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    ours, other = made.manifest(OURS, "", LAYERS[0]), made.manifest(OTHER, "", LAYERS[1])
    index = made.index((other, OTHER), (ours, OURS))
    seed_documents(server, path, made, index, "12")
    (image,) = target.transfer.pull(f"{proxy.host}/{path}:12").images
    found = parts(made, ours)
    assert image.target.digest == index.digest
    assert target.blobs() == {index.digest, ours.digest, found.config.digest, found.layers[0].digest}
    assert proxy.count("GET", "/manifests/") == 2
    target.transfer.pull(f"{proxy.host}/{path}:12", all_platforms=True)
    assert target.blobs() == set(made.blobs)


def test_attestations_are_passed_over(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    ours, attestation = made.manifest(OURS, "", LAYERS[0]), made.manifest(OURS, "", LAYERS[1])
    index = made.index((ours, OURS), (attestation, Platform("unknown", "unknown")))
    seed_documents(server, path, made, index, "12")
    target.transfer.pull(f"{server.host}/{path}:12", all_platforms=True)
    assert target.blobs() & {index.digest, ours.digest, attestation.digest} == {index.digest, ours.digest}


def test_an_image_of_another_platform_is_refused(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    seed_documents(server, path, made, made.index((made.manifest(OTHER), OTHER)), "12")
    with pytest.raises(NotFound, match="it is for linux/s390x, not for"):
        target.transfer.pull(f"{server.host}/{path}:12")
    assert target.names() == []


def test_an_image_is_pulled_by_digest_and_may_get_another_name(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", LAYERS[0])
    seed_documents(server, path, made, manifest, "12")
    (image,) = target.transfer.pull(f"{server.host}/{path}@{manifest.digest}").images
    assert image.name == f"{server.host}/{path}@{manifest.digest}"
    with pytest.raises(InvalidArgument, match="the image has the digest"):
        target.transfer.pull(f"{server.host}/{path}:12", new_name=f"mine@sha256:{'0' * 64}")
    (image,) = target.transfer.pull(f"{server.host}/{path}:12", new_name="mine").images
    assert (image.name, image.target.digest) == ("docker.io/library/mine:latest", manifest.digest)


def test_what_is_there_is_not_fetched(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    seed_documents(server, path, made, made.manifest(OURS, "", *LAYERS[:2]), "1")
    newer = made.manifest(OURS, "", *LAYERS)
    seed_documents(server, path, made, newer, "2")
    target.transfer.pull(f"{proxy.host}/{path}:1")
    proxy.requests.clear()
    for _ in range(2):
        target.transfer.pull(f"{proxy.host}/{path}:2")
    found = parts(made, newer)
    fetched = [url.rpartition("/")[2] for method, url in proxy.requests if method == "GET"]
    assert sorted(fetched) == sorted([newer.digest, found.config.digest, found.layers[2].digest])


def test_what_another_pull_is_fetching_is_waited_for(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    images = [made.manifest(OURS, str(number), *LAYERS) for number in range(4)]
    for number, manifest in enumerate(images):
        seed_documents(server, path, made, manifest, str(number))
    together = threading.Barrier(len(images))

    def pull(number: int) -> Image:
        together.wait(SECONDS)
        (image,) = target.transfer.pull(f"{proxy.host}/{path}:{number}").images
        return image

    with ThreadPoolExecutor(len(images)) as pool:
        assert {target.files(image)["top"] for image in pool.map(pull, range(len(images)))} == {"3"}
    for blob in parts(made, images[0]).layers:
        assert proxy.count("GET", blob.digest) == 1


def test_progress_is_reported_for_each_layer(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    seed_documents(server, path, made, manifest, "12")
    for _ in range(2):  # the second time, there is nothing to do
        seen: list[Progress] = []
        target.transfer.pull(f"{server.host}/{path}:12", progress=seen.append)
        for blob in parts(made, manifest).layers:
            for what in ("pull", "unpack"):
                own = [(one.done, one.total) for one in seen if (one.digest, one.what) == (blob.digest, what)]
                assert own[-1] == (blob.size, blob.size)


def test_an_interrupted_pull_goes_on_where_it_stopped(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    seed_documents(server, path, made, manifest, "12")
    large = max(parts(made, manifest).layers, key=lambda one: one.size)
    proxy.on("GET", large.digest, stall_after(100_000))
    call = CallContext()

    def cancel(progress: Progress) -> None:
        if (progress.digest, progress.what) == (large.digest, "pull") and progress.done >= 100_000:
            call.cancel()

    with use(call), pytest.raises(Canceled):
        target.transfer.pull(f"{proxy.host}/{path}:12", progress=cancel)
    assert target.names() == []
    (image,) = target.transfer.pull(f"{proxy.host}/{path}:12").images
    assert target.files(image)["top"] == "3"
    ranges = [
        headers.get("Range", "")
        for (method, url), headers in zip(proxy.requests, proxy.headers, strict=True)
        if method == "GET" and large.digest in url
    ]
    assert (len(ranges), ranges[1].startswith("bytes=1")) == (2, True)


def test_a_registry_that_dies_fails_the_pull_and_the_next_one_finishes(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    seed_documents(server, path, made, manifest, "12")
    last = parts(made, manifest).layers[-1]
    proxy.on("GET", last.digest, hang_up, times=100)
    with pytest.raises(Unavailable, match="the connection was cut"):
        target.transfer.pull(f"{proxy.host}/{path}:12", access=QUICK)
    assert target.names() == []
    proxy._rules.clear()
    (image,) = target.transfer.pull(f"{proxy.host}/{path}:12").images
    assert target.files(image)["top"] == "3"
    assert list(target.content.statuses()) == []


def test_a_layer_with_another_digest_is_refused(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    seed_documents(server, path, made, manifest, "12")
    last = parts(made, manifest).layers[-1]
    proxy.on("GET", last.digest, corrupt_at(7), times=100)
    with pytest.raises(DataLoss, match=last.digest):
        target.transfer.pull(f"{proxy.host}/{path}:12", access=QUICK)
    assert (target.names(), last.digest in target.blobs()) == ([], False)


def test_a_layer_that_cannot_be_unpacked_ends_the_pull(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    """Though another one never comes."""
    manifest = made.manifest(OURS, "", b"no archive" * 100, LAYERS[1])
    seed_documents(server, path, made, manifest, "12")
    proxy.on("GET", parts(made, manifest).layers[1].digest, stall_after(10), times=100)
    with pytest.raises(InvalidArgument, match="checksum"):
        target.transfer.pull(f"{proxy.host}/{path}:12")
    assert target.names() == []


def test_a_busy_registry_is_asked_again(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    seed_documents(server, path, made, made.manifest(OURS, "", *LAYERS), "12")
    proxy.on("GET", "/blobs/", status(429, retry_after="0"), times=2)
    proxy.on("GET", "/blobs/", status(503), times=2)
    (image,) = target.transfer.pull(f"{proxy.host}/{path}:12").images
    assert target.files(image)["top"] == "3"


def test_credentials_are_used(target: PullingHost, tmp_path: Path, made: Documents) -> None:
    with DockerRegistry(tmp_path / "registry").running() as registry:
        seed_documents(registry, "mine", made, made.manifest(OURS, "", *LAYERS), "12")
        registry.kill()
        registry.has_passwords = True
        registry.start()
        name = f"{registry.host}/mine:12"
        with pytest.raises(Unauthenticated):
            target.transfer.pull(name)
        target.transfer.pull(name, access=Access(lambda _: Credentials(USER, PASSWORD)))
    assert target.names() == [name]


def test_an_image_that_is_not_there_is_not_found(target: PullingHost, server: DockerRegistry, path: str) -> None:
    with pytest.raises(NotFound, match=path):
        target.transfer.pull(f"{server.host}/{path}:12")


def test_layers_are_discarded_if_asked_for_and_not_fetched_again(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    found = parts(made, manifest)
    seed_documents(server, path, made, manifest, "12")
    for _ in range(2):
        (image,) = target.transfer.pull(f"{proxy.host}/{path}:12", discard_layers=True).images
        assert target.blobs() == {manifest.digest, found.config.digest}
        assert target.files(image)["top"] == "3"
    assert proxy.count("GET", "/blobs/") == len(LAYERS) + 1
    with pytest.raises(FailedPrecondition, match=f"its layer {found.layers[0].digest} is missing"):
        target.transfer.push(image.name)
    target.transfer.pull(image.name)
    assert target.blobs() == set(made.blobs)


def test_layers_of_other_images_are_not_discarded(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    kept, other = made.manifest(OURS, "1", *LAYERS[:2]), made.manifest(OURS, "2", *LAYERS)
    seed_documents(server, path, made, kept, "1")
    seed_documents(server, path, made, other, "2")
    target.transfer.pull(f"{server.host}/{path}:1")
    target.transfer.pull(f"{server.host}/{path}:2", discard_layers=True)
    assert target.blobs() == set(made.blobs) - {parts(made, other).layers[2].digest}


@pytest.mark.parametrize("options", [{"unpack": False}, {"all_platforms": True}], ids=str)
def test_layers_that_are_not_unpacked_are_not_discarded(target: PullingHost, options: dict[str, bool]) -> None:
    with pytest.raises(InvalidArgument, match="discard layers: only those of an image that is unpacked"):
        target.transfer.pull("debian", discard_layers=True, **options)
