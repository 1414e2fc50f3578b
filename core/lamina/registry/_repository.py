"""The class `Repository`."""

from __future__ import annotations

from lamina.content import Descriptor, Writer, check_digest
from lamina.registry._attempts import repeated
from lamina.registry._download import Download, Progress
from lamina.registry._manifests import read_manifest, resolve
from lamina.registry._place import Place
from lamina.registry._session import Session


class Repository:
    """A repository of a registry: its manifests, tags and blobs. Any thread may use it.

    What fails for a temporary reason is repeated (`Limits`). Beside what it lists, each method raises:

    - Unauthenticated: The registry wants to know who calls, or refuses the credentials.
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
            DataLoss: The document does not have the digest that the registry says.
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
            writer: Where to write it.
            progress: Called with how many bytes of the blob are written.

        Raises:
            DataLoss: Its data has another digest, twice. The writer is empty.
            ResourceExhausted: The disk is full. What fitted is kept.
        """
        Download(self._place, descriptor, writer, progress or _nothing).run()

    def has(self, digest: str) -> bool:
        """Return whether the repository has a blob."""
        place = self._place
        url = place.url(f"blobs/{check_digest(digest)}")

        def ask() -> bool:
            subject = place.subject(f"look for blob {digest}")
            with place.session.request("HEAD", url, place.pull, subject, {200, 404}) as response:
                return response.status == 200

        return repeated(ask, place.limits)


def _nothing(_: int) -> None:
    pass
