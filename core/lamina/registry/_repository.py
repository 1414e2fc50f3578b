"""The class `Repository`."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.content import Blob, Descriptor, Progress, Writer
from lamina.errdefs import InvalidArgument
from lamina.registry._blobs import has_blob, mount
from lamina.registry._download import Download
from lamina.registry._manifests import read_manifest, resolve, write_manifest
from lamina.registry._place import Place
from lamina.registry._session import Session
from lamina.registry._upload import Upload


class Repository:
    """A repository of a registry: its manifests, tags and blobs. Any thread may use it.

    Requests that fail for a temporary reason are repeated (`Limits`). Besides what it lists, each method raises:

    - Unauthenticated: The registry demands credentials, or refuses those given.
    - PermissionDenied: The credentials do not allow it.
    - NotFound: The repository, or what is in it, does not exist.
    - Unavailable: The registry cannot be reached, or failed again and again.
    - ResourceExhausted: The registry gets too many requests, and asks for a longer wait.
    - FailedPrecondition: The registry's certificate is not trusted, or its answer makes no sense.
    - Canceled, DeadlineExceeded: The current call ended.
    """

    def __init__(self, session: Session, path: str) -> None:
        """Create the object: for `Registry.repository`."""
        self._place = Place(session, path)

    @property
    def path(self) -> str:
        """The name in the registry."""
        return self._place.path

    def resolve(self, reference: str) -> Descriptor:
        """Return what a tag or a digest stands for: a manifest or an index.

        Args:
            reference: The tag or the digest.

        Raises:
            InvalidArgument: It is neither.
            DataLoss: The document does not have the digest that the registry sends.
        """
        return resolve(self._place, reference)

    def manifest(self, descriptor: Descriptor) -> bytes:
        """Return the document of a manifest or an index, verified.

        Args:
            descriptor: From `resolve` or from an index.

        Raises:
            InvalidArgument: It is too large for a document.
            DataLoss: Its data has another digest or size.
        """
        return read_manifest(self._place, descriptor)

    def fetch(self, descriptor: Descriptor, writer: Writer, progress: Progress | None = None) -> None:
        """Write a blob, continuing at the end of what the writer has. The caller commits.

        Args:
            descriptor: The blob.
            writer: The writer that gets it.
            progress: Called with the number of bytes of the blob that are written.

        Raises:
            DataLoss: Its data has another digest, twice. The writer is empty.
            ResourceExhausted: The disk is full. The part that fitted is kept.
        """
        Download(self._place, descriptor, writer, progress or _nothing).run()

    def has(self, digest: str) -> bool:
        """Return whether the repository has a blob."""
        return has_blob(self._place, digest, self._place.pull)

    def upload(
        self,
        descriptor: Descriptor,
        blob: Blob,
        *,
        mount_from: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> bool:
        """Write a blob, unless the registry has it.

        Args:
            descriptor: The blob.
            blob: Its data.
            mount_from: Repositories of the same registry that may have the blob, which then takes it from there.
            progress: Called with the number of bytes of the blob that the registry has. It falls if the registry
                loses some.

        Returns:
            True if it was sent; False if the registry had it.

        Raises:
            InvalidArgument: The blob does not have the size of its descriptor.
            DataLoss: The blob cannot be read, or the registry has it under another digest.
        """
        if blob.size != descriptor.size:
            raise InvalidArgument(f"blob {descriptor.digest} has {blob.size} bytes, not {descriptor.size}")
        if has_blob(self._place, descriptor.digest, self._place.push):
            return False
        if mount(self._place, descriptor.digest, mount_from):
            return False
        Upload(self._place, descriptor, blob, progress or _nothing).run()
        return True

    def put_manifest(self, descriptor: Descriptor, data: bytes, tag: str = "") -> None:
        """Write a manifest or an index, whose blobs and manifests the registry has.

        Args:
            descriptor: Of the document.
            data: The document.
            tag: The tag that stands for it from now on; "" for none.

        Raises:
            InvalidArgument: The tag is malformed, or the document is not that of the descriptor.
            DataLoss: The registry has it under another digest.
        """
        write_manifest(self._place, descriptor, data, tag)


def _nothing(_: int) -> None:
    pass
