"""Importing images."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lamina.content import Descriptor, read_blob
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, FailedPrecondition, InvalidArgument, NotFound
from lamina.images import Image, ImageStore, Progress
from lamina.images.archive import import_images, open_source
from lamina.images.documents import Index, Manifest, Platform
from tests.support.blobs import digest_of
from tests.support.images import Documents
from tests.support.images.archives import entry, layer, layout_of, saved, write_directory, write_tar
from tests.support.trees import open_files

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
LOWER, UPPER = layer("lower"), layer("upper", "second")
REFERENCE = "containerd.io/gc.ref.content"


class Importer:
    """Imports archives into one content store and one image store."""

    def __init__(self, directory: Path, content: LocalContentStore, images: ImageStore) -> None:
        self.directory = directory
        self.content = content
        self.images = images
        self.progress: list[Progress] = []

    def __call__(
        self, files: Mapping[str, bytes | str], name: str = "image.tar", *names: str, **options: bool | Platform
    ) -> list[Image]:
        path = write_tar(self.directory / name, files)
        with open_source(str(path)) as source:
            return import_images(
                source, self.content, self.images, names=names, report=self.progress.append, **options
            )

    def blobs(self) -> set[str]:
        return {info.digest for info in self.content.walk()}

    def names(self) -> list[str]:
        return [image.name for image in self.images.list()]


@pytest.fixture
def importer(tmp_path: Path, content: LocalContentStore, images: ImageStore) -> Importer:
    return Importer(tmp_path, content, images)


def test_blobs_are_stored_and_the_image_is_named(importer: Importer, made: Documents) -> None:
    target = made.manifest(AMD64, "", LOWER, UPPER)
    (image,) = importer(layout_of(made, entry(target, name="docker.io/library/debian:12")), platform=AMD64)
    assert image == importer.images.get("docker.io/library/debian:12")
    assert image.target.digest == target.digest
    assert importer.blobs() == set(made.blobs)


def test_blobs_have_the_labels_that_keep_what_they_refer_to(importer: Importer, made: Documents) -> None:
    amd64, arm64 = made.manifest(AMD64, "", LOWER, UPPER), made.manifest(ARM64)
    index = made.index((arm64, ARM64), (amd64, AMD64))
    importer(layout_of(made, entry(index)), platform=AMD64)
    manifest = Manifest.decode(made.read(amd64), amd64)
    labels = {info.digest: info.labels for info in importer.content.walk() if info.labels}
    assert labels == {
        index.digest: {f"{REFERENCE}.m.0": amd64.digest},
        amd64.digest: {
            f"{REFERENCE}.config": manifest.config.digest,
            f"{REFERENCE}.l.0": manifest.layers[0].digest,
            f"{REFERENCE}.l.1": manifest.layers[1].digest,
        },
    }


def test_only_the_platform_is_imported(importer: Importer, made: Documents) -> None:
    others, ours = made.manifest(ARM64, "", LOWER), made.manifest(AMD64, "", UPPER)
    index = made.index((made.index((others, ARM64)), None), (ours, AMD64))
    (image,) = importer(layout_of(made, entry(index)), platform=AMD64)
    wanted = Manifest.decode(made.read(ours), ours)
    assert image.target.digest == index.digest
    assert importer.blobs() == {index.digest, ours.digest, wanted.config.digest, wanted.layers[0].digest}


def test_all_platforms_are_imported_if_asked_for(importer: Importer, made: Documents) -> None:
    inner = made.index((made.manifest(ARM64, "", LOWER), ARM64))
    importer(layout_of(made, entry(made.index((inner, None), (made.manifest(AMD64), AMD64)))), all_platforms=True)
    assert importer.blobs() == set(made.blobs)


def test_an_image_of_another_platform_is_refused(importer: Importer, made: Documents) -> None:
    with pytest.raises(NotFound, match=r"image docker.io/library/image:latest: it is for linux/arm64, not for"):
        importer(layout_of(made, entry(made.manifest(ARM64))), platform=AMD64)
    assert (importer.blobs(), importer.names()) == (set(), [])


def test_an_archive_without_an_image_is_refused(importer: Importer, made: Documents) -> None:
    chart = made.manifest(AMD64, media_type="application/vnd.cncf.helm.config.v1+json")
    for options in ({"platform": AMD64}, {"all_platforms": True}):
        with pytest.raises(NotFound, match="it has no manifest of a root file system"):
            importer(layout_of(made, entry(chart)), **options)


@pytest.mark.parametrize(
    ("file", "annotations", "name"),
    [
        ("debian.tar", {}, "docker.io/library/debian:latest"),
        ("debian.tar", {"tag": "12"}, "docker.io/library/debian:12"),
        ("debian.oci.tar.gz", {"tag": "12"}, "docker.io/library/debian:12"),
        ("Debian", {"tag": "quay.io/debian/debian:12"}, "quay.io/debian/debian:12"),
        ("Debian", {"tag": "12", "name": "docker.io/user/debian:12"}, "docker.io/user/debian:12"),
        ("Debian", {"tag": "debian:12"}, "docker.io/library/debian:12"),
    ],
)
def test_the_name_comes_from_the_annotations_or_the_file(
    file: str, annotations: dict[str, str], name: str, importer: Importer, made: Documents
) -> None:
    (image,) = importer(layout_of(made, entry(made.manifest(AMD64), **annotations)), file, platform=AMD64)
    assert image.name == name


def test_names_can_be_given(importer: Importer, made: Documents) -> None:
    files = layout_of(made, entry(made.manifest(AMD64), tag="../x"))
    found = importer(files, "image.tar", "debian:12", "localhost/debian", platform=AMD64)
    assert [image.name for image in found] == ["docker.io/library/debian:12", "localhost/debian:latest"]
    with pytest.raises(InvalidArgument, match="the image has the digest"):
        importer(files, "image.tar", f"debian@sha256:{'0' * 64}", platform=AMD64)


def test_a_name_with_another_digest_than_its_image_has_is_refused(importer: Importer, made: Documents) -> None:
    target = made.manifest(AMD64)
    own, other = f"quay.io/debian@{target.digest}", f"quay.io/debian@sha256:{'0' * 64}"
    (image,) = importer(layout_of(made, entry(target, name=own)), platform=AMD64)
    assert (image.name, image.target.digest) == (own, target.digest)
    for where in ("name", "tag"):
        with pytest.raises(
            InvalidArgument, match=f"'{other}': the image has the digest {target.digest}: give a tag"
        ):
            importer(layout_of(made, entry(target, **{where: other})), platform=AMD64)
    assert importer.names() == [own]


def test_names_cannot_be_given_to_several_images(importer: Importer, made: Documents) -> None:
    files = layout_of(made, entry(made.manifest(AMD64, "1"), tag="1"), entry(made.manifest(AMD64, "2"), tag="2"))
    with pytest.raises(InvalidArgument, match="a name was given, but there are 2 images in it: '1', '2'"):
        importer(files, "image.tar", "debian:12")


def test_images_without_names_are_told_apart_by_their_digests(importer: Importer, made: Documents) -> None:
    first, second = made.manifest(AMD64, "1"), made.manifest(AMD64, "2")
    found = importer(layout_of(made, entry(first), entry(second)), platform=AMD64)
    repository = "docker.io/library/image"
    assert [image.name for image in found] == [f"{repository}@{first.digest}", f"{repository}@{second.digest}"]


@pytest.mark.parametrize(("file", "tag"), [("Debian.tar", "12"), ("x y", ""), ("a.tar", "x/../y"), ("a", "A:b")])
def test_a_name_that_is_none_is_refused(file: str, tag: str, importer: Importer, made: Documents) -> None:
    annotations = {"tag": tag} if tag else {}
    with pytest.raises(InvalidArgument, match=r"give one|image name"):
        importer(layout_of(made, entry(made.manifest(AMD64), **annotations)), file, platform=AMD64)


def test_an_image_is_imported_again_under_its_name(importer: Importer, made: Documents) -> None:
    importer(layout_of(made, entry(made.manifest(AMD64, "old"), tag="12")), platform=AMD64)
    (image,) = importer(layout_of(made, entry(new := made.manifest(AMD64, "new"), tag="12")), platform=AMD64)
    assert importer.images.get(image.name).target.digest == new.digest


def test_archives_of_docker_save_are_imported(importer: Importer) -> None:
    files: dict[str, bytes | str] = {}
    listed = [saved(LOWER, UPPER, names=["debian:12", "user/debian"], platform=AMD64, files=files)]
    listed += [saved(UPPER, LOWER, LOWER, names=None, platform=AMD64, files=files)]
    files["manifest.json"] = json.dumps(listed).encode()
    found = importer(files, "saved.tar", platform=AMD64)
    names = ["docker.io/library/debian:12", "docker.io/user/debian:latest", "docker.io/library/saved:latest"]
    assert [image.name for image in found] == names
    assert read_blob(importer.content, digest_of(LOWER)) == LOWER
    assert layers_of(importer, found[2].target) == [digest_of(UPPER), digest_of(LOWER), digest_of(LOWER)]


def layers_of(importer: Importer, target: Descriptor) -> list[str]:
    manifest = Manifest.decode(read_blob(importer.content, target.digest), target)
    return [one.digest for one in manifest.layers]


def test_progress_is_reported_for_each_blob(importer: Importer, made: Documents) -> None:
    files = layout_of(made, entry(made.manifest(AMD64, "", os.urandom(3 << 20))))
    for _ in range(2):  # the second time, all blobs are there already
        importer.progress.clear()
        importer(files, platform=AMD64)
        for digest, data in made.blobs.items():
            done = [one.done for one in importer.progress if one.digest == digest]
            assert (done[0], done[-1], done) == (0, len(data), sorted(done))
        assert {one.what for one in importer.progress} == {"import"}


def test_what_is_there_is_not_read_again(importer: Importer, made: Documents) -> None:
    files = layout_of(made, entry(target := made.manifest(AMD64, "", LOWER)))
    importer(files, platform=AMD64)
    (blob,) = Manifest.decode(made.read(target), target).layers
    damaged = {name: bytes(len(data)) if blob.digest[7:] in name else data for name, data in files.items()}
    importer(damaged, platform=AMD64)


@pytest.mark.parametrize("how", ["size", "digest", "diff_ids"])
def test_a_damaged_layer_is_refused_and_the_image_not_named(how: str, importer: Importer, made: Documents) -> None:
    target = made.manifest(AMD64, "", LOWER)
    (blob,) = Manifest.decode(made.read(target), target).layers
    good = made.blobs[blob.digest]
    made.blobs[blob.digest] = good + b"x" if how == "size" else bytes(len(good))
    if how == "diff_ids":
        target = with_layers(made, target, ())
    with pytest.raises((InvalidArgument, FailedPrecondition), match=MESSAGES[how]):
        importer(layout_of(made, entry(target)), platform=AMD64)
    assert importer.names() == []
    assert blob.digest not in importer.blobs()


MESSAGES = {
    "size": r"blob sha256:.* bytes where its descriptor says",
    "digest": r"blob sha256:.*: its data has digest sha256:",
    "diff_ids": r"it has 0 layers, but its configuration sha256:.* has 1",
}


def with_layers(made: Documents, target: Descriptor, layers: tuple[Descriptor, ...]) -> Descriptor:
    """The same image with other layers in its manifest."""
    manifest = Manifest.decode(made.read(target), target)
    return made.add_json(Manifest(target.media_type, manifest.config, layers).document(), target.media_type)


def test_a_layer_of_docker_save_that_its_configuration_does_not_name_is_refused(importer: Importer) -> None:
    files: dict[str, bytes | str] = {}
    listed = saved(LOWER, names=["x:1"], platform=AMD64, files=files)
    files[listed["Layers"][0]] = UPPER
    with pytest.raises(FailedPrecondition, match="its data has digest"):
        importer(files | {"manifest.json": json.dumps([listed]).encode()}, platform=AMD64)


def test_a_blob_that_is_no_layer_is_refused(importer: Importer, made: Documents) -> None:
    target = made.manifest(AMD64, "", LOWER)
    (blob,) = Manifest.decode(made.read(target), target).layers
    encrypted = Descriptor(f"{blob.media_type}+encrypted", blob.digest, blob.size)
    with pytest.raises(
        InvalidArgument, match=r"layers\[0\]: .*encrypted' is not a type of layer that can be unpacked"
    ):
        importer(layout_of(made, entry(with_layers(made, target, (encrypted,)))), platform=AMD64)


def test_nothing_is_copied_if_a_blob_is_missing(importer: Importer, made: Documents) -> None:
    target = made.manifest(AMD64, "", LOWER, UPPER)
    *_, last = Manifest.decode(made.read(target), target).layers
    del made.blobs[last.digest]
    with pytest.raises(NotFound, match=f"there is no blob {last.digest}: the archive is incomplete"):
        importer(layout_of(made, entry(target)), platform=AMD64)
    assert importer.blobs() == set()


def test_an_archive_of_one_platform_of_many_is_imported(importer: Importer, made: Documents) -> None:
    """As `docker save --platform` writes it: the index names all platforms."""
    others, ours = made.manifest(ARM64, "", LOWER), made.manifest(AMD64, "", UPPER)
    index = made.index((made.index((others, ARM64)), None), (others, ARM64), (ours, AMD64))
    (nested,) = (one for one in Index.decode(made.read(index), index).entries if one.platform is None)
    del made.blobs[others.digest], made.blobs[nested.descriptor.digest]
    importer(layout_of(made, entry(index)), all_platforms=True)
    assert ours.digest in importer.blobs()


def test_an_import_ends_with_its_call(importer: Importer, made: Documents) -> None:
    context = CallContext()
    files = layout_of(made, entry(made.manifest(AMD64, "", LOWER)))
    path = write_directory(importer.directory / "layout", files)
    with open_source(str(path)) as source, use(context):
        context.cancel()
        with pytest.raises(Canceled):
            import_images(source, importer.content, importer.images, platform=AMD64)


def test_no_descriptor_is_left_open(importer: Importer, made: Documents, tmp_path: Path) -> None:
    files = layout_of(made, entry(made.manifest(AMD64, "", LOWER)))
    broken = {
        name: bytes(len(data)) if gzip.compress(LOWER, mtime=0) == data else data for name, data in files.items()
    }
    path = write_directory(tmp_path / "layout", broken)
    before = open_files()
    with open_source(str(path)) as source, pytest.raises(FailedPrecondition):
        import_images(source, importer.content, importer.images, platform=AMD64)
    assert open_files() == before
