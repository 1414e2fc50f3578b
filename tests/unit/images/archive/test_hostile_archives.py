"""Archives that are malformed, or made to reach what is not theirs."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from lamina.errdefs import FailedPrecondition, InvalidArgument, NotFound
from lamina.images.archive import import_images, open_source
from lamina.images.archive._directory import DirectoryFiles
from lamina.images.archive._files import MAX_READ
from lamina.images.documents import MAX_BYTES, Platform
from tests.support.images import Documents
from tests.support.images.archives import entry, layer, layout_of, saved, write_directory, write_tar
from tests.support.rounds import rounds
from tests.unit.images.archive.test_import import Importer, importer

__all__ = ["importer"]

AMD64 = Platform("linux", "amd64")
LOWER = layer("lower")
OUTSIDE = "/etc/hostname"
ESCAPES = [
    "../secret",
    "a/../../secret",
    "/etc/hostname",
    "./../secret",
    "",
    ".",
    "a//b",
    "a\0b",
    "blobs/../../secret",
]


def docker_files(**changes: object) -> dict[str, bytes | str]:
    """An archive of `docker save`, with some members of its entry in `manifest.json` changed."""
    files: dict[str, bytes | str] = {}
    listed = saved(LOWER, names=["x:1"], platform=AMD64, files=files) | changes
    return files | {"manifest.json": json.dumps([listed]).encode()}


@pytest.mark.parametrize("name", ESCAPES)
@pytest.mark.parametrize("member", ["Config", "Layers"])
@pytest.mark.parametrize("write", [write_tar, write_directory])
def test_a_path_out_of_an_archive_is_refused(
    write: Callable[[Path, Mapping[str, bytes | str]], Path], member: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(LOWER)
    files = docker_files(**{member: [name] if member == "Layers" else name})
    with pytest.raises(InvalidArgument, match=r"is not a path in the archive|Config is empty"):
        open_source(str(write(tmp_path / "x", files)))


@pytest.mark.parametrize("target", [OUTSIDE, "../secret", "config.json"])
def test_symbolic_links_in_a_directory_are_refused(target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(LOWER)
    files = docker_files()
    config = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    files["config.json"] = files[config]
    files[config] = target
    with pytest.raises(InvalidArgument, match="is, or lies behind, a symbolic link or a mount point"):
        open_source(str(write_directory(tmp_path / "x", files)))


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", "index.json"])
def test_a_layout_with_a_symbolic_link_is_refused(name: str, made: Documents, tmp_path: Path) -> None:
    write_directory(tmp_path / "x", layout_of(made, entry(target := made.manifest(AMD64))))
    (tmp_path / "x" / name).rename(tmp_path / "elsewhere")
    (tmp_path / "x" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidArgument, match="symbolic link"), open_source(str(tmp_path / "x")) as source:
        source.read(target)


@pytest.mark.parametrize("target", [OUTSIDE, "../secret", "../../x", "/manifest.json"])
def test_symbolic_links_in_a_tar_lead_nowhere_else(target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(LOWER)
    files = docker_files()
    files[next(name for name in files if name.endswith("layer.tar"))] = target
    with pytest.raises(NotFound, match="there is no file"):
        open_source(str(write_tar(tmp_path / "x", files)))


def test_a_symbolic_link_to_itself_is_not_found(tmp_path: Path) -> None:
    files = docker_files()
    files[next(name for name in files if name.endswith("layer.tar"))] = "layer.tar"
    with pytest.raises(NotFound, match="there is no file"):
        open_source(str(write_tar(tmp_path / "x", files)))


@pytest.mark.parametrize("name", ["index.json", "oci-layout"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_file_that_is_none_is_refused(
    make: Callable[[str], None], name: str, made: Documents, tmp_path: Path
) -> None:
    write_directory(tmp_path, layout_of(made, entry(made.manifest(AMD64))))
    (tmp_path / name).unlink()
    make(str(tmp_path / name))
    with pytest.raises(InvalidArgument, match=f"'{name}' is not a regular file"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, 0o020600, os.makedev(1, 3))])
def test_a_path_that_is_no_archive_is_refused(make: Callable[[str], None], tmp_path: Path) -> None:
    make(str(tmp_path / "x"))
    with pytest.raises(InvalidArgument, match="neither a directory nor a regular file"):
        open_source(str(tmp_path / "x"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an image archive"),
        (
            b"root:x:0:0:root:/root:/bin/bash\n" * 100,
            "not an image archive: neither a directory nor a tar archive",
        ),
        (b"text", "not an image archive: neither a directory nor a tar archive"),
        (bytes(10_240), "not an image archive"),
        (b"\x1f\x8b\x08" + bytes(100), "the gzip data is damaged"),
        (b"BZh91AY&SY", "it is compressed with bzip2"),
        (os.urandom(9999), "not an image archive: neither a directory nor a tar archive"),
    ],
)
def test_a_file_that_is_no_archive_is_refused_by_its_name(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(InvalidArgument, match=f"^{re.escape(str(tmp_path / 'x'))}: .*{message}"):
        open_source(str(tmp_path / "x"))


def test_an_archive_that_is_cut_is_refused_by_its_name(made: Documents, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x", layout_of(made, entry(made.manifest(AMD64))))
    os.truncate(path, 520)
    with pytest.raises(InvalidArgument, match=f"^{re.escape(str(path))}: .*ends inside"):
        open_source(str(path))


def test_a_document_that_is_there_twice_is_refused(made: Documents, tmp_path: Path) -> None:
    """Which of the two counts, readers understand differently."""
    files = layout_of(made, entry(made.manifest(AMD64)))
    with tarfile.open(tmp_path / "x", "w") as archive:
        for name, data in [*files.items(), ("./index.json", files["index.json"])]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(InvalidArgument, match=r"'index.json' occurs twice: programs would choose differently"):
        open_source(str(tmp_path / "x"))


def test_an_archive_of_very_many_entries_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x").tobuf()
    (tmp_path / "x").write_bytes(header * 50_001 + bytes(1024))
    with pytest.raises(InvalidArgument, match="more than 50000 entries"):
        open_source(str(tmp_path / "x"))


def test_an_archive_of_very_long_names_is_refused(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "x", {f"{number}/{'x/' * 2000}": b"" for number in range(2100)})
    with pytest.raises(InvalidArgument, match="8388608 bytes of names"):
        open_source(str(path))


def test_documents_are_not_read_without_end(tmp_path: Path) -> None:
    """A thousand images may refer to the same thousand manifests."""
    with open(tmp_path / "document", "wb") as file:
        file.truncate(MAX_BYTES)
    with closing(DirectoryFiles(str(tmp_path), os.open(tmp_path, os.O_RDONLY))) as files:
        for _ in range(MAX_READ // MAX_BYTES):
            files.read("document")
        with pytest.raises(InvalidArgument, match="too many documents: at most 1073741824 bytes of them are read"):
            files.read("document")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"index.json": b"[]"}, "expected an object, found an array"),
        ({"index.json": b'{"schemaVersion": 2, "manifests": []}'}, "there is no image in it"),
        ({"index.json": b'{"schemaVersion": 2, "manifests": [], "layers": []}'}, "it has 'layers'"),
        ({"index.json": b" " * (MAX_BYTES + 1)}, "'index.json' has 8388609 bytes: at most 8388608 are allowed"),
        ({"oci-layout": b'{"imageLayoutVersion": "2.0.0"}'}, "version '2.0.0': only version 1 is supported"),
        ({"oci-layout": b"{}"}, "imageLayoutVersion is missing"),
        ({"oci-layout": None}, "there is no file 'oci-layout': a layout has it beside index.json"),
        ({"index.json": None}, "it has neither index.json, as an OCI layout, nor manifest.json"),
    ],
)
def test_a_malformed_layout_is_refused(
    files: dict[str, bytes | None], message: str, made: Documents, tmp_path: Path
) -> None:
    changed = {**layout_of(made, entry(made.manifest(AMD64))), **files}
    with pytest.raises(InvalidArgument) as caught:
        open_source(
            str(write_tar(tmp_path / "x", {name: data for name, data in changed.items() if data is not None}))
        )
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "it is not a list of images; if skopeo or podman wrote a directory"),
        ([], "there is no image in it"),
        ([{}] * 1001, "1001 images: at most 1000 are allowed"),
        (["x"], "[0]: expected an object, found a string"),
        ([{"Layers": []}], "[0]: Config is missing"),
        ([{"Config": "x", "Layers": [1]}], "[0]: Layers[0]: expected a string"),
        ([{"Config": "x", "RepoTags": "x:1"}], "[0]: RepoTags: expected an array"),
    ],
)
def test_a_malformed_list_of_images_is_refused(document: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument) as caught:
        open_source(str(write_tar(tmp_path / "x", {"x": b"{}", "manifest.json": json.dumps(document).encode()})))
    assert message in str(caught.value)


def test_more_layers_than_the_configuration_has_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"manifest.json lists 0 layers, but '\w+.json' has 1"):
        open_source(str(write_tar(tmp_path / "x", docker_files(Layers=[]))))


def test_a_configuration_that_its_name_does_not_fit_is_refused(tmp_path: Path) -> None:
    files = docker_files()
    config = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    files[config] = bytes(files[config]).replace(b"x:1", b"y:1") if isinstance(files[config], bytes) else ""
    with pytest.raises(InvalidArgument, match=r"has the digest sha256:\w+, not that of its name"):
        open_source(str(write_tar(tmp_path / "x", files)))


@pytest.mark.parametrize("cut", range(40))
def test_a_truncated_archive_is_refused(cut: int, made: Documents, tmp_path: Path, importer: Importer) -> None:
    path = write_tar(tmp_path / "x", layout_of(made, entry(made.manifest(AMD64, "", LOWER), tag="a:1")))
    whole = path.read_bytes().rstrip(b"\0")
    path.write_bytes(whole[: len(whole) * cut // 40])
    with pytest.raises((InvalidArgument, NotFound)), open_source(str(path)) as source:
        import_images(source, importer.content, importer.images, platform=AMD64)
    assert importer.names() == []


@hypothesis.settings(max_examples=rounds(50, 20_000))
@hypothesis.given(data=strategies.data())
def test_a_mutated_archive_is_imported_or_refused(
    data: strategies.DataObject, tmp_path: Path, importer: Importer
) -> None:
    """No other error, and no image that is not the original."""
    made = Documents()
    target = made.manifest(AMD64, "", LOWER)
    path = write_tar(tmp_path / "x", layout_of(made, entry(target, tag="a:1")))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(strategies.integers(1, 4))):
        content[data.draw(strategies.integers(0, len(content) - 1))] = data.draw(strategies.integers(0, 255))
    path.write_bytes(content)
    for name in importer.names():
        importer.images.delete(name)
    try:
        with open_source(str(path)) as source:
            found = import_images(source, importer.content, importer.images, platform=AMD64)
    except (InvalidArgument, NotFound, FailedPrecondition):
        assert importer.names() == []
    else:
        assert [image.target.digest for image in found] == [target.digest]
