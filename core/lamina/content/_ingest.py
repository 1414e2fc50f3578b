"""Store whole blobs, in any content store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import attrs

from lamina.content._blob import Blob
from lamina.content._contract import ContentStore, Progress, Writer
from lamina.content._records import Commit
from lamina.context import current
from lamina.errdefs import AlreadyExists, FailedPrecondition, NotFound, RefLocked, ResourceExhausted

Stored: TypeAlias = Callable[[str], object]
"""Called with the digest of a blob when the store has it."""

MAX_OPEN: Final = 64
"""Maximum number of ingests open at a time. Each takes two descriptors."""
_AWAITED: Final = 16 << 20
"""Bytes that share a commit if the caller waits for blobs: copying them takes about as long as a commit. The first
commits have fewer, so that the caller has something to do soon: each about as many as all before it."""
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5
"""Seconds between two attempts to get a ref that another writer has."""


@attrs.frozen(eq=False)
class NewBlob:
    """A blob to be stored."""

    digest: str
    """The digest that its data must have."""
    source: Blob | bytes
    """Its data."""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    """Labels that it gets; if it is there already, beside its own."""

    progress: Progress = lambda _: None
    """Called with the number of its bytes that the store has."""
    ref: str = ""
    """The ref of its ingest; "" for one made of its digest. A document whose digest is another one each time that
    it is made needs the same ref each time: then no unfinished ingest stays behind."""

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.source.size if isinstance(self.source, Blob) else len(self.source)


def ingest(store: ContentStore, blobs: Iterable[NewBlob], stored: Stored | None = None) -> None:
    """Store blobs durably and in order, with as few syncs as the store needs.

    Blobs that are there already are not read. Interrupted ingests are continued. If another thread or process is
    storing a blob, this one waits for it.

    Args:
        store: The store to put them in.
        blobs: The blobs. Each is read before the next one is asked for.
        stored: Called with the digest of each when it is stored. If it is given, fewer blobs share a commit.

    Raises:
        FailedPrecondition: The data of a blob has another digest.
        InvalidArgument: A digest or a label is malformed.
        DataLoss: A source ends before its size, or the disk failed.
        ResourceExhausted: The disk is full. Blobs that are not committed are given up.
        Canceled, DeadlineExceeded: The current call ended. What was copied is kept for the next attempt.
    """
    with _Batch(store, stored) as batch:
        try:
            for blob in blobs:
                batch.add(blob)
            batch.commit()
        except ResourceExhausted:
            batch.abort()  # others need the space
            raise


def open_writer(
    store: ContentStore, digest: str, size: int, *, ref: str = "", before_wait: Callable[[], object] = lambda: None
) -> Writer:
    """Begin or continue the ingest of a blob, after any other thread or process that stores it.

    Args:
        store: The store to put it in.
        digest: Its digest.
        size: Its size in bytes.
        ref: The ref of the ingest; "" for one made of the digest.
        before_wait: Called before each wait for another writer: a caller that has the refs of other blobs commits
            them.

    Raises:
        AlreadyExists: The blob is there.
        ResourceExhausted: The disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    pause = _FIRST_PAUSE
    while True:
        with contextlib.suppress(RefLocked):
            return store.writer(ref or _ref(digest), digest=digest, size=size)
        before_wait()
        current().wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def abort_ingest(store: ContentStore, digest: str) -> None:
    """Delete the ingest that `open_writer` begins for a blob, if there is one and no other writer has it."""
    with contextlib.suppress(NotFound, RefLocked):
        store.abort(_ref(digest))


class _Batch(contextlib.ExitStack):
    """Ingests that are complete and wait for their common commit. Closes their writers at the end of the block."""

    def __init__(self, store: ContentStore, stored: Stored | None) -> None:
        super().__init__()
        self._store = store
        self._stored = stored
        self._refs: list[str] = []
        """Of the ingests since the last commit."""
        self._complete: list[Commit] = []
        self._committed = 0
        """Bytes of all commits before."""

    def add(self, blob: NewBlob) -> None:
        """Copy a blob, unless the store has it."""
        if len(self._complete) == MAX_OPEN or self._is_awaited:
            self.commit()
        try:
            writer = self.enter_context(self._writer(blob))
        except AlreadyExists:
            if blob.labels:
                self._store.add_labels(blob.digest, blob.labels)
            blob.progress(blob.size)
            if self._stored:
                self._stored(blob.digest)
            return
        self._refs.append(writer.status.ref)
        self._fill(writer, blob)
        self._complete.append(Commit(writer, blob.digest, blob.size, blob.labels))

    def commit(self) -> None:
        """Commit the waiting ingests."""
        self._store.commit_all(self._complete)
        self._committed += self._size
        if self._stored:
            for one in self._complete:
                self._stored(one.digest)
        self._refs.clear()
        self._complete.clear()

    @property
    def _is_awaited(self) -> bool:
        """True if enough bytes wait for their commit that the caller should get it now."""
        return bool(self._stored and self._complete) and self._size >= min(self._committed, _AWAITED)

    @property
    def _size(self) -> int:
        """Bytes that wait for their commit."""
        return sum(one.size for one in self._complete)

    def abort(self) -> None:
        """Give up ingests that are not committed."""
        self.close()
        for ref in self._refs:
            with contextlib.suppress(NotFound, RefLocked):
                self._store.abort(ref)

    def _writer(self, blob: NewBlob) -> Writer:
        # Two that wait for each other's refs would wait forever.
        return open_writer(self._store, blob.digest, blob.size, ref=blob.ref, before_wait=self.commit)

    def _fill(self, writer: Writer, blob: NewBlob) -> None:
        """Write the missing part. The disk may not have what an earlier process wrote before a crash."""
        resumed = writer.status.offset
        _copy(writer, blob)
        if resumed and writer.digest != blob.digest:
            writer.truncate()
            _copy(writer, blob)
        if writer.digest != blob.digest:
            found = writer.digest
            self._abort(writer)
            raise FailedPrecondition(f"blob {blob.digest}: its data has digest {found}: the source is damaged")

    def _abort(self, writer: Writer) -> None:
        ref = writer.status.ref
        writer.close()
        self._store.abort(ref)


def _copy(writer: Writer, blob: NewBlob) -> None:
    if isinstance(blob.source, Blob):
        writer.copy_from(blob.source, blob.progress)
    else:
        writer.write(blob.source[writer.status.offset :])
        blob.progress(blob.size)


def _ref(digest: str) -> str:
    return f"blob-{digest}"
