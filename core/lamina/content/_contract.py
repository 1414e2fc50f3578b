"""The abstract `ContentStore` and `Writer`."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeAlias

from lamina import content  # the records are looked up in calls, since no start needs them
from lamina.errdefs import Aborted, AlreadyExists, Error

if TYPE_CHECKING:
    from lamina.content import Blob, BlobLabels, Commit, Info, Status

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of bytes of a blob that are done: at the beginning, from time to time, and at the end."""


class Writer(abc.ABC):
    """Writes a new blob: an *ingest*. One thread at a time uses it.

    It holds the lock of its ref until `commit` or `close`. An ingest that is closed without a commit, or whose
    process dies, stays, and the next writer with the same ref continues at its end.
    """

    @property
    @abc.abstractmethod
    def status(self) -> Status:
        """The progress; `status.offset` says where to continue."""

    @property
    @abc.abstractmethod
    def digest(self) -> str:
        """The digest of what is written so far."""

    @abc.abstractmethod
    def write(self, data: bytes | memoryview) -> None:
        """Append data.

        Raises:
            ResourceExhausted: The disk is full. What fitted is kept.
        """

    def copy_from(self, blob: Blob, progress: Progress | None = None) -> None:
        """Append the missing part of a blob: everything from `status.offset` on.

        Args:
            blob: The whole blob, often a range of an archive.
            progress: Called with the number of bytes of the blob that are written.

        Raises:
            DataLoss: The blob ends before its size, or cannot be read.
            ResourceExhausted: The disk is full. What fitted is kept.
            Canceled, DeadlineExceeded: The current call ended. What was written is kept.
        """
        done = self.status.offset
        if progress:
            progress(done)
        for piece in blob.pieces(done):
            self.write(piece)
            done += len(piece)
            if progress:
                progress(done)

    @abc.abstractmethod
    def truncate(self) -> None:
        """Discard what is written so far, and begin anew."""

    @abc.abstractmethod
    def commit(self, *, size: int = 0, digest: str = "", labels: Mapping[str, str] | None = None) -> Info:
        """Turn the ingest into a blob, durably, and close the writer. The ingest is gone afterwards.

        Args:
            size: The expected size in bytes; 0 to accept any.
            digest: The expected digest; "" to accept any.
            labels: The labels of the blob.

        Raises:
            AlreadyExists: The store has the blob already, and keeps its labels. The ingest is gone, too.
            FailedPrecondition: The size or the digest is another one. The ingest stays.
            DataLoss: The disk failed. The ingest is gone.
            ResourceExhausted: The disk is full. The ingest is gone, if data that was written did not fit.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Release the ref and keep the ingest. Closing twice, or after `commit`, does nothing.

        All other methods raise FailedPrecondition afterwards.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ContentStore(abc.ABC):
    """Keeps blobs by digest. Every method may be called from any thread, at any time until `close`.

    Methods raise `lamina.errdefs` classes; each lists those that it adds to `InvalidArgument` (a malformed digest,
    ref or label). Long work calls `lamina.context.current().check()` repeatedly.
    """

    @abc.abstractmethod
    def info(self, digest: str) -> Info:
        """Return the info of a blob.

        Raises:
            NotFound: There is no such blob.
        """

    @abc.abstractmethod
    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """Change the labels of a blob; nothing else can change.

        Args:
            info: `info.digest` names the blob; `info.labels` holds the new values.
            fieldpaths: As for `lamina.labels.update_labels`.

        Returns:
            The blob's info afterwards.

        Raises:
            NotFound: There is no such blob.
            FailedPrecondition: This store keeps no labels.
            InvalidArgument: A field path names something that cannot change.
        """

    @abc.abstractmethod
    def walk(self, *filters: str) -> Iterator[Info]:
        """Yield every blob that matches any of the filters (all without filters), in byte order of the digests.

        Filters know the fields `digest` and `labels.<key>`. The walk is not atomic: blobs added or deleted
        meanwhile may be missing or present.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised before the first item.
        """

    @abc.abstractmethod
    def delete(self, digest: str) -> None:
        """Delete a blob and its labels. Readers that have it open can continue.

        Raises:
            NotFound: There is no such blob.
        """

    @abc.abstractmethod
    def open(self, digest: str) -> Blob:
        """Open a blob for reading. The caller closes it.

        Raises:
            NotFound: There is no such blob.
        """

    @abc.abstractmethod
    def writer(self, ref: str, *, digest: str = "", size: int = 0) -> Writer:
        """Begin an ingest, or continue the one with the same ref.

        Args:
            ref: A name of the caller's choice, of 1 to 4096 bytes.
            digest: The expected digest, to learn at once that the blob is there; "" if not known.
            size: The expected size in bytes; 0 if not known.

        Raises:
            AlreadyExists: The blob `digest` is there.
            RefLocked: Another writer has the ref.
            ResourceExhausted: The disk is full.
        """

    @abc.abstractmethod
    def status(self, ref: str) -> Status:
        """Return the progress of an ingest, whether or not a writer is open.

        Raises:
            NotFound: There is no such ingest.
        """

    @abc.abstractmethod
    def statuses(self, *filters: str) -> Iterator[Status]:
        """Yield the progress of every ingest that matches any of the filters, which know the field `ref`.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised before the first item.
        """

    @abc.abstractmethod
    def abort(self, ref: str) -> None:
        """Delete an ingest.

        Raises:
            NotFound: There is no such ingest.
            RefLocked: A writer has it open.
        """

    @property
    def labels(self) -> BlobLabels | None:
        """The labels of this store's blobs; None if it keeps none, or cannot show them.

        A collector removes blobs only if it knows the labels of all.
        """
        return None

    def delete_all(self, blobs: Sequence[Info]) -> Mapping[str, Error]:
        """Delete blobs and their labels, which may share syncs, unless they changed since `info` returned them.

        Args:
            blobs: The blobs, up to a few hundred.

        Returns:
            The error of each blob that was not deleted, by digest: NotFound if it is not there, Aborted if it
            changed, or as `delete`.
        """
        errors: dict[str, Error] = {}
        for blob in blobs:
            try:
                if self.info(blob.digest) != blob:
                    raise Aborted(f"blob {blob.digest} changed meanwhile")
                self.delete(blob.digest)
            except Error as error:
                errors[blob.digest] = error
        return errors

    def cleanup(self) -> None:  # noqa: B027 - most stores leave nothing behind
        """Delete everything that interrupted calls left behind."""

    def add_labels(self, digest: str, labels: Mapping[str, str]) -> Info:
        """Set labels of a blob and keep its others.

        Raises:
            NotFound: There is no such blob.
        """
        return self.update(content.Info(digest, labels=labels), tuple(f"labels.{key}" for key in labels))

    def commit_all(self, commits: Sequence[Commit]) -> None:
        """Commit several ingests, which may share the syncs that make them durable, and close their writers.

        A blob that the store has already counts as committed, and gets the labels beside its own.

        Raises:
            Error: As `Writer.commit`, without AlreadyExists. Commits before the one that failed may be done.
        """
        with contextlib.ExitStack() as writers:
            for one in commits:
                writers.enter_context(one.writer)
            for one in commits:
                try:
                    one.writer.commit(size=one.size, digest=one.digest, labels=one.labels)
                except AlreadyExists:
                    if one.labels:
                        self.add_labels(one.digest, one.labels)

    def close(self) -> None:  # noqa: B027 - a store behind a socket holds nothing
        """Release all resources. Closing twice does nothing."""
