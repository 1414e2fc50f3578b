"""A content store in a local directory."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from lamina import content
from lamina.content import local  # as in `content`, what reads and writes blobs is looked up in calls
from lamina.content._contract import ContentStore
from lamina.content._digest import check_digest
from lamina.content._labels import BlobLabels
from lamina.content.local._blobs import ALGORITHM, Blobs, Complete
from lamina.content.local._ingests import DATA, Ingests, check_ref
from lamina.content.local._selection import info_fields, status_fields
from lamina.context import current
from lamina.errdefs import AlreadyExists, Error, InvalidArgument, NotFound, Unavailable, translated
from lamina.fs import Lock, SecureDirectory, fsync
from lamina.labels import check_labels
from lamina.places import LOCK

if TYPE_CHECKING:
    from lamina.content import Blob, Commit, Info, Status
    from lamina.content.local._writer import LocalWriter
    from lamina.filters import Filter

_log = logging.getLogger(__name__)

BLOBS: Final = f"blobs/{ALGORITHM}"
"""The directory with the files of blobs, below that of the store."""
INGEST: Final = "ingest"
_MODE: Final = 0o700


class LocalContentStore(ContentStore):
    """Keeps blobs in files, in a directory that one process uses at a time.

    ==================  ======================================================
    ``lamina.lock``     held by the process that uses the directory
    ``blobs/sha256/``   a read-only file for each blob, named by its digest
    ``ingest/``         a directory for each ingest (`Ingests`)
    ==================  ======================================================

    A file becomes a blob when its data is verified and on the disk, and a commit returns when its name is on the
    disk, too. An ingest is removed a day after the last write to it.
    """

    def __init__(self, path: str, labels: BlobLabels | None = None) -> None:
        """Open the store.

        Args:
            path: The directory; created with mode 0700 if it does not exist.
            labels: Keeps the labels of blobs; None to drop them.

        Raises:
            LockHeld: Another process uses the directory.
            PermissionDenied: Another user could change it.
            Unavailable: It is missing or empty, and `labels` has those of blobs. Nothing was written there.
            ResourceExhausted: The directory is new, and the disk is full.
        """
        with translated(f"open content store {path}"), contextlib.ExitStack() as opened:
            _check_mounted(path, labels)
            root = opened.enter_context(SecureDirectory.open(path, create_mode=_MODE))
            opened.enter_context(Lock.acquire(root.path_of(LOCK), dir_fd=root.fd))
            blobs = opened.enter_context(root.subdirectory(os.path.dirname(BLOBS), create_mode=_MODE))
            named = opened.enter_context(blobs.subdirectory(ALGORITHM, create_mode=_MODE))
            ingests = opened.enter_context(root.subdirectory(INGEST, create_mode=_MODE))
            for directory in (named, blobs, root):
                _make_names_durable(directory)
            self._labels = labels
            self._blobs = Blobs(named, labels)
            self._ingests = Ingests(ingests)
            self._opened = opened.pop_all()
        self.path = root.path
        """The absolute path of the directory."""

    def info(self, digest: str) -> Info:
        """Implement `ContentStore.info`."""
        with translated(f"look up blob {digest}"):
            return self._blobs.info(check_digest(digest))

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """Implement `ContentStore.update`. A store without `labels` changes nothing."""
        labels = check_labels(info.labels)
        with translated(f"update blob {info.digest}"):
            self._blobs.update(check_digest(info.digest), labels, fieldpaths)
            return self._blobs.info(info.digest)

    def walk(self, *filters: str) -> Iterator[Info]:
        """Implement `ContentStore.walk`."""
        from lamina.filters import parse

        return self._walk(parse(*filters))

    def _walk(self, chosen: Filter) -> Iterator[Info]:
        call = current()
        for digest in self._blobs.digests():
            call.check()
            with contextlib.suppress(NotFound):  # deleted meanwhile
                info = self.info(digest)
                if chosen.match(info_fields(info)):
                    yield info

    def delete(self, digest: str) -> None:
        """Implement `ContentStore.delete`."""
        with translated(f"delete blob {digest}"):
            self._blobs.delete(check_digest(digest))

    @property
    def labels(self) -> BlobLabels | None:
        """Implement `ContentStore.labels`."""
        return self._labels

    def delete_all(self, blobs: Sequence[Info]) -> Mapping[str, Error]:
        """Implement `ContentStore.delete_all`, with one sync and one commit."""
        try:
            with translated("delete blobs"):
                return self._blobs.delete_all(blobs)
        except Error as error:
            return {blob.digest: error for blob in blobs}

    def cleanup(self) -> None:
        """Implement `ContentStore.cleanup`."""
        with translated("clean up the content store"):
            self._blobs.forget_labels()
            self._ingests.tidy()

    def open(self, digest: str) -> Blob:
        """Implement `ContentStore.open`."""
        with translated(f"open blob {digest}"):
            fd = self._blobs.open(check_digest(digest))
        return content.Blob(fd, os.fstat(fd).st_size)

    def writer(self, ref: str, *, digest: str = "", size: int = 0) -> LocalWriter:
        """Implement `ContentStore.writer`."""
        check_ref(ref)
        with translated(f"begin ingest {ref!r}"), contextlib.ExitStack() as resources:
            self._ingests.tidy()
            self._ingests.lock(ref)
            resources.callback(self._ingests.unlock, ref)
            if digest and self._blobs.has(check_digest(digest)):
                self._ingests.remove(ref)
                raise AlreadyExists(f"blob {digest} already exists")
            return local.LocalWriter(self._ingests.open(ref, size), resources.pop_all().close, self._commit)

    def status(self, ref: str) -> Status:
        """Implement `ContentStore.status`."""
        with translated(f"look up ingest {ref!r}"):
            return self._ingests.status(check_ref(ref))

    def statuses(self, *filters: str) -> Iterator[Status]:
        """Implement `ContentStore.statuses`."""
        from lamina.filters import parse

        chosen = parse(*filters)
        return (status for status in self._ingests.statuses() if chosen.match(status_fields(status)))

    def abort(self, ref: str) -> None:
        """Implement `ContentStore.abort`."""
        with translated(f"abort ingest {ref!r}"), self._ingests.locked(check_ref(ref)):
            self._ingests.status(ref)
            self._ingests.remove(ref)

    def commit_all(self, commits: Sequence[Commit]) -> None:
        """Implement `ContentStore.commit_all`. The disk writes all files during the wait for the first."""
        for one, is_new in zip(commits, self._commit_together(commits), strict=True):
            if one.labels and not is_new:
                self.add_labels(one.digest, one.labels)

    def _commit(self, commit: Commit) -> Info:
        [is_new] = self._commit_together([commit])
        if not is_new:
            raise AlreadyExists(f"blob {commit.digest} already exists")
        return self.info(commit.digest)

    def _commit_together(self, commits: Sequence[Commit]) -> list[bool]:
        """Commit ingests and close their writers; return for each whether the blob is new."""
        writers = [one.writer for one in commits if isinstance(one.writer, local.LocalWriter)]
        if len(writers) != len(commits):
            raise InvalidArgument("commit: a writer is not one of a local content store")
        with contextlib.ExitStack() as closing, translated("commit blobs"):
            for writer in writers:
                closing.enter_context(writer)
            complete = [
                Complete(check_digest(one.digest), check_labels(one.labels), DATA, writer.ingest.directory.fd)
                for one, writer in zip(commits, writers, strict=True)
            ]
            for one, writer in zip(commits, writers, strict=True):
                writer.check(one.size, one.digest)
            current().check()
            for writer in writers:
                writer.finish()
            for writer in writers:
                self._sync(writer)
            added = self._blobs.add(complete)
            for writer in writers:
                self._forget(writer)
        return added

    def _sync(self, writer: LocalWriter) -> None:
        try:
            writer.sync()
        except OSError:
            # Its data may be lost, although it can be read until it is evicted, and synced without an error.
            self._ingests.remove(writer.ref)
            raise

    def _forget(self, writer: LocalWriter) -> None:
        try:
            self._ingests.remove(writer.ref)
        except Error as error:  # the next start removes what is left
            _log.warning("cannot remove a committed ingest", exc_info=error, extra={"ref": writer.ref})

    def close(self) -> None:
        """Implement `ContentStore.close`. Writers that are open keep their ingests."""
        self._opened.close()


def _check_mounted(path: str, labels: BlobLabels | None) -> None:
    """Check that the directory has been a store before if there are labels of blobs.

    A collection forgets the labels of blobs that are not there. When their file system is mounted again, it would
    delete what they refer to.
    """
    blobs = os.path.join(path, BLOBS)
    if labels is None or os.path.lexists(blobs) or next(labels.walk(), None) is None:
        return
    raise Unavailable(
        f"content store {path} is missing or empty, and the metadata has labels of blobs: is its file system "
        "mounted? Nothing there was touched. Mount it, or set root_path to the directory of the blobs; if they "
        f"are lost, allow an empty store with `mkdir -p {shlex.quote(blobs)}`"
    )


def _make_names_durable(directory: SecureDirectory) -> None:
    """Sync names that an earlier process may have added just before it died."""
    try:
        fsync(directory.fd)
    except OSError as error:
        if error.errno != errno.EROFS:  # blobs can be read there, and none added
            raise
