"""What is read from archives of each kind."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import zstandard

from lamina.content import Blob, Descriptor
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, InvalidArgument, NotFound, ResourceExhausted
from lamina.images.archive import Source, open_source
from lamina.images.documents import DOCKER_LAYER, DOCKER_LAYER_GZIP, OCI_INDEX, Index, Manifest, Platform
from tests.support.images import Documents
from tests.support.images.archives import entry, layer, layout_of, saved, write_directory, write_tar
from tests.support.trees import open_files

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
LOWER, UPPER = layer("lower"), layer("upper", "second")

Files = Mapping[str, bytes | str]
WRITE: dict[str, Callable[[Path, Files], Path]] = {
    "directory": lambda path, files: write_directory(path / "layout", files),
    "tar": lambda path, files: write_tar(path / "layout.tar", files),
    "tar with ./": lambda path, files: write_tar(path / "x", {f"./{name}": data for name, data in files.items()}),
    "tar.gz": lambda path, files: write_tar(path / "layout.tar", files, "w:gz"),
    "tar.zst": lambda path, files: compressed(write_tar(path / "layout.tar", files)),
}


def compressed(path: Path) -> Path:
    path.write_bytes(zstandard.compress(path.read_bytes()))
    return path


def data_of(source: Source, descriptor: Descriptor) -> bytes:
    with source.open(descriptor) as blob:
        return b"".join(blob.pieces()) if isinstance(blob, Blob) else blob


@pytest.mark.parametrize("kind", WRITE)
def test_a_layout_has_images_and_blobs(kind: str, made: Documents, tmp_path: Path) -> None:
    manifest = made.manifest(AMD64, "", LOWER, UPPER)
    path = WRITE[kind](tmp_path, layout_of(made, entry(manifest, tag="12")))
    with open_source(str(path)) as source:
        ((name, target),) = source.images
        assert (name, target.digest) == ("12", manifest.digest)
        assert [gzip.decompress(data) for _, data in layers_of(source, manifest)] == [LOWER, UPPER]


@pytest.mark.parametrize("kind", WRITE)
def test_an_archive_of_docker_save_gets_manifests(kind: str, tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {}
    listed = [saved(LOWER, UPPER, names=["debian:12", "debian:latest"], platform=AMD64, files=files)]
    path = WRITE[kind](tmp_path, files | {"manifest.json": json.dumps(listed).encode()})
    with open_source(str(path)) as source:
        (first, target), second = source.images
        assert (first, second) == ("debian:12", ("debian:latest", target))
        assert layers_of(source, target) == [(DOCKER_LAYER, LOWER), (DOCKER_LAYER, UPPER)]


def test_images_of_docker_save_share_layers_by_symbolic_links(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {}
    listed = [saved(LOWER, UPPER, names=["a:1"], platform=AMD64, files=files)]
    listed += [saved(LOWER, names=["b:1"], platform=AMD64, files=files)]
    assert any(isinstance(data, str) for data in files.values())
    path = write_tar(tmp_path / "x", files | {"manifest.json": json.dumps(listed).encode()})
    with open_source(str(path)) as source:
        assert [layers_of(source, target) for _, target in source.images] == [
            [(DOCKER_LAYER, LOWER), (DOCKER_LAYER, UPPER)],
            [(DOCKER_LAYER, LOWER)],
        ]


def layers_of(source: Source, target: Descriptor) -> list[tuple[str, bytes]]:
    """The media types and the data of the layers of an image."""
    layers = Manifest.decode(source.read(target), target).layers
    return [(one.media_type, data_of(source, one)) for one in layers]


def test_compressed_layers_of_docker_archives_are_told_by_their_magic(tmp_path: Path) -> None:
    """As some build tools write them."""
    files: dict[str, bytes | str] = {}
    listed = saved(LOWER, names=["x:1"], platform=AMD64, files=files)
    files[listed["Layers"][0]] = data = gzip.compress(LOWER)
    path = write_tar(tmp_path / "x.tar", files | {"manifest.json": json.dumps([listed]).encode()})
    with open_source(str(path)) as source:
        ((_, target),) = source.images
        assert layers_of(source, target) == [(DOCKER_LAYER_GZIP, data)]


def test_manifests_of_one_name_for_several_platforms_are_one_image(made: Documents, tmp_path: Path) -> None:
    amd64, arm64 = made.manifest(AMD64), made.manifest(ARM64)
    files = layout_of(made, entry(amd64, AMD64, tag="1"), entry(arm64, ARM64, tag="1"), entry(amd64, tag="2"))
    with open_source(str(write_directory(tmp_path, files))) as source:
        (first, index), (second, manifest) = source.images
        assert (first, second) == ("1", "2")
        assert manifest.digest == amd64.digest
        assert index.media_type == OCI_INDEX
        entries = Index.decode(source.read(index), index).entries
        assert [(one.descriptor.digest, one.platform) for one in entries] == [
            (amd64.digest, AMD64),
            (arm64.digest, ARM64),
        ]


def test_one_name_of_several_images_is_refused(made: Documents, tmp_path: Path) -> None:
    files = layout_of(made, entry(made.manifest(AMD64, "1"), tag="x"), entry(made.manifest(AMD64, "2"), tag="x"))
    with pytest.raises(InvalidArgument, match="'x' is the name of 2 images"):
        open_source(str(write_directory(tmp_path, files)))


def test_one_name_of_several_images_of_docker_save_is_refused(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {}
    listed = [saved(one, names=["x:1"], platform=AMD64, files=files) for one in (LOWER, UPPER)]
    path = write_directory(tmp_path, files | {"manifest.json": json.dumps(listed).encode()})
    with pytest.raises(InvalidArgument, match="'x:1' is the name of several images"):
        open_source(str(path))


def with_both(made: Documents, **listed: object) -> dict[str, bytes]:
    """An archive as Docker 25 and later write it."""
    manifest = made.manifest(AMD64, "", LOWER, UPPER)
    document = json.loads(made.read(manifest))
    described = {
        "Config": f"blobs/{document['config']['digest'].replace(':', '/')}",
        "RepoTags": ["debian:12"],
        "Layers": [f"blobs/{one['digest'].replace(':', '/')}" for one in document["layers"]],
    }
    named = entry(manifest, name="docker.io/library/debian:12", tag="12")
    return layout_of(made, named) | {"manifest.json": json.dumps([described | listed]).encode()}


def test_an_archive_that_is_both_is_read_as_a_layout(made: Documents, tmp_path: Path) -> None:
    with open_source(str(write_tar(tmp_path / "x", with_both(made)))) as source:
        ((name, target),) = source.images
        assert name == "docker.io/library/debian:12"
        assert target.digest in made.blobs


@pytest.mark.parametrize("what", ["Config", "RepoTags", "Layers"])
def test_an_archive_whose_descriptions_disagree_is_refused(what: str, made: Documents, tmp_path: Path) -> None:
    other = json.loads(made.read(made.manifest(AMD64, "other", UPPER)))
    listed = {
        "Config": f"blobs/{other['config']['digest'].replace(':', '/')}",
        "RepoTags": ["other:1"],
        "Layers": [f"blobs/{other['layers'][0]['digest'].replace(':', '/')}"],
    }
    path = write_tar(tmp_path / "x", with_both(made, **{what: listed[what]}))
    with pytest.raises(
        InvalidArgument, match=r"index.json and manifest.json disagree: the image '(debian:12|other:1)'"
    ):
        open_source(str(path))


def test_a_compressed_archive_leaves_no_file(made: Documents, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x", layout_of(made, entry(made.manifest(AMD64))), "w:gz")
    before = open_files()
    (tmp_path / "scratch").mkdir()
    with open_source(str(path), directory=str(tmp_path / "scratch")):
        assert os.listdir(tmp_path / "scratch") == []
    assert open_files() == before


def test_a_compressed_archive_may_not_be_larger_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(bytes(10 << 20)))
    with pytest.raises(ResourceExhausted, match="more than the 1048576 bytes that are allowed"):
        open_source(str(path), directory=str(tmp_path), limit=1 << 20)


def test_reading_an_archive_ends_with_its_call(made: Documents, tmp_path: Path) -> None:
    context = CallContext()
    context.cancel()
    for mode in ("w", "w:gz"):
        path = write_tar(tmp_path / "x", layout_of(made, entry(made.manifest(AMD64))), mode)
        with use(context), pytest.raises(Canceled):
            open_source(str(path))


def test_an_archive_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"open the image archive: .*/absent"):
        open_source(str(tmp_path / "absent"))


def test_a_missing_blob_is_not_found(made: Documents, tmp_path: Path) -> None:
    manifest = made.manifest(AMD64)
    del made.blobs[manifest.digest]
    with (
        open_source(str(write_directory(tmp_path, layout_of(made, entry(manifest))))) as source,
        pytest.raises(NotFound, match=r"there is no blob sha256:.*: the archive is incomplete"),
    ):
        source.read(manifest)
