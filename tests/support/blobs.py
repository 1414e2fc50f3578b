"""Data for content stores."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from lamina.content import Blob


def digest_of(data: bytes) -> str:
    """The digest of a blob with that data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@contextlib.contextmanager
def blob_in_file(path: Path, data: bytes, offset: int = 0) -> Iterator[Blob]:
    """A blob inside a new file, with other bytes before and behind it."""
    path.write_bytes(b"\xff" * offset + data + b"\xff" * (1024 if offset else 0))
    fd = os.open(path, os.O_RDONLY)
    with Blob(fd, len(data), offset) as blob:
        yield blob


class MemoryLabels:
    """Labels of blobs in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Mapping[str, str]] = {}

    def get(self, digest: str) -> Mapping[str, str]:
        return self.stored.get(digest, {})

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        self.stored[digest] = dict(labels)

    def delete(self, digest: str) -> None:
        self.stored.pop(digest, None)

    def put_all(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        for digest, one in labels.items():
            if one:
                self.put(digest, one)
            else:
                self.delete(digest)

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        return iter(sorted(self.stored.items()))
