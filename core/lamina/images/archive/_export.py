"""Write images to an archive."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Generator, Sequence
from typing import Final, get_args

import attrs

from lamina.content import ContentStore, Descriptor, read_blob, verified_pieces
from lamina.context import current
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images._progress import Progress, Report
from lamina.images._results import ArchiveFormat
from lamina.images._store import Image
from lamina.images.archive._docker import DOCKER_MANIFEST_FILE
from lamina.images.archive._layout import new_archive, new_tree
from lamina.images.archive._oci import CONTAINERD_NAME, INDEX_FILE, LAYOUT_FILE, REF_NAME
from lamina.images.archive._source import blob_file
from lamina.images.documents import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, Index, IndexEntry, Manifest, Platform
from lamina.images.references import parse
from lamina.images.selection import candidates, choose

_FORMATS: Final = get_args(ArchiveFormat)


def export_images(
    images: Sequence[Image],
    content: ContentStore,
    path: str,
    *,
    format: ArchiveFormat = "oci",  # noqa: A002 - the word of all tools
    platform: Platform | None = None,
    keep: Callable[[str], object] = lambda _: None,
    report: Report | None = None,
) -> int:
    """Write images to an archive, verified. It appears when it is complete and durable, or not at all.

    The same images give the same bytes.

    Args:
        images: The images.
        content: Has their blobs.
        path: The archive. A file is replaced; a directory must be new or empty.
        format: Its format.
        platform: The platform for which to write them; None for all that are there, or for the host's where the
            archive is for `docker load`, which knows only one.
        keep: Called with the digest of each blob that is needed, before the store is searched for it.
        report: Called with the progress of each blob.

    Returns:
        The number of bytes of all blobs.

    Raises:
        NotFound: A blob is missing, or there is nothing for the platform.
        FailedPrecondition: Something other than a regular file is at the path.
        AlreadyExists: The directory is not empty.
        DataLoss: A blob does not have its digest.
        ResourceExhausted: The disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    if format not in _FORMATS:
        raise InvalidArgument(f"format {format[:32]!r}: expected {', '.join(_FORMATS)}")
    exports = _Exports(content, keep)
    for image in images:
        exports.add(image, platform, single=format == "docker")
    documents = {INDEX_FILE: exports.index(), LAYOUT_FILE: {"imageLayoutVersion": "1.0.0"}}
    if format == "docker":
        documents[DOCKER_MANIFEST_FILE] = exports.saved()
    with new_tree(path) if format == "oci-dir" else new_archive(path) as add:
        for _, blob in sorted(exports.blobs.items()):
            with contextlib.closing(_pieces(content, blob, report or (lambda _: None))) as pieces:
                add(blob_file(blob.digest), blob.size, pieces)
        for name, document in sorted(documents.items()):
            data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
            add(name, len(data), [data])
    return sum(blob.size for blob in exports.blobs.values())


def _pieces(content: ContentStore, blob: Descriptor, report: Report) -> Generator[bytes]:
    tell = functools.partial(Progress, blob.digest, "export", total=blob.size)
    done = 0
    report(tell(done=done))
    for piece in verified_pieces(content, blob.digest):
        yield piece
        done += len(piece)
        report(tell(done=done))


class _Exports:
    """The images selected for an archive, and the blobs that they need."""

    def __init__(self, content: ContentStore, keep: Callable[[str], object]) -> None:
        self._content = content
        self._keep = keep
        self._entries: list[IndexEntry] = []
        self._saved: dict[str, tuple[Manifest, list[str]]] = {}
        """The manifests for `docker load` by their digests, and their names, which must be tags there."""
        self.blobs: dict[str, Descriptor] = {}
        """By their digests, with their sizes."""

    def add(self, image: Image, platform: Platform | None, *, single: bool) -> None:
        """Add an image for a platform. None means all that are there, or the host's if `single` is set."""
        self._keep(image.target.digest)
        target, shown = image.target, None
        if platform or single:
            chosen = choose(self._read, image.target, image.name, platform)
            target, shown = chosen.descriptor, chosen.platform
        elif not candidates(self._read, image.target, image.name):
            raise NotFound(f"image {image.name}: it has no manifest of a root file system")
        self._add_target(target, image.name)
        name = _name_for(image.name, target.digest)
        annotations = {**target.annotations, **_annotations(name)}
        self._entries.append(IndexEntry(attrs.evolve(target, annotations=annotations), shown))
        if single:
            manifest = Manifest.decode(self._read(target), target)
            self._saved.setdefault(target.digest, (manifest, []))[1].extend([name] if "@" not in name else [])

    def index(self) -> dict[str, object]:
        return Index(OCI_INDEX, tuple(self._entries)).document()

    def saved(self) -> list[dict[str, object]]:
        """Return the list of images that `docker load` reads (Docker, `image/tarexport`)."""
        return [
            {
                "Config": blob_file(manifest.config.digest),
                "RepoTags": names,
                "Layers": [blob_file(layer.digest) for layer in manifest.layers],
            }
            for manifest, names in self._saved.values()
        ]

    def _add_target(self, target: Descriptor, name: str) -> None:
        current().check()
        if target.digest in self.blobs:
            return
        self._add_blobs([target], name)
        if target.media_type in INDEX_TYPES:
            for entry in Index.decode(self._read(target), target).entries:
                if self._has(entry.descriptor):  # others are of platforms that are not there
                    self._add_target(entry.descriptor, name)
        elif target.media_type in MANIFEST_TYPES:
            manifest = Manifest.decode(self._read(target), target)
            self._add_blobs([manifest.config, *manifest.layers], name)

    def _add_blobs(self, blobs: Sequence[Descriptor], name: str) -> None:
        for one in blobs:
            self._keep(one.digest)
            try:
                size = self._content.info(one.digest).size
            except NotFound as error:
                raise NotFound(
                    f"image {name}: blob {one.digest} is not there: it was discarded, or the snapshotter made it "
                    "without fetching it; pull or import the image again, with --no-unpack"
                ) from error
            if size != one.size:
                raise InvalidArgument(
                    f"image {name}: blob {one.digest} has {size} bytes where its descriptor says {one.size}"
                )
            self.blobs[one.digest] = one

    def _has(self, descriptor: Descriptor) -> bool:
        self._keep(descriptor.digest)
        try:
            self._content.info(descriptor.digest)
        except NotFound:
            return False
        return True

    def _read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self._content, descriptor.digest)


def _name_for(name: str, digest: str) -> str:
    """Return the name of an exported manifest: that of its image, in which it replaces the digest."""
    repository, _, exported = name.rpartition("@")
    return f"{repository}@{digest}" if exported.startswith("sha256:") and repository else name


def _annotations(name: str) -> dict[str, str]:
    """Return the annotations with the name of an image, as containerd and Docker write them."""
    try:
        tag = parse(name).tag
    except InvalidArgument:  # any text can name an image
        tag = ""
    return {CONTAINERD_NAME: name, **({REF_NAME: tag} if tag else {})}
