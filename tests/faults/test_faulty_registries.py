"""Pulls from a registry behind a proxy that cuts, stalls, corrupts and lies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import (
    Canceled,
    DataLoss,
    DeadlineExceeded,
    Error,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from lamina.registry import Access, Limits, Registry, Repository
from tests.support.blobs import MemoryLabels
from tests.support.registries import faults
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.downloads import download
from tests.support.registries.proxy import Fault, Proxy
from tests.support.registries.seeding import SeededImage, described, noise, seed_image
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("docker-registry")
LAYER = noise(400_000)
QUICK = Limits(pause=0.01, attempts=4, stall=120.0)
IMPATIENT = Limits(pause=0.01, attempts=13, stall=1.0)
"""Notices a stall soon. A busy machine stalls by itself, and may need many attempts."""
BLOB, MANIFEST = "/blobs/", "/manifests/"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with DockerRegistry(tmp_path_factory.mktemp("registry")).running() as registry:
        yield registry


@pytest.fixture(scope="module")
def image(server: DockerRegistry) -> SeededImage:
    return seed_image(server, "library/image", LAYER)


@pytest.fixture
def proxy(server: DockerRegistry, image: SeededImage) -> Iterator[Proxy]:
    with Proxy(server.port).running() as running:
        yield running


@pytest.fixture
def repository(proxy: Proxy) -> Iterator[Repository]:
    with Registry(proxy.host, Access(limits=QUICK)) as registry:
        yield registry.repository("library/image")


@pytest.fixture
def impatient(proxy: Proxy) -> Iterator[Repository]:
    """The repository for a client that waits a second."""
    with Registry(proxy.host, Access(limits=IMPATIENT)) as registry:
        yield registry.repository("library/image")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalContentStore]:
    opened = LocalContentStore(str(tmp_path / "content"), MemoryLabels())
    yield opened
    opened.close()


PASSING: dict[str, Fault] = {
    "cut in the headers": lambda exchange: (exchange.write(b"HTTP/1.1 200 OK\r\nContent-"), exchange.hang_up())[1],
    "cut before the body": faults.cut_after(0),
    "cut in the body": faults.cut_after(100_000),
    "cut before the last byte": faults.cut_after(len(LAYER) - 1),
    "hung up": faults.hang_up,
    "corrupted at the beginning": faults.corrupt_at(0),
    "corrupted at the end": faults.corrupt_at(len(LAYER) - 1),
    "HTML": faults.with_body(b"<html>Please log in to the hotel's network</html>"),
    "empty": faults.with_body(b""),
    "too short": faults.with_body(LAYER[:-1]),
    "too long": faults.with_body(LAYER + b"x"),
    "compressed": faults.encoded,
    "endless": faults.endless,
    "chunks without an end": faults.chunks(b"10\r\n" + bytes(16) + b"\r\n"),
    "chunks of nonsense": faults.chunks(b"one\r\nx\r\n0\r\n\r\n"),
    "chunks of a negative length": faults.chunks(b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk that is too large": faults.chunks(b"ffffffffffffffff\r\nx\r\n"),
    "endless headers": faults.endless_headers,
    "two lengths": lambda exchange: exchange.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"
    ),
    "a wrong length": faults.with_headers(content_length="5"),
    "a negative length": faults.with_headers(content_length="-5"),
    "a length of nonsense": faults.with_headers(content_length="many"),
    "no HTTP": lambda exchange: (exchange.write(b"SSH-2.0-OpenSSH_9.2\r\n"), exchange.hang_up())[1],
    "unknown status": faults.status(599),
    "429": faults.status(429),
    "500": faults.status(500, b"<html>"),
    "502": faults.status(502),
    "503": faults.status(503, retry_after="0"),
    "408": faults.status(408),
}
"""What goes wrong once, and not at the next attempt."""


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_blob_survives_a_fault(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore, fault: Fault
) -> None:
    proxy.on("GET", BLOB, fault)
    assert download(repository, image.layer_descriptor, store) == LAYER


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_resumed_blob_survives_a_fault(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore, fault: Fault
) -> None:
    proxy.on("GET", BLOB, faults.cut_after(50_000))
    proxy.on("GET", BLOB, fault)
    assert download(repository, image.layer_descriptor, store) == LAYER


def test_a_blob_may_come_in_chunks(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore
) -> None:
    proxy.on("GET", BLOB, faults.in_chunks(70_000), times=9)
    assert download(repository, image.layer_descriptor, store) == LAYER
    assert len(proxy.requests) == 1


def test_a_blob_in_chunks_goes_on_after_a_cut(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore
) -> None:
    proxy.on("GET", BLOB, faults.in_chunks(70_000, last=False))
    proxy.on("GET", BLOB, faults.in_chunks(70_000), times=9)
    assert download(repository, image.layer_descriptor, store) == LAYER
    assert [headers.get("Range") for headers in proxy.headers] == [None, "bytes=350000-399999"]


STALLS: dict[str, Fault] = {
    "silent": faults.stall,
    "body stalls": faults.stall_after(70_000),
    "headers drip": faults.drip,
    "body drips": faults.drip_body,
    "continues forever": faults.endless_continue,
    "endless trailers": faults.endless_trailers,
}


@pytest.mark.parametrize("fault", STALLS.values(), ids=STALLS)
def test_a_blob_survives_a_stall(
    proxy: Proxy, impatient: Repository, image: SeededImage, store: LocalContentStore, fault: Fault
) -> None:
    proxy.on("GET", BLOB, fault)
    assert download(impatient, image.layer_descriptor, store) == LAYER


RANGES: dict[str, Fault] = {
    "ignored": faults.without_range,
    "without a length": faults.whole_without_length,
    "another beginning": faults.with_headers(content_range="bytes 0-399999/400000"),
    "another end": faults.with_headers(content_range="bytes 50000-9/400000"),
    "nonsense": faults.with_headers(content_range="lines 1-2"),
    "missing": faults.without_header("Content-Range"),
    "refused": faults.status(416, content_range="bytes */400000"),
}


@pytest.mark.parametrize("fault", RANGES.values(), ids=RANGES)
def test_a_blob_is_resumed_whatever_the_registry_does_with_ranges(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore, fault: Fault
) -> None:
    proxy.on("GET", BLOB, faults.cut_after(50_000))
    proxy.on("GET", BLOB, fault)
    assert download(repository, image.layer_descriptor, store) == LAYER


def test_only_what_is_missing_is_read_again(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore
) -> None:
    proxy.on("GET", BLOB, faults.cut_after(150_000))
    download(repository, image.layer_descriptor, store)
    assert [headers.get("Range") for headers in proxy.headers] == [None, "bytes=150000-399999"]


def test_a_large_blob_gets_through_a_line_that_is_cut_again_and_again(
    server: DockerRegistry, proxy: Proxy, store: LocalContentStore
) -> None:
    """It takes more attempts than are made without progress."""
    data = noise(12 << 20)
    large = seed_image(server, "library/large", data)
    proxy.on("GET", BLOB, faults.cut_after((1 << 20) + 1), times=11)
    with Registry(proxy.host, Access(limits=QUICK)) as registry:
        assert download(registry.repository("library/large"), large.layer_descriptor, store) == data


@pytest.mark.parametrize(
    ("fault", "error", "requests"),
    [
        (faults.hang_up, Unavailable, 4),
        (faults.cut_after(10), Unavailable, 4),
        (faults.status(500), Unavailable, 4),
        (faults.status(429), ResourceExhausted, 4),
        (faults.status(404), NotFound, 1),
        (faults.status(418), FailedPrecondition, 1),
        (faults.corrupt_at(7), DataLoss, 2),
        (faults.with_body(b"x" * len(LAYER)), DataLoss, 2),
        (faults.encoded, Unavailable, 4),
        (faults.endless, Unavailable, 4),
    ],
    ids=["hung up", "cut", "500", "429", "404", "418", "corrupted", "another blob", "compressed", "endless"],
)
def test_a_registry_that_never_gets_better_is_given_up(
    proxy: Proxy,
    repository: Repository,
    image: SeededImage,
    store: LocalContentStore,
    fault: Fault,
    error: type[Error],
    requests: int,
) -> None:
    proxy.on("GET", BLOB, fault, times=100)
    with pytest.raises(error, match=r"^registry 127.*library/image|^http://127"):
        download(repository, image.layer_descriptor, store)
    assert len(proxy.requests) == requests


def test_a_wrong_blob_leaves_nothing(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore
) -> None:
    proxy.on("GET", BLOB, faults.corrupt_at(7), times=2)
    with store.writer("blob") as writer:
        with pytest.raises(DataLoss, match="its data has digest sha256:"):
            repository.fetch(image.layer_descriptor, writer)
        assert writer.status.offset == 0


@pytest.mark.parametrize("length", ["-5", "many", "", "5,", "0x10"])
def test_a_length_that_is_no_number_is_refused_at_once(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore, length: str
) -> None:
    proxy.on("GET", BLOB, faults.with_headers(content_length=length), times=100)
    with store.writer("blob") as writer:
        with pytest.raises(Unavailable, match="its answer does not follow HTTP"):
            repository.fetch(image.layer_descriptor, writer)
        assert writer.status.offset == 0


def test_what_arrived_before_a_cut_is_kept(
    proxy: Proxy, repository: Repository, image: SeededImage, store: LocalContentStore
) -> None:
    proxy.on("GET", BLOB, faults.cut_after(1000), times=100)
    with store.writer("blob") as writer:
        with pytest.raises(Unavailable):
            repository.fetch(image.layer_descriptor, writer)
        assert writer.status.offset == 4000


def test_a_long_wait_is_not_waited(proxy: Proxy, repository: Repository) -> None:
    proxy.on("HEAD", MANIFEST, faults.status(429, retry_after="86400"))
    with pytest.raises(ResourceExhausted, match="429"):
        repository.resolve("latest")
    assert len(proxy.requests) == 1


MANIFESTS: dict[str, Fault] = {
    **{
        name: fault
        for name, fault in PASSING.items()
        if not name.startswith(("cut in the body", "cut before the l", "a wrong length"))
    },
    "a length of something else": faults.with_headers(content_length="5", content_encoding="gzip"),
    "another type": faults.with_headers(content_type="text/plain"),
    "no type": faults.without_header("Content-Type"),
    "no digest": faults.without_header("Docker-Content-Digest"),
    "malformed digest": faults.with_headers(docker_content_digest="sha256:abc"),
    "no length": faults.without_header("Content-Length"),
    "404 to HEAD": faults.status(404),
    "405 to HEAD": faults.status(405),
}


@pytest.mark.parametrize("fault", MANIFESTS.values(), ids=MANIFESTS)
def test_a_tag_is_resolved_in_spite_of_a_fault(
    proxy: Proxy, repository: Repository, image: SeededImage, fault: Fault
) -> None:
    proxy.on("HEAD", MANIFEST, fault)
    assert repository.resolve("latest") == image.descriptor


@pytest.mark.parametrize(
    "fault",
    [faults.hang_up, faults.cut_after(10), faults.corrupt_at(9), faults.status(503), faults.with_body(b"<html>")],
    ids=["hung up", "cut", "corrupted", "503", "HTML"],
)
def test_a_manifest_survives_a_fault(
    proxy: Proxy, repository: Repository, image: SeededImage, fault: Fault
) -> None:
    proxy.on("GET", MANIFEST, fault)
    assert repository.manifest(image.descriptor) == image.document


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.corrupt_at(9), DataLoss),
        (faults.with_body(b"<html>"), DataLoss),
        (faults.endless, FailedPrecondition),
        (faults.status(400, b'{"errors":[{"code":"X"}]}'), FailedPrecondition),
    ],
    ids=["corrupted", "HTML", "endless", "400"],
)
def test_a_wrong_manifest_is_refused(
    proxy: Proxy, repository: Repository, image: SeededImage, fault: Fault, error: type[Error]
) -> None:
    proxy.on("GET", MANIFEST, fault, times=100)
    with pytest.raises(error):
        repository.manifest(image.descriptor)


def test_a_tag_whose_document_has_another_digest_is_refused(proxy: Proxy, repository: Repository) -> None:
    """The registry says one digest, and sends a document with another."""
    proxy.on("HEAD", MANIFEST, faults.status(405))
    proxy.on("GET", MANIFEST, faults.corrupt_at(5), times=100)
    with pytest.raises(DataLoss):
        repository.resolve("latest")


def test_a_manifest_of_another_size_is_refused(repository: Repository, image: SeededImage) -> None:
    wrong = described(image.document + b" ")
    descriptor = type(wrong)(wrong.media_type, image.descriptor.digest, wrong.size)
    with pytest.raises(DataLoss, match=f"has {len(image.document)} bytes"):
        repository.manifest(descriptor)


@pytest.mark.parametrize(
    ("status", "code", "error", "remedy"),
    [
        (401, "UNAUTHORIZED", Unauthenticated, "log in with `podman login` or `docker login`"),
        (401, "DENIED", Unauthenticated, "log in with `podman login` or `docker login`"),
        (403, "DENIED", PermissionDenied, "log in with another account"),
        (404, "MANIFEST_UNKNOWN", NotFound, "check the tag or the digest"),
        (404, "NAME_UNKNOWN", NotFound, "check the name of the repository"),
        (404, "", NotFound, "Not Found: check the name"),
        (400, "NAME_INVALID", FailedPrecondition, "does not take such names"),
        (405, "UNSUPPORTED", FailedPrecondition, "does not allow it here"),
        (
            429,
            "TOOMANYREQUESTS",
            ResourceExhausted,
            "try again later; many registries let those do more who log in",
        ),
    ],
)
def test_a_refusal_says_what_to_do(
    proxy: Proxy, repository: Repository, status: int, code: str, error: type[Error], remedy: str
) -> None:
    body = f'{{"errors":[{{"code":"{code}","message":"so it is"}}]}}'.encode() if code else b"<html>"
    proxy.on("HEAD", MANIFEST, faults.status(405))
    proxy.on("GET", MANIFEST, faults.status(status, body, retry_after="86400"))
    said = rf"{code}: so it is.*{remedy}" if code else remedy
    with pytest.raises(error, match=rf"read manifest 1: it answered {status} .*{said}"):
        repository.resolve("1")


def test_a_registry_that_comes_back_is_used_again(
    server: DockerRegistry, image: SeededImage, store: LocalContentStore, tmp_path: Path
) -> None:
    dying = DockerRegistry(tmp_path / "registry")
    with dying.running():
        seeded = seed_image(dying, "library/image", LAYER)
        dying.kill()
        restarter = threading.Timer(0.2, dying.start)
        restarter.start()
        with Registry(dying.host, Access(limits=Limits(attempts=20, pause=0.05))) as registry:
            assert download(registry.repository("library/image"), seeded.layer_descriptor, store) == LAYER
        restarter.join()


@pytest.mark.parametrize(
    "fault",
    [faults.stall, faults.stall_after(70_000), faults.drip, faults.drip_body],
    ids=["silent", "body stalls", "headers drip", "body drips"],
)
@pytest.mark.parametrize("end", ["cancelled", "past its deadline"])
def test_a_stalled_download_ends_with_its_call(
    proxy: Proxy,
    repository: Repository,
    image: SeededImage,
    store: LocalContentStore,
    fault: Fault,
    end: str,
) -> None:
    """Long before the registry is said to stall."""
    proxy.on("GET", BLOB, fault)
    call = CallContext(deadline=time.monotonic() + 1 if end == "past its deadline" else None)
    if end == "cancelled":
        canceller = threading.Thread(target=_cancel, args=(call, proxy))
        canceller.start()
    began = time.monotonic()
    with pytest.raises((Canceled, DeadlineExceeded)), use(call):
        download(repository, image.layer_descriptor, store)
    assert time.monotonic() - began < QUICK.stall / 2
    if end == "cancelled":
        canceller.join()


def _cancel(call: CallContext, proxy: Proxy) -> None:
    wait_until(lambda: proxy.requests, 60, "the request")
    call.cancel()


def test_waiting_for_the_next_attempt_ends_with_the_call(proxy: Proxy) -> None:
    proxy.on("HEAD", MANIFEST, faults.status(503, retry_after="50"))
    call = CallContext()
    canceller = threading.Thread(target=_cancel, args=(call, proxy))
    canceller.start()
    with Registry(proxy.host) as registry, use(call), pytest.raises(Canceled):
        registry.repository("library/image").resolve("latest")
    canceller.join()
