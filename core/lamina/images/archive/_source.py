"""An open image archive."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final, Self

import attrs

from lamina.content import Blob, Descriptor
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images.archive._files import ArchiveFiles

MAX_IMAGES: Final = 1000
"""Maximum number of images in an archive."""


@attrs.frozen(eq=False)
class Contents:
    """The images of an archive, and its blobs."""

    images: tuple[tuple[str, Descriptor], ...]
    """Names as the archive has them, "" for none, and what they stand for."""
    files: Mapping[str, str] = attrs.field(factory=dict)
    """Digests, and the files that have those blobs. Other blobs are where an OCI layout has them."""
    documents: Mapping[str, bytes] = attrs.field(factory=dict)
    """Digests, and documents that the archive lacks, made from its other ones."""


class Source:
    """The images of an archive, and their blobs. `open_source` opens one."""

    def __init__(self, files: ArchiveFiles, contents: Contents) -> None:
        """Take over the files of an archive, which `close` closes."""
        self._files = files
        self._contents = contents

    @property
    def path(self) -> str:
        """The path of the archive."""
        return self._files.path

    @property
    def images(self) -> tuple[tuple[str, Descriptor], ...]:
        """The names of its images as the archive has them, "" for none, and their manifests or indexes."""
        return self._contents.images

    def open(self, descriptor: Descriptor) -> AbstractContextManager[Blob | bytes]:
        """Open a blob for the duration of a block. Its size is verified, its digest is not.

        Raises:
            NotFound: The archive does not have it.
            InvalidArgument: It has another size, or as for `ArchiveFiles.open`.
        """
        document = self._contents.documents.get(descriptor.digest)
        return contextlib.nullcontext(document) if document is not None else self._open(descriptor)

    @contextlib.contextmanager
    def _open(self, descriptor: Descriptor) -> Iterator[Blob]:
        digest = descriptor.digest
        with contextlib.ExitStack() as stack:
            try:
                blob = stack.enter_context(self._files.open(self._contents.files.get(digest) or blob_file(digest)))
            except NotFound as error:
                raise NotFound(f"{self.path}: there is no blob {digest}: the archive is incomplete") from error
            if blob.size != descriptor.size:
                raise InvalidArgument(
                    f"{self.path}: blob {digest} has {blob.size} bytes where its descriptor says {descriptor.size}"
                )
            yield blob

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a document, not verified; as `lamina.images.selection.Read`.

        Raises:
            NotFound, InvalidArgument: As for `open` and `ArchiveFiles.read_document`.
        """
        with self.open(descriptor) as blob:
            return blob if isinstance(blob, bytes) else self._files.read_document(descriptor.digest, blob)

    def close(self) -> None:
        """Close the archive. Closing twice does nothing."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def blob_file(digest: str) -> str:
    """Return where an OCI layout has a blob (OCI image spec, `image-layout.md`)."""
    return f"blobs/{digest.replace(':', '/')}"
