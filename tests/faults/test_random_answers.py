"""Registries that answer at random: with any status, and with bytes changed, added and missing."""

from __future__ import annotations

import contextlib
import random
import socketserver
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import Error
from lamina.registry import Access, Credentials, Limits, Registry, Repository
from tests.support.blobs import MemoryLabels, blob_in_file, digest_of
from tests.support.local_servers import LocalTCPServer, running_server
from tests.support.registries.seeding import MANIFEST, described, image_document, noise
from tests.support.rounds import rounds

DATA = noise(3000)
DOCUMENT = image_document(b"{}", DATA)
PASSWORD = "correct horse"  # noqa: S105 - no real secret
LIMITS = Limits(stall=0.3, answer=0.3, attempts=2, pause=0.001, longest_pause=0.01)
STATUSES = (200, 200, 200, 206, 307, 401, 404, 416, 429, 500, 204, 304, 101, 600, 99)
HEADERS = (
    b"",
    b"Location: /v2/a/blobs/b\r\n",
    b"Location: http://[::1\r\n",
    b'WWW-Authenticate: Bearer realm="/token",service="s",scope="a"\r\n',
    b'WWW-Authenticate: Basic realm="x"\r\n',
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 7\r\n",
    b"Content-Range: bytes 1-2/3\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Retry-After: 0\r\n",
)


class RandomRegistry:
    """Answers every request, and chooses how by a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Serve until the end of the block, which gets the host."""
        registry = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    while line := self.rfile.readline():
                        method, path, _ = line.decode().split(" ", 2)
                        while self.rfile.readline().strip():
                            pass
                        self.wfile.write(registry.answer(method, path))
                        if registry._random.random() < 0.4:
                            return

        with running_server(LocalTCPServer(("127.0.0.1", 0), Handler)) as address:
            yield address

    def answer(self, method: str, path: str) -> bytes:
        body = b'{"token":"abc"}' if "/token" in path else DOCUMENT if "/manifests/" in path else DATA
        head = (
            b"HTTP/1.1 %d x\r\nContent-Type: %b\r\nContent-Length: %d\r\nDocker-Content-Digest: %b\r\n%b\r\n"
            % (
                self._random.choice(STATUSES),
                MANIFEST.encode(),
                len(body),
                digest_of(body).encode(),
                self._random.choice(HEADERS),
            )
        )
        whole = head if method == "HEAD" else head + body
        return self._changed(bytearray(whole)) if self._random.random() < 0.7 else whole

    def _changed(self, data: bytearray) -> bytes:
        for _ in range(self._random.randint(1, 5)):
            at = self._random.randrange(len(data) or 1)
            match self._random.randrange(4):
                case 0:
                    data[at : at + 1] = self._random.randbytes(1)
                case 1:
                    del data[at : at + self._random.randint(1, 20)]
                case 2:
                    data[at:at] = self._random.choice((*HEADERS, b"\r\n", b"\0", b":", b"\xff\xfe", b"x" * 70_000))
                case _:
                    del data[at:]
        return bytes(data)


def fetch(repository: Repository, directory: Path) -> None:
    store = LocalContentStore(str(directory / "content"), MemoryLabels())
    with contextlib.closing(store), store.writer("blob") as writer:
        repository.fetch(described(DATA), writer)
        assert writer.digest == digest_of(DATA)


def upload(repository: Repository, directory: Path) -> None:
    with blob_in_file(directory / "file", DATA) as blob:
        repository.upload(described(DATA), blob, mount_from=["other/one"])


def read(repository: Repository, _: Path) -> None:
    assert repository.manifest(described(DOCUMENT, MANIFEST)) == DOCUMENT


OPERATIONS: dict[str, Callable[[Repository, Path], object]] = {
    "resolve": lambda repository, _: repository.resolve("latest"),
    "read": read,
    "write": lambda repository, _: repository.put_manifest(described(DOCUMENT, MANIFEST), DOCUMENT, "tag"),
    "look": lambda repository, _: repository.has(digest_of(DATA)),
    "fetch": fetch,
    "upload": upload,
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_ends_well_or_with_an_error_that_tells_no_secret(
    operation: Callable[[Repository, Path], object], tmp_path: Path
) -> None:
    access = Access(lambda _: Credentials("alice", PASSWORD), limits=LIMITS)
    told: list[str] = []
    for seed in range(rounds(5, 200)):
        with RandomRegistry(seed).running() as host, Registry(host, access) as registry:
            try:
                operation(registry.repository("library/one"), tmp_path)
            except Error as error:
                told.append(str(error))
    assert not [message for message in told if PASSWORD in message]
