"""Import the images of an archive into a content store and an image store."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Sequence
from itertools import chain

from lamina.content import ContentStore, Descriptor, NewBlob, ingest
from lamina.images._blobs import ImageBlobs
from lamina.images._incoming import Incoming
from lamina.images._progress import Progress, Report
from lamina.images._store import Image, ImageStore
from lamina.images.archive._names import full_names
from lamina.images.archive._source import Source
from lamina.images.documents import Platform
from lamina.images.selection import chosen


class ArchivedImages(Incoming):
    """The images of an archive, on their way into a content store."""

    def __init__(
        self,
        source: Source,
        content: ContentStore,
        *,
        names: Sequence[str] = (),
        platform: Platform | None = None,
        all_platforms: bool = False,
        keeps_layers: bool = True,
        report: Report | None = None,
    ) -> None:
        """Find the blobs to copy, and copy nothing yet.

        Args:
            source: The archive.
            content: The store for the blobs.
            names: Names for the archive's only image, in place of those that it gives.
            platform: Of an image for several platforms, the one to import; None for the host's.
            all_platforms: Import all that the archive has instead.
            keeps_layers: Whether the image refers to its layers, so that they are not collected.
            report: Called with the progress of each blob.

        Raises:
            InvalidArgument: The archive or a name is malformed, or a blob has another size than its descriptor
                says.
            NotFound: A blob is missing, or there is no image for the platform.
        """
        self._source = source
        self._content = content
        self._report = report or (lambda _: None)
        self.targets = full_names(source, names)
        self.all_platforms = all_platforms
        found = (
            chosen(source.read, target, name, platform, all_platforms=all_platforms)
            for name, target in self.targets.items()
        )
        manifests = frozenset(one.descriptor.digest for one in chain.from_iterable(found))
        self.blobs = ImageBlobs(source.read, manifests, self._check, keeps_layers=keeps_layers)
        for target in self.targets.values():
            self.blobs.add(target)

    def read(self, descriptor: Descriptor) -> bytes:
        return self._source.read(descriptor)

    def fetch(self, stored: Callable[[str], object] | None = None) -> None:
        with contextlib.closing(self._opened()) as blobs:
            ingest(self._content, blobs, stored)

    def _check(self, descriptor: Descriptor) -> None:
        """Check that a blob is there, and has the right size, before gigabytes are copied."""
        with self._source.open(descriptor):
            pass

    def _opened(self) -> Generator[NewBlob]:
        """Yield the blobs to store. Each is open until the next one is asked for."""
        for one in self.blobs:
            progress = functools.partial(self._tell, one)
            progress(0)
            with self._source.open(one) as blob:
                yield NewBlob(one.digest, blob, self.blobs.labels(one), progress)

    def _tell(self, descriptor: Descriptor, done: int) -> None:
        self._report(Progress(descriptor.digest, "import", done, descriptor.size))


def import_images(
    source: Source,
    content: ContentStore,
    images: ImageStore,
    *,
    names: Sequence[str] = (),
    platform: Platform | None = None,
    all_platforms: bool = False,
    report: Report | None = None,
) -> list[Image]:
    """Copy the images of an archive, verified, and then name them. Repeated, it continues where it stopped.

    Args:
        source: The archive.
        content: The store for the blobs.
        images: The store for the names. A name that is there already stands for the new image afterwards.
        names: Names for the archive's only image, in place of those that it gives.
        platform: Of an image for several platforms, the one to import; None for the host's.
        all_platforms: Import all that the archive has instead.
        report: Called with the progress of each blob.

    Returns:
        The images, with their full names.

    Raises:
        InvalidArgument: The archive or a name is malformed, or a blob has another size than its descriptor says.
        NotFound: A blob is missing, or there is no image for the platform.
        FailedPrecondition: A blob has another digest.
        ResourceExhausted: The disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    archived = ArchivedImages(
        source, content, names=names, platform=platform, all_platforms=all_platforms, report=report
    )
    archived.fetch()
    return archived.name(images)
