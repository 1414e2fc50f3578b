"""Push an image to a registry."""

from __future__ import annotations

import functools

import attrs

from lamina.content import ContentStore, Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images._progress import Progress, Report
from lamina.images._temporary_lease import TemporaryLease
from lamina.images.distribution._outgoing import Outgoing
from lamina.images.distribution._parallel import for_each
from lamina.images.distribution._sources import repositories, source_label
from lamina.images.references import Reference
from lamina.registry import Repository


@attrs.frozen(eq=False)
class Push:
    """Pushes images to a repository: their blobs, several at a time, then their documents, and last the tag."""

    reference: Reference
    """The tag, or the digest, that the image gets."""
    repository: Repository
    content: ContentStore
    lease: TemporaryLease
    """Gets every blob before the store is searched for it."""
    report: Report | None = None
    """Called with the progress of each blob."""

    def run(self, target: Descriptor) -> Descriptor:
        """Push an image.

        Blobs that the repository has are not sent. One that another repository of the registry has, according to
        its labels, is taken from there.

        Args:
            target: A manifest or an index. Of an index whose manifests are not all there, a new one with the rest
                is pushed, or its only manifest.

        Returns:
            The descriptor that the tag stands for now.

        Raises:
            FailedPrecondition: Layers are missing.
            InvalidArgument: The image has another digest than `reference`; or a document is malformed.
            Error: As the methods of `Repository`.
        """
        outgoing = Outgoing(self.content, self.lease, str(self.reference))
        top = outgoing.add_image(target)
        if self.reference.digest not in ("", top.digest):
            raise InvalidArgument(f"push {self.reference}: the image has the digest {top.digest}: give a tag")
        for_each(outgoing.blobs.values(), self._upload)
        for descriptor in outgoing.documents.values():
            tag = self.reference.tag if descriptor is top else ""
            self.repository.put_manifest(descriptor, outgoing.read(descriptor), tag)
        return top

    def _upload(self, descriptor: Descriptor) -> None:
        digest = descriptor.digest
        labels = self.content.info(digest).labels
        with self.content.open(digest) as blob:
            self._tell(descriptor, 0)
            self.repository.upload(
                descriptor,
                blob,
                mount_from=repositories(labels, self.reference),
                progress=functools.partial(self._tell, descriptor),
            )
        self._tell(descriptor, descriptor.size)
        if source := source_label(labels, self.reference):
            self.content.add_labels(digest, source)

    def _tell(self, descriptor: Descriptor, done: int) -> None:
        if self.report:
            self.report(Progress(descriptor.digest, "push", done, descriptor.size))
