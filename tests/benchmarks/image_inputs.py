"""The images of the benchmark `images`: large files, many files, and a Debian of several layers."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

from isal import igzip

from tests.support.commands import run

NAME: Final = "bench.test/image:latest"
"""The name in each archive."""
TAG: Final = "latest"
"""The same in the layouts, for umoci."""
_MEBIBYTE: Final = 1 << 20
_WORDS: Final = b"copy on write overlay lower upper commit prepare view mount layer image blob digest".split()


def large(directory: Path) -> Path:
    """Make an image of one layer of 1 GiB, in 64 files of which half compresses well."""
    return _layout(
        directory, [_files((f"large/{number}", _content(number, 16 * _MEBIBYTE)) for number in range(64))]
    )


def many(directory: Path) -> Path:
    """Make an image of 20 layers of 5,000 files of 500 to 3,500 bytes each."""
    return _layout(directory, [_files(_small_files(layer)) for layer in range(20)])


def debian(directory: Path) -> Path:
    """Make an image of six layers: a Debian of mmdebstrap, two directories of this machine, three deletions."""
    layout, base = directory / "layout", directory / "base"
    options = ("--variant=minbase", "--quiet", "--include=perl,python3-minimal")
    run("mmdebstrap", *options, "bookworm", directory / "base.tar", seconds=900)
    base.mkdir()
    run("tar", "-C", base, "-xf", directory / "base.tar")
    image = f"{layout}:{TAG}"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", image)
    run("umoci", "insert", "--image", image, base, "/")
    run("umoci", "insert", "--image", image, "/usr/lib/python3", "/opt/python3")
    run("umoci", "insert", "--image", image, "/usr/share/perl", "/opt/perl")
    for deleted in ("/usr/share/doc", "/usr/share/locale", "/opt/python3/dist-packages"):
        run("umoci", "insert", "--image", image, "--whiteout", deleted)
    shutil.rmtree(base)
    return layout


IMAGES: Final[dict[str, Callable[[Path], Path]]] = {"large": large, "many": many, "debian": debian}


def archived(layout: Path, archive: Path) -> Path:
    """Pack a layout, with its name, as an OCI archive."""
    source = f"oci:{layout}:{TAG}"
    run("skopeo", "--insecure-policy", "copy", "--quiet", source, f"oci-archive:{archive}:{NAME}", seconds=600)
    return archive


def _small_files(layer: int) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(layer)
    for number in range(5000):
        yield f"layer{layer}/{number // 100}/{number}", _content(number, chance.randrange(500, 3500))


def _content(seed: int, size: int) -> bytes:
    """Bytes of which every other four kilobytes are random, and the rest are words."""
    chance = random.Random(seed)
    words = b" ".join(chance.choices(_WORDS, k=2000))
    parts = [chance.randbytes(4096) if number % 2 else words[:4096] for number in range(size // 8192 * 2)]
    return b"".join(parts) + (words * 2)[: size % 8192]


def _files(files: Iterable[tuple[str, bytes]]) -> Callable[[IO[bytes]], None]:
    """Return what writes a layer of files."""

    def write(output: IO[bytes]) -> None:
        with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            made: set[str] = set()
            for name, data in files:
                parts = name.split("/")[:-1]
                for depth in range(1, len(parts) + 1):
                    _add_directory(tar, "/".join(parts[:depth]), made)
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    return write


def _add_directory(tar: tarfile.TarFile, name: str, made: set[str]) -> None:
    if name not in made:
        made.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)


class _Hashing:
    """A file that also computes the digest of what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)


def _layout(directory: Path, layers: Iterable[Callable[[IO[bytes]], None]]) -> Path:
    """Make an image layout (OCI image spec, `image-layout.md`) with layers compressed by gzip."""
    layout = directory / "layout"
    blobs = layout / "blobs/sha256"
    blobs.mkdir(parents=True)
    diff_ids, descriptors = [], []
    for write in layers:
        diff_id, descriptor = _layer(blobs, write)
        diff_ids.append(diff_id)
        descriptors.append(descriptor)
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    config = _blob(blobs, {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}, "config")
    manifest = _blob(blobs, {"schemaVersion": 2, "config": config, "layers": descriptors}, "manifest")
    named = {**manifest, "annotations": {"org.opencontainers.image.ref.name": TAG}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return layout


def _layer(blobs: Path, write: Callable[[IO[bytes]], None]) -> tuple[str, dict[str, Any]]:
    path = blobs / "new"
    with path.open("wb") as file, igzip.IGzipFile(fileobj=file, mode="wb", compresslevel=2) as compressed:
        hashing = _Hashing(cast("IO[bytes]", compressed))
        write(cast("IO[bytes]", hashing))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    os.rename(path, blobs / digest)
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    size = (blobs / digest).stat().st_size
    return f"sha256:{hashing.sha256.hexdigest()}", {
        "mediaType": media_type,
        "digest": f"sha256:{digest}",
        "size": size,
    }


def _blob(blobs: Path, document: dict[str, Any], kind: str) -> dict[str, Any]:
    media_type = f"application/vnd.oci.image.{kind}.v1+json"
    data = json.dumps({"mediaType": media_type, **document} if kind == "manifest" else document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
