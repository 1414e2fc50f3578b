"""Exporting images."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lamina.content import Descriptor, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, Canceled, DataLoss, FailedPrecondition, InvalidArgument, NotFound
from lamina.images import ArchiveFormat, Image, ImageStore, Progress
from lamina.images.archive import export_images, import_images, open_source
from lamina.images.documents import Platform
from tests.support.images import Documents
from tests.support.images.archives import NAME, TAG, layer
from tests.support.trees import open_files

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
LOWER, UPPER = layer("lower"), layer("upper")
FORMATS: Sequence[ArchiveFormat] = ("oci", "oci-dir", "docker")


class Exporter:
    """Exports images whose blobs are in a content store."""

    def __init__(self, directory: Path, made: Documents, content: LocalContentStore) -> None:
        self.directory = directory
        self.made = made
        self.content = content
        self.kept: list[str] = []
        self.progress: list[Progress] = []

    def __call__(self, *images: Image, name: str = "out", **options: Any) -> Path:
        ingest(self.content, [NewBlob(digest, data) for digest, data in self.made.blobs.items()])
        path = self.directory / name
        keep, report = self.kept.append, self.progress.append
        export_images(images, self.content, str(path), keep=keep, report=report, **options)
        return path

    def image(self, name: str = "docker.io/library/debian:12", platform: Platform = AMD64) -> Image:
        return Image(name, self.made.manifest(platform, name, LOWER, UPPER))


@pytest.fixture
def exporter(tmp_path: Path, made: Documents, content: LocalContentStore) -> Iterator[Exporter]:
    before = open_files()
    yield Exporter(tmp_path, made, content)
    assert open_files() == before


def files_of(path: Path) -> dict[str, bytes]:
    """The files of an archive or a layout."""
    if path.is_dir():
        return {str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file()}
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}


@pytest.mark.parametrize("format_", FORMATS)
def test_what_is_exported_is_imported_with_all_digests(
    exporter: Exporter, images: ImageStore, tmp_path: Path, format_: ArchiveFormat
) -> None:
    image = exporter.image()
    path = exporter(image, format=format_, platform=AMD64)
    other = LocalContentStore(str(tmp_path / "other"))
    with open_source(str(path)) as source:
        (imported,) = import_images(source, other, images, platform=AMD64)
    assert (imported.name, imported.target.digest) == (image.name, image.target.digest)
    assert {info.digest for info in other.walk()} == set(exporter.made.blobs)
    other.close()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_name_with_a_digest_is_exported_with_the_digest_of_what_the_archive_has(
    exporter: Exporter, content: LocalContentStore, images: ImageStore, format_: ArchiveFormat
) -> None:
    manifests = [exporter.made.manifest(one, "x", LOWER) for one in (AMD64, ARM64)]
    index = exporter.made.index(*zip(manifests, (AMD64, ARM64), strict=True))
    path = exporter(Image(f"docker.io/library/debian@{index.digest}", index), format=format_, platform=ARM64)
    with open_source(str(path)) as source:
        (imported,) = import_images(source, content, images, platform=ARM64)
    assert imported.name == f"docker.io/library/debian@{manifests[1].digest}"
    if format_ == "docker":  # `docker load` takes tags only
        assert json.loads(files_of(path)["manifest.json"])[0]["RepoTags"] == []


def test_a_directory_has_the_same_files_as_an_archive(exporter: Exporter) -> None:
    image = exporter.image()
    archive, directory = exporter(image), exporter(image, name="directory", format="oci-dir")
    assert files_of(archive) == files_of(directory)


def test_the_same_images_give_the_same_bytes(exporter: Exporter) -> None:
    image = exporter.image()
    assert exporter(image).read_bytes() == exporter(image, name="again").read_bytes()


def test_names_are_annotated_as_containerd_and_docker_do(exporter: Exporter) -> None:
    names = ("docker.io/library/debian:12", f"quay.io/a@sha256:{'0' * 64}", "any text")
    index = json.loads(files_of(exporter(*map(exporter.image, names)))["index.json"])
    assert [entry["annotations"] for entry in index["manifests"]] == [
        {NAME: names[0], TAG: "12"},
        {NAME: f"quay.io/a@{index['manifests'][1]['digest']}"},
        {NAME: names[2]},
    ]


def test_blobs_of_several_images_are_written_once(exporter: Exporter) -> None:
    one = exporter.image()
    path = exporter(one, Image("docker.io/library/other:1", one.target))
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) == len(exporter.made.blobs) + 4


def test_docker_finds_configuration_layers_and_names(exporter: Exporter) -> None:
    one = exporter.image()
    other = Image("docker.io/library/other:1", one.target)
    files = files_of(exporter(one, other, format="docker", platform=AMD64))
    (saved,) = json.loads(files["manifest.json"])
    assert saved["RepoTags"] == [one.name, other.name]
    manifest = json.loads(files[f"blobs/{one.target.digest.replace(':', '/')}"])
    paths = [f"blobs/{blob['digest'].replace(':', '/')}" for blob in (manifest["config"], *manifest["layers"])]
    assert [saved["Config"], *saved["Layers"]] == paths
    assert set(paths) <= set(files)


def several(exporter: Exporter) -> tuple[Image, Descriptor, Descriptor]:
    """An image for two platforms, and its manifests."""
    amd64, arm64 = (exporter.made.manifest(one, str(one), LOWER) for one in (AMD64, ARM64))
    return Image("docker.io/library/a:1", exporter.made.index((amd64, AMD64), (arm64, ARM64))), amd64, arm64


def test_an_image_for_several_platforms_is_exported_as_a_whole(exporter: Exporter) -> None:
    image, *_ = several(exporter)
    files = files_of(exporter(image))
    assert json.loads(files["index.json"])["manifests"][0]["digest"] == image.target.digest
    assert len([name for name in files if name.startswith("blobs/")]) == len(exporter.made.blobs)


def test_platforms_that_are_not_there_are_left_out(exporter: Exporter, content: LocalContentStore) -> None:
    image, amd64, arm64 = several(exporter)
    del exporter.made.blobs[arm64.digest]
    files = files_of(exporter(image))
    assert {f"blobs/{one.digest.replace(':', '/')}" for one in (image.target, amd64)} <= set(files)
    content.delete(amd64.digest)
    del exporter.made.blobs[amd64.digest]
    with pytest.raises(NotFound, match="no manifest"):
        exporter(image, name="nothing")


def test_one_platform_is_exported_without_the_index(exporter: Exporter) -> None:
    image, _, arm64 = several(exporter)
    files = files_of(exporter(image, platform=ARM64))
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert (entry["digest"], entry["platform"]) == (arm64.digest, ARM64.document())
    assert f"blobs/{image.target.digest.replace(':', '/')}" not in files
    with pytest.raises(NotFound, match="choose with --platform linux/amd64"):
        exporter(image, platform=Platform("linux", "s390x"))


@pytest.mark.parametrize("format_", FORMATS)
def test_a_missing_layer_is_told_and_nothing_written(exporter: Exporter, format_: ArchiveFormat) -> None:
    image = exporter.image()
    *_, digest, _ = exporter.made.blobs
    del exporter.made.blobs[digest]
    with pytest.raises(NotFound, match=f"debian:12: blob {digest} is not there: it was discarded"):
        exporter(image, format=format_, platform=AMD64)
    assert not (exporter.directory / "out").exists()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_damaged_blob_is_told_and_nothing_left(exporter: Exporter, format_: ArchiveFormat) -> None:
    image = exporter.image()
    exporter(image, name="before")
    digest = next(iter(exporter.made.blobs))
    (blob,) = exporter.directory.glob(f"content/blobs/sha256/{digest.removeprefix('sha256:')}")
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(data[::-1])
    present = set(os.listdir(exporter.directory))
    with pytest.raises((DataLoss, InvalidArgument)):
        exporter(image, format=format_, platform=AMD64)
    assert set(os.listdir(exporter.directory)) == present


@pytest.mark.parametrize("format_", FORMATS)
def test_a_call_that_ends_leaves_nothing(exporter: Exporter, format_: ArchiveFormat) -> None:
    image = exporter.image()
    exporter(image, name="before")
    present, context = set(os.listdir(exporter.directory)), CallContext()
    exporter.progress = _Cancelling(context)
    with use(context), pytest.raises(Canceled):
        exporter(image, format=format_, platform=AMD64)
    assert set(os.listdir(exporter.directory)) == present


class _Cancelling(list[Progress]):
    """Cancels a call when there is progress."""

    def __init__(self, context: CallContext) -> None:
        super().__init__()
        self._context = context

    def append(self, progress: Progress) -> None:
        self._context.cancel()


def test_a_file_is_replaced_and_private(exporter: Exporter) -> None:
    path = exporter.directory / "out"
    path.write_text("before")
    assert set(files_of(exporter(exporter.image()))) >= {"index.json", "oci-layout"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_file_is_not_replaced(exporter: Exporter) -> None:
    path = exporter.directory / "out"
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("nothing")):
        make()
        with pytest.raises(FailedPrecondition, match="not a regular file"):
            exporter(exporter.image())
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_layout_needs_a_new_or_an_empty_directory(exporter: Exporter) -> None:
    path = exporter.directory / "out"
    path.mkdir()
    exporter(exporter.image(), format="oci-dir")
    before = files_of(path)
    with pytest.raises(AlreadyExists, match="needs a new or an empty directory"):
        exporter(exporter.image(), format="oci-dir")
    assert files_of(path) == before


def test_what_a_killed_export_left_is_replaced(exporter: Exporter) -> None:
    left = exporter.directory / ".out.new"
    left.mkdir()
    (left / "index.json").write_text("half")
    exporter(exporter.image(), format="oci-dir")
    (exporter.directory / ".archive.new").write_text("half")
    exporter(exporter.image(), name="archive")
    assert not list(exporter.directory.glob(".*.new"))


def test_a_file_system_without_nameless_files_will_do(exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag of open(2) is unknown there: O_DIRECTORY alone, with which no directory is opened for writing."""
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    assert "index.json" in files_of(exporter(exporter.image()))
    assert not list(exporter.directory.glob(".*.new"))


def test_a_missing_directory_is_told(exporter: Exporter) -> None:
    for format_ in FORMATS:
        with pytest.raises(NotFound, match="missing"):
            exporter(exporter.image(), name="missing/out", format=format_, platform=AMD64)


def test_an_unknown_format_is_refused(exporter: Exporter) -> None:
    with pytest.raises(InvalidArgument, match="expected oci, oci-dir, docker"):
        exporter(exporter.image(), format="squashfs")


def test_everything_is_kept_from_collection_before_it_is_looked_for(exporter: Exporter) -> None:
    exporter(exporter.image())
    assert set(exporter.kept) == set(exporter.made.blobs)


def test_the_progress_of_each_blob_is_reported(exporter: Exporter) -> None:
    exporter(exporter.image())
    ends = {one.digest: one.done for one in exporter.progress if one.done == one.total}
    assert ends == {digest: len(data) for digest, data in exporter.made.blobs.items()}
    assert {one.what for one in exporter.progress} == {"export"}
