"""Import the images of an archive into a content store and an image store."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Generator, Iterator, Mapping, Sequence

from lamina.content import ContentStore, Descriptor, NewBlob, ingest
from lamina.errdefs import NotFound
from lamina.images._progress import Progress, Report
from lamina.images._store import Image, ImageStore
from lamina.images.archive._names import full_names
from lamina.images.archive._plan import Plan
from lamina.images.archive._source import Source
from lamina.images.documents import Platform
from lamina.images.selection import candidates, choose


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
        content: Where the blobs go.
        images: Where the names go. A name that is there already stands for the new image afterwards.
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
    targets = full_names(source, names)
    plan = Plan(source, frozenset(_chosen(source, targets, platform, all_platforms=all_platforms)))
    for target in targets.values():
        plan.add(target)
    with contextlib.closing(_opened(source, plan, report or (lambda _: None))) as blobs:
        ingest(content, blobs)
    return [images.put(Image(name, target)) for name, target in targets.items()]


def _chosen(
    source: Source, targets: Mapping[str, Descriptor], platform: Platform | None, *, all_platforms: bool
) -> Iterator[str]:
    """Yield the digests of the manifests to import."""
    for name, target in targets.items():
        if not all_platforms:
            yield choose(source.read, target, name, platform).descriptor.digest
            continue
        found = candidates(source.read, target, name)
        if not found:
            raise NotFound(f"image {name}: it has no manifest of a root file system")
        yield from (one.descriptor.digest for one in found)


def _opened(source: Source, plan: Plan, report: Report) -> Generator[NewBlob]:
    """Yield the blobs to store. Each is open until the next one is asked for."""
    for one in plan:
        progress = functools.partial(_tell, report, one)
        progress(0)
        with source.open(one) as blob:
            yield NewBlob(one.digest, blob, plan.labels(one), progress)


def _tell(report: Report, descriptor: Descriptor, done: int) -> None:
    report(Progress(descriptor.digest, "import", done, descriptor.size))
