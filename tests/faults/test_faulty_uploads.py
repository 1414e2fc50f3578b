"""Pushes to a registry behind a proxy that cuts, stalls and lies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content import Blob
from lamina.context import CallContext, use
from lamina.errdefs import (
    Canceled,
    DataLoss,
    Error,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from lamina.registry import Access, Credentials, Limits, Registry, Repository
from tests.support.blobs import blob_in_file, digest_of
from tests.support.registries import faults
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.faults import PartialUpload
from tests.support.registries.proxy import Exchange, Fault, Proxy
from tests.support.registries.seeding import MANIFEST, described, image_document, noise, seed_blob
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("docker-registry")
DATA = noise(3_000_000, seed=9)
LAYER = described(DATA)
QUICK = Limits(pause=0.01, attempts=4, stall=120.0)
IMPATIENT = Limits(pause=0.01, attempts=13, stall=1.0, answer=1.0)
"""Notices a stall soon. A busy machine stalls by itself, and may need many attempts."""
UPLOADS = "/blobs/uploads/"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DockerRegistry]:
    with DockerRegistry(tmp_path / "registry").running() as registry:
        yield registry


@pytest.fixture
def proxy(server: DockerRegistry) -> Iterator[Proxy]:
    with Proxy(server.port).running() as running:
        yield running


@pytest.fixture
def repository(proxy: Proxy) -> Iterator[Repository]:
    with Registry(proxy.host, Access(limits=QUICK)) as registry:
        yield registry.repository("library/image")


@pytest.fixture
def blob(tmp_path: Path) -> Iterator[Blob]:
    with blob_in_file(tmp_path / "file", DATA, offset=3) as opened:
        yield opened


PASSING: dict[str, tuple[str, Fault]] = {
    "POST hung up": ("POST", faults.hang_up),
    "POST 500": ("POST", faults.status(500)),
    "POST 429": ("POST", faults.status(429, retry_after="0")),
    "PUT hung up": ("PUT", faults.hang_up),
    "PUT dropped at once": ("PUT", faults.drop_after(0)),
    "PUT dropped": ("PUT", faults.drop_after(1_000_000)),
    "PUT interrupted": ("PUT", faults.interrupt_after(1_000_000)),
    "PUT interrupted at its end": ("PUT", faults.interrupt_after(len(DATA) - 1)),
    "PUT 500": ("PUT", faults.status(500)),
    "PUT 503": ("PUT", faults.status(503)),
    "PUT 404": ("PUT", faults.status(404)),
    "PUT 413": ("PUT", faults.status(413)),
    "answer lost": ("PUT", faults.answer_lost),
}
"""What goes wrong once, and not at the next attempt."""


@pytest.mark.parametrize(("method", "fault"), PASSING.values(), ids=PASSING)
def test_an_upload_survives_a_fault(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob, method: str, fault: Fault
) -> None:
    proxy.on(method, UPLOADS, fault)
    assert repository.upload(LAYER, blob) is True
    assert server.blob_file(LAYER.digest).read_bytes() == DATA


IN_CHUNKS: dict[str, tuple[str, Fault]] = {
    "PATCH hung up": ("PATCH", faults.hang_up),
    "PATCH dropped": ("PATCH", faults.drop_after(700_000)),
    "PATCH interrupted": ("PATCH", faults.interrupt_after(700_000)),
    "PATCH answer lost": ("PATCH", faults.answer_lost),
    "PATCH 500": ("PATCH", faults.status(500)),
    "PATCH 416": ("PATCH", faults.status(416, range="0-5")),
    "PATCH 413": ("PATCH", faults.status(413)),
    "PATCH with a lie": ("PATCH", faults.with_headers(range="0-5")),
    "PATCH without a range": ("PATCH", faults.without_header("Range")),
    "status 500": ("GET", faults.status(500)),
    "status hung up": ("GET", faults.hang_up),
    "status 404": ("GET", faults.status(404)),
    "status without a range": ("GET", faults.without_header("Range")),
    "status with nonsense": ("GET", faults.with_headers(range="bytes 1-2/3")),
    "status with too much": ("GET", faults.with_headers(range="0-99999999")),
    "status with a lie": ("GET", faults.with_headers(range="0-99999")),
    "end hung up": ("PUT", faults.hang_up),
    "end 404": ("PUT", faults.status(404)),
    "end lost": ("PUT", faults.answer_lost),
}


@pytest.mark.parametrize(("method", "fault"), IN_CHUNKS.values(), ids=IN_CHUNKS)
def test_an_upload_in_chunks_survives_a_fault(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob, method: str, fault: Fault
) -> None:
    """A first interruption makes it go on in chunks."""
    proxy.on("PUT", UPLOADS, faults.drop_after(100_000))
    proxy.on(method, UPLOADS, fault)
    assert repository.upload(LAYER, blob) is True
    assert server.blob_file(LAYER.digest).read_bytes() == DATA


def test_an_upload_goes_on_where_the_registry_says(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob
) -> None:
    partial = PartialUpload(1_234_567)
    proxy.on("PUT", UPLOADS, partial.interrupt)
    proxy.on("GET", UPLOADS, partial.tell)
    reported: list[int] = []
    assert repository.upload(LAYER, blob, progress=reported.append) is True
    assert server.blob_file(LAYER.digest).read_bytes() == DATA
    sent = [headers["Content-Range"] for headers in proxy.headers if "Content-Range" in headers]
    assert sent == [f"1234567-{len(DATA) - 1}"]
    assert reported[-1] == len(DATA)


def test_an_upload_that_arrived_is_not_sent_again(proxy: Proxy, repository: Repository, blob: Blob) -> None:
    proxy.on("PUT", UPLOADS, faults.answer_lost)
    assert repository.upload(LAYER, blob) is True
    assert [method for method, _ in proxy.requests] == ["HEAD", "POST", "PUT", "HEAD"]


def test_a_location_may_be_missing_while_an_upload_goes_on(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob
) -> None:
    """The place stays the same; a registry whose places change loses the upload, which begins anew."""
    proxy.on("PUT", UPLOADS, faults.status(413))
    proxy.on("PATCH", UPLOADS, faults.without_header("Location"))
    repository.upload(LAYER, blob)
    assert server.blob_file(LAYER.digest).read_bytes() == DATA


@pytest.mark.parametrize(
    ("method", "fault", "error"),
    [
        ("POST", faults.hang_up, Unavailable),
        ("POST", faults.status(429), ResourceExhausted),
        ("POST", faults.status(403), PermissionDenied),
        ("POST", faults.status(404), NotFound),
        ("POST", faults.without_header("Location"), FailedPrecondition),
        ("POST", faults.with_headers(location="gopher://[x"), FailedPrecondition),
        ("PUT", faults.status(500), Unavailable),
        ("PUT", faults.status(413), FailedPrecondition),
        ("PATCH", faults.status(413), FailedPrecondition),
        ("PUT", faults.status(400), FailedPrecondition),
        ("PUT", faults.with_headers(docker_content_digest=digest_of(b"other")), DataLoss),
    ],
)
def test_a_registry_that_never_gets_better_is_given_up(
    proxy: Proxy, repository: Repository, blob: Blob, method: str, fault: Fault, error: type[Error]
) -> None:
    if method == "PATCH":
        proxy.on("PUT", UPLOADS, faults.status(413), times=100)
    proxy.on(method, UPLOADS, fault, times=100)
    with pytest.raises(error, match=r"^registry 127.*library/image|^http://127"):
        repository.upload(LAYER, blob)
    assert proxy.count(method, UPLOADS) <= 2 * QUICK.attempts


@pytest.mark.parametrize("fault", [faults.stall, lambda exchange: (exchange.body(), exchange.stall())[1]])
def test_an_upload_survives_a_stall(server: DockerRegistry, proxy: Proxy, blob: Blob, fault: Fault) -> None:
    """Whether the registry does not read, or does not answer."""
    proxy.on("PUT", UPLOADS, fault)
    with Registry(proxy.host, Access(limits=IMPATIENT)) as registry:
        registry.repository("library/image").upload(LAYER, blob)
    assert server.blob_file(LAYER.digest).read_bytes() == DATA


@pytest.mark.parametrize("fault", [faults.stall, lambda exchange: (exchange.body(), exchange.stall())[1]])
def test_a_stalled_upload_ends_when_its_call_is_cancelled(
    proxy: Proxy, repository: Repository, blob: Blob, fault: Fault
) -> None:
    proxy.on("PUT", UPLOADS, fault)
    call = CallContext()

    def cancel() -> None:
        wait_until(lambda: proxy.count("PUT", UPLOADS), 60, "the data")
        call.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with use(call), pytest.raises(Canceled):
        repository.upload(LAYER, blob)
    canceller.join()


def test_an_upload_survives_the_death_of_the_registry(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob
) -> None:
    def die(exchange: Exchange) -> None:
        exchange.body(500_000)
        server.kill()
        server.start()
        exchange.hang_up()

    proxy.on("PUT", UPLOADS, die)
    assert repository.upload(LAYER, blob) is True
    assert server.blob_file(LAYER.digest).read_bytes() == DATA


@pytest.mark.parametrize(
    "fault",
    [faults.status(404), faults.status(405), faults.status(403), faults.status(400), faults.status(202)],
    ids=["404", "405", "403", "400", "202 without a place"],
)
def test_a_blob_that_is_not_mounted_is_sent(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob, fault: Fault
) -> None:
    seed_blob(server, "library/source", DATA)
    proxy.on("POST", "mount=", fault)
    assert repository.upload(LAYER, blob, mount_from=["library/source"]) is True


@pytest.mark.parametrize("fault", [faults.hang_up, faults.status(500), faults.status(429)])
def test_a_mount_survives_a_fault(
    server: DockerRegistry, proxy: Proxy, repository: Repository, blob: Blob, fault: Fault
) -> None:
    seed_blob(server, "library/source", DATA)
    proxy.on("POST", "mount=", fault)
    assert repository.upload(LAYER, blob, mount_from=["library/source"]) is False


def test_data_may_go_to_another_host_which_gets_no_credentials(
    tmp_path: Path, server: DockerRegistry, blob: Blob
) -> None:
    known = Access(lambda _: Credentials(USER, PASSWORD), limits=QUICK)
    with (
        Proxy(server.port).running() as other,
        DockerRegistry(tmp_path / "guarded", has_passwords=True).running() as guarded,
        Proxy(guarded.port).running() as front,
        Registry(front.host, known) as registry,
    ):
        front.on("POST", UPLOADS, _begin_at(other, server), times=2)
        registry.repository("library/image").upload(LAYER, blob)
    assert server.blob_file(LAYER.digest).read_bytes() == DATA
    assert [method for method, _ in other.requests] == ["PUT"]
    assert all("Authorization" not in headers for headers in other.headers)
    assert any("Authorization" in headers for headers in front.headers)


def _begin_at(other: Proxy, server: DockerRegistry) -> Fault:
    """Begin uploads in another registry."""

    def fault(exchange: Exchange) -> None:
        asked = Exchange(exchange._handler, ("127.0.0.1", server.port), exchange.stopped)
        asked.headers["Host"] = other.host
        exchange.send(asked.forward(authorization=None))

    return fault


PARTS = (b"{}", noise(1000, seed=7))
DOCUMENT = image_document(*PARTS)


@pytest.fixture
def complete(server: DockerRegistry, repository: Repository) -> Repository:
    """The repository with all that the manifest names."""
    for part in PARTS:
        seed_blob(server, "library/image", part)
    return repository


@pytest.mark.parametrize("fault", [faults.hang_up, faults.answer_lost, faults.status(500), faults.status(429)])
def test_a_manifest_survives_a_fault(proxy: Proxy, complete: Repository, fault: Fault) -> None:
    proxy.on("PUT", "/manifests/", fault)
    complete.put_manifest(described(DOCUMENT, MANIFEST), DOCUMENT, "v1")
    assert complete.resolve("v1") == described(DOCUMENT, MANIFEST)


def test_a_manifest_that_the_registry_changes_is_an_error(proxy: Proxy, complete: Repository) -> None:
    proxy.on("PUT", "/manifests/", faults.with_headers(docker_content_digest=digest_of(b"other")))
    with pytest.raises(DataLoss, match="the registry has it as"):
        complete.put_manifest(described(DOCUMENT, MANIFEST), DOCUMENT, "v1")
