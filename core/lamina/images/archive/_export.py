"""Write images to an archive."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Generator, Sequence
from typing import Final, get_args

from lamina.content import ContentStore, Descriptor, verified_pieces
from lamina.errdefs import InvalidArgument
from lamina.images._progress import Progress, Report
from lamina.images._results import ArchiveFormat
from lamina.images._store import Image
from lamina.images.archive._docker import DOCKER_MANIFEST_FILE
from lamina.images.archive._exports import Exports
from lamina.images.archive._layout import new_archive, new_tree
from lamina.images.archive._oci import INDEX_FILE, LAYOUT_FILE
from lamina.images.archive._source import blob_file
from lamina.images.documents import Platform

FORMATS: Final = get_args(ArchiveFormat)


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
    """Write images to an archive, verified. It is there when it is complete, durably, or not at all.

    The same images give the same bytes.

    Args:
        images: The images.
        content: Has their blobs.
        path: The archive. A file is replaced; a directory must be new or empty.
        format: Its format.
        platform: The platform for which to write them; None for all that are there, or for the host's where the
            archive is for `docker load`, which knows only one.
        keep: Called with the digest of each blob that is needed, before it is looked for.
        report: Called with the progress of each blob.

    Returns:
        The number of bytes of all blobs.

    Raises:
        NotFound: A blob is missing, or there is nothing for the platform.
        FailedPrecondition: Something is in the place that is not a regular file.
        AlreadyExists: The directory is not empty.
        DataLoss: A blob does not have its digest.
        ResourceExhausted: The disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    if format not in FORMATS:
        raise InvalidArgument(f"format {format[:32]!r}: expected {', '.join(FORMATS)}")
    exports = Exports(content, keep)
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
