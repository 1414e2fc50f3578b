"""Images are pushed from a host to Debian's docker-registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.content import Descriptor
from lamina.errdefs import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from lamina.images import Progress
from lamina.images.documents import Manifest, Platform
from lamina.registry import Access
from lamina.registry import Limits as RegistryLimits
from tests.support.commands import run
from tests.support.images import Documents
from tests.support.images.archives import entry, layout_of, write_directory
from tests.support.images.built import layer
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.faults import answer_lost, drop_after, hang_up, status
from tests.support.registries.hosts import PullingHost
from tests.support.registries.proxy import Proxy
from tests.support.registries.seeding import noise, seed_documents

pytestmark = pytest.mark.requires("root", "overlay", "docker-registry", "skopeo")

OURS, OTHER = Platform.host(), Platform("linux", "s390x")
LAYERS = (
    layer({"etc": None, "etc/name": "base"}),
    layer({"etc/name": "second", "noise": noise(300_000).hex()}),
    layer({"top": "3"}),
)
QUICK = Access(limits=RegistryLimits(attempts=2, pause=0.01))
IMAGE = "docker.io/library/image:latest"


def import_image(target: PullingHost, made: Documents, image: Descriptor, directory: Path) -> None:
    """Import an image as `IMAGE`, for all platforms, and leave it packed."""
    layout = write_directory(directory / "layout", layout_of(made, entry(image)))
    target.transfer.import_(str(layout), names=[IMAGE], all_platforms=True, unpack=False)


def raw(name: str) -> bytes:
    """The document of an image in a registry, as skopeo gets it."""
    return run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}").encode()


def test_a_pushed_image_is_read_by_skopeo_and_keeps_its_digests(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents, tmp_path: Path
) -> None:
    index = made.index((made.manifest(OTHER, "", LAYERS[2]), OTHER), (made.manifest(OURS, "", *LAYERS), OURS))
    import_image(target, made, index, tmp_path)
    pushed = target.transfer.push(IMAGE, to=f"{server.host}/{path}:12")
    assert (pushed.name, pushed.target.digest) == (f"{server.host}/{path}:12", index.digest)
    assert raw(pushed.name) == made.blobs[index.digest]
    copied = tmp_path / "copied"
    run(
        "skopeo",
        "--insecure-policy",
        "copy",
        "--all",
        "--preserve-digests",
        "--src-tls-verify=false",
        f"docker://{pushed.name}",
        f"oci:{copied}",
    )
    blobs = {f"sha256:{file.name}": file.read_bytes() for file in (copied / "blobs/sha256").iterdir()}
    assert blobs == made.blobs


def test_one_platform_can_be_pushed(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents, tmp_path: Path
) -> None:
    other = made.manifest(OTHER, "", LAYERS[2])
    import_image(target, made, made.index((other, OTHER), (made.manifest(OURS, "", *LAYERS), OURS)), tmp_path)
    pushed = target.transfer.push(IMAGE, to=f"{server.host}/{path}", platform=str(OTHER))
    assert pushed.target.digest == other.digest
    assert raw(pushed.name) == made.blobs[other.digest]


def test_of_an_index_what_is_there_is_pushed(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents
) -> None:
    """Only one platform, and later two of three."""
    third = Platform("linux", "riscv64")
    ours, other = made.manifest(OURS, "", *LAYERS), made.manifest(OTHER, "", LAYERS[2])
    index = made.index((ours, OURS), (other, OTHER), (made.manifest(third, "", LAYERS[1]), third))
    seed_documents(server, path, made, index, "12")
    name = f"{server.host}/{path}:12"
    target.transfer.pull(name, unpack=False)
    assert target.transfer.push(name, to=f"{name}-one").target.digest == ours.digest
    target.transfer.pull(name, unpack=False, platform=str(OTHER))
    pushed = target.transfer.push(name, to=f"{name}-two")
    manifests = json.loads(raw(pushed.name))["manifests"]
    assert [one["digest"] for one in manifests] == [ours.digest, other.digest]


def test_what_the_registry_has_is_not_sent(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents, tmp_path: Path
) -> None:
    import_image(target, made, made.manifest(OURS, "", *LAYERS), tmp_path)
    for repository in (path, path, f"{path}/other"):
        target.transfer.push(IMAGE, to=f"{proxy.host}/{repository}")
    assert proxy.count("PUT", f"/{path}/blobs/uploads/") == len(LAYERS) + 1
    assert proxy.count("PUT", f"/{path}/other/blobs/uploads/") == 0, "they are mounted"
    assert proxy.count("POST", f"from={path.replace('/', '%2F')}") == len(LAYERS) + 1


def test_progress_is_reported_for_each_blob(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents, tmp_path: Path
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    import_image(target, made, manifest, tmp_path)
    for _ in range(2):  # the second time, there is nothing to do
        seen: list[Progress] = []
        target.transfer.push(IMAGE, to=f"{server.host}/{path}", progress=seen.append)
        for blob in Manifest.decode(made.read(manifest), manifest).layers:
            own = [(one.what, one.done, one.total) for one in seen if one.digest == blob.digest]
            assert (own[0], own[-1]) == (("push", 0, blob.size), ("push", blob.size, blob.size))


def test_an_image_whose_layers_are_missing_is_refused_before_anything_is_sent(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents, tmp_path: Path
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    import_image(target, made, manifest, tmp_path)
    gone = Manifest.decode(made.read(manifest), manifest).layers[1]
    target.content.delete(gone.digest)
    with pytest.raises(FailedPrecondition, match=f"its layer {gone.digest} is missing: it was discarded"):
        target.transfer.push(IMAGE, to=f"{proxy.host}/{path}")
    assert proxy.requests == []


def test_a_push_under_another_digest_is_refused(
    target: PullingHost, server: DockerRegistry, path: str, made: Documents, tmp_path: Path
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    import_image(target, made, manifest, tmp_path)
    with pytest.raises(InvalidArgument, match=f"the image has the digest {manifest.digest}: give a tag"):
        target.transfer.push(IMAGE, to=f"{server.host}/{path}@sha256:{'1' * 64}")
    name = f"{server.host}/{path}@{manifest.digest}"
    assert target.transfer.push(IMAGE, to=name).name == name
    assert raw(name) == made.blobs[manifest.digest]


def test_an_image_that_is_not_there_is_not_found(target: PullingHost, server: DockerRegistry) -> None:
    with pytest.raises(NotFound, match="no image 'missing'"):
        target.transfer.push("missing", to=f"{server.host}/missing")


def test_a_push_goes_on_after_faults(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents, tmp_path: Path
) -> None:
    manifest = made.manifest(OURS, "", *LAYERS)
    import_image(target, made, manifest, tmp_path)
    proxy.on("PUT", "/blobs/uploads/", drop_after(100))
    proxy.on("PUT", "/blobs/uploads/", answer_lost)
    proxy.on("POST", "/blobs/uploads/", status(429, retry_after="0"), times=2)
    proxy.on("PUT", "/manifests/", status(503))
    target.transfer.push(IMAGE, to=f"{proxy.host}/{path}")
    assert raw(f"{server.host}/{path}") == made.blobs[manifest.digest]


def test_the_tag_is_left_alone_if_a_blob_cannot_be_sent(
    target: PullingHost, server: DockerRegistry, proxy: Proxy, path: str, made: Documents, tmp_path: Path
) -> None:
    older = made.manifest(OURS, "older", LAYERS[0])
    seed_documents(server, path, made, older, "12")
    manifest = made.manifest(OURS, "", *LAYERS)
    import_image(target, made, manifest, tmp_path)
    proxy.on("PUT", "/blobs/uploads/", hang_up, times=100)
    with pytest.raises(Unavailable):
        target.transfer.push(IMAGE, to=f"{proxy.host}/{path}:12", access=QUICK)
    assert raw(f"{server.host}/{path}:12") == made.blobs[older.digest]
    proxy._rules.clear()
    target.transfer.push(IMAGE, to=f"{proxy.host}/{path}:12")
    assert raw(f"{server.host}/{path}:12") == made.blobs[manifest.digest]
