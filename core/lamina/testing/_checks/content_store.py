"""Checks of content stores."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from lamina.content import PIECE, Blob, Commit, ContentStore, Info, read_blob
from lamina.errdefs import (
    AlreadyExists,
    DataLoss,
    FailedPrecondition,
    FilterSyntaxError,
    InvalidArgument,
    NotFound,
    RefLocked,
)
from lamina.labels import LIMIT

DATA: Final = bytes(range(256)) * 10_000
"""Three pieces."""


class ContentConformance:
    """All checks of the contract of content stores. Subclass it as `Test…` and override the fixture `content`."""

    @pytest.fixture
    def content(self, tmp_path: Path) -> Iterator[ContentStore]:
        """Return an empty store for one check, which keeps labels."""
        raise NotImplementedError("override the fixture `content`")

    def test_a_committed_blob_can_be_read(self, content: ContentStore) -> None:
        """It has its size, its labels and times, and its ingest is gone."""
        info = write(content, DATA, kind="layer")
        assert read_blob(content, digest_of(DATA)) == DATA
        assert info == content.info(digest_of(DATA))
        assert (info.digest, info.size, info.labels) == (digest_of(DATA), len(DATA), {"kind": "layer"})
        assert 0 < info.created <= info.updated
        assert list(content.statuses()) == []

    def test_a_blob_may_be_empty(self, content: ContentStore) -> None:
        """Its size is 0."""
        assert write(content, b"").size == 0
        assert read_blob(content, digest_of(b"")) == b""

    def test_a_range_of_a_file_is_copied(self, content: ContentStore, tmp_path: Path) -> None:
        """The progress begins at 0 and ends at the size."""
        done: list[int] = []
        with in_archive(tmp_path, DATA) as blob, content.writer("ref") as writer:
            writer.copy_from(blob, done.append)
            writer.commit(size=blob.size, digest=digest_of(DATA))
        assert read_blob(content, digest_of(DATA)) == DATA
        assert done == [0, PIECE, 2 * PIECE, len(DATA)]

    def test_a_range_beyond_the_end_of_a_file_is_lost_data(self, content: ContentStore, tmp_path: Path) -> None:
        """It is not taken for a shorter blob."""
        with in_archive(tmp_path, DATA) as blob, content.writer("ref") as writer:
            blob.size += 1 << 20
            with pytest.raises(DataLoss):
                writer.copy_from(blob)

    def test_a_closed_ingest_is_continued(self, content: ContentStore, tmp_path: Path) -> None:
        """By a writer with the same ref, which knows the digest so far."""
        with content.writer("ref", size=len(DATA)) as writer:
            writer.write(DATA[:1000])
        assert (content.status("ref").offset, content.status("ref").total) == (1000, len(DATA))
        with in_archive(tmp_path, DATA) as blob, content.writer("ref") as writer:
            assert (writer.status.offset, writer.digest) == (1000, digest_of(DATA[:1000]))
            writer.copy_from(blob)
            writer.commit(digest=digest_of(DATA))
        assert read_blob(content, digest_of(DATA)) == DATA

    def test_a_truncated_ingest_begins_anew(self, content: ContentStore) -> None:
        """Nothing of what was written before is part of the blob."""
        with content.writer("ref") as writer:
            writer.write(b"wrong")
            writer.truncate()
            assert writer.status.offset == 0
            writer.write(memoryview(DATA))
            writer.commit(digest=digest_of(DATA))
        assert read_blob(content, digest_of(DATA)) == DATA

    @pytest.mark.parametrize(("size", "digest"), [(1, ""), (0, "sha256:" + "0" * 64)])
    def test_what_is_not_expected_is_not_committed(self, content: ContentStore, size: int, digest: str) -> None:
        """The ingest stays, and the ref is free."""
        with content.writer("ref") as writer:
            writer.write(DATA)
            with pytest.raises(FailedPrecondition, match="unexpected commit"):
                writer.commit(size=size, digest=digest)
        assert list(content.walk()) == []
        with content.writer("ref") as writer:
            assert writer.status.offset == len(DATA)

    def test_a_ref_has_one_writer_at_a_time(self, content: ContentStore) -> None:
        """A second writer is refused, and an abort, until the first is closed; other refs are free."""
        with content.writer("ref"):
            for call in (content.writer, content.abort):
                with pytest.raises(RefLocked):
                    call("ref")
            content.writer("another").close()
        content.writer("ref").close()

    def test_of_two_ingests_of_a_blob_the_second_finds_it(self, content: ContentStore) -> None:
        """The blob keeps its labels, and both ingests are gone."""
        with content.writer("one") as one, content.writer("two") as two:
            one.write(DATA)
            two.write(DATA)
            one.commit(digest=digest_of(DATA), labels={"by": "one"})
            with pytest.raises(AlreadyExists):
                two.commit(digest=digest_of(DATA), labels={"by": "two"})
        assert content.info(digest_of(DATA)).labels == {"by": "one"}
        assert list(content.statuses()) == []

    def test_a_writer_for_a_blob_that_is_there_is_refused(self, content: ContentStore) -> None:
        """If it says which blob it is for."""
        write(content, DATA)
        with pytest.raises(AlreadyExists):
            content.writer("again", digest=digest_of(DATA))
        content.writer("again").close()

    def test_a_closed_writer_writes_nothing_more(self, content: ContentStore) -> None:
        """Nor does one that has committed; closing it again is not an error."""
        writers = [content.writer("closed"), content.writer("committed")]
        writers[0].close()
        writers[1].commit()
        for writer in writers:
            for call in (writer.truncate, writer.commit, lambda: writer.write(b"more")):  # noqa: B023 - called at once
                with pytest.raises(FailedPrecondition, match="closed"):
                    call()
            writer.close()

    def test_an_aborted_ingest_is_gone(self, content: ContentStore) -> None:
        """Its ref begins anew."""
        with content.writer("ref") as writer:
            writer.write(DATA)
        content.abort("ref")
        for call in (content.status, content.abort):
            with pytest.raises(NotFound):
                call("ref")
        with content.writer("ref") as writer:
            assert writer.status.offset == 0

    def test_filters_select_ingests_by_ref(self, content: ContentStore) -> None:
        """A malformed filter is an error before the first item."""
        for ref in ("layer-1", "layer-2", "config"):
            content.writer(ref).close()
        assert {status.ref for status in content.statuses("ref~=^layer-")} == {"layer-1", "layer-2"}
        with pytest.raises(FilterSyntaxError):
            content.statuses("ref==")

    def test_filters_select_blobs_by_digest_and_labels(self, content: ContentStore) -> None:
        """In byte order of the digests. A malformed filter is an error before the first item."""
        digests = [write(content, bytes([number]), number=str(number)).digest for number in range(5)]
        assert [info.digest for info in content.walk()] == sorted(digests)
        assert [info.digest for info in content.walk("labels.number==3")] == [digests[3]]
        assert [info.digest for info in content.walk(f"digest=={digests[4]}")] == [digests[4]]
        with pytest.raises(FilterSyntaxError):
            content.walk("labels.number==")

    def test_labels_change_along_field_paths(self, content: ContentStore) -> None:
        """The time of the creation does not change."""
        before = write(content, DATA, a="1", b="2")
        after = content.update(Info(before.digest, labels={"a": "3"}), ("labels.a", "labels.b"))
        assert after == content.info(before.digest)
        assert (after.labels, after.created) == ({"a": "3"}, before.created)
        assert after.updated >= before.updated
        assert content.add_labels(before.digest, {"c": "4"}).labels == {"a": "3", "c": "4"}
        assert content.update(Info(before.digest, labels={"d": "5"})).labels == {"d": "5"}
        with pytest.raises(InvalidArgument):
            content.update(Info(before.digest, size=5), ("size",))

    def test_labels_over_the_limit_are_refused(self, content: ContentStore) -> None:
        """Before anything is stored."""
        with pytest.raises(InvalidArgument):
            write(content, DATA, a="x" * LIMIT)
        assert list(content.walk()) == []

    def test_a_deleted_blob_is_gone_with_its_labels(self, content: ContentStore) -> None:
        """A reader that has it open reads on."""
        write(content, DATA, a="1")
        with content.open(digest_of(DATA)) as blob:
            content.delete(digest_of(DATA))
            assert b"".join(blob.pieces()) == DATA
        assert write(content, DATA).labels == {}

    def test_a_missing_blob_is_not_found(self, content: ContentStore) -> None:
        """Whatever is asked of it."""
        for call in (content.info, content.delete, content.open):
            with pytest.raises(NotFound):
                call(digest_of(DATA))
        with pytest.raises(NotFound):
            content.update(Info(digest_of(DATA), labels={"a": "1"}))

    @pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "A" * 64, "sha256:../../x", "md5:" + "0" * 32])
    def test_a_malformed_digest_is_refused(self, content: ContentStore, digest: str) -> None:
        """It is not taken for the name of a file."""
        for call in (content.info, content.delete, content.open):
            with pytest.raises(InvalidArgument):
                call(digest)

    @pytest.mark.parametrize("ref", ["", "x" * 4097, "\ud800"])
    def test_a_malformed_ref_is_refused(self, content: ContentStore, ref: str) -> None:
        """Whatever is asked of it."""
        for call in (content.writer, content.status, content.abort):
            with pytest.raises(InvalidArgument):
                call(ref)

    @pytest.mark.parametrize("ref", ["../../etc/passwd", "a\0b", "/", ".", "x" * 4096, "ä\n"])
    def test_a_ref_may_be_any_text(self, content: ContentStore, ref: str) -> None:
        """It is not taken for the name of a file."""
        content.writer(ref).close()
        assert [status.ref for status in content.statuses()] == [ref]

    def test_ingests_are_committed_together(self, content: ContentStore) -> None:
        """A blob that is there counts as committed, and gets the labels beside its own."""
        blobs = {digest_of(bytes([number])): bytes([number]) for number in range(20)}
        write(content, b"\x00", was="there")
        commits = []
        for digest, data in blobs.items():
            writer = content.writer(digest)
            writer.write(data)
            commits.append(Commit(writer, digest, 1, {"number": str(data[0])}))
        content.commit_all(commits)
        assert {info.digest: read_blob(content, info.digest) for info in content.walk()} == blobs
        assert content.info(digest_of(b"\x00")).labels == {"was": "there", "number": "0"}
        assert list(content.statuses()) == []


def write(content: ContentStore, data: bytes, **labels: str) -> Info:
    """Store a blob."""
    with content.writer("writing") as writer:
        writer.write(data)
        return writer.commit(size=len(data), digest=digest_of(data), labels=labels)


@contextlib.contextmanager
def in_archive(directory: Path, data: bytes) -> Iterator[Blob]:
    """Return a blob between other data in a file."""
    path = directory / "archive"
    path.write_bytes(b"\xff" * 512 + data + b"\xff" * 512)
    fd = os.open(path, os.O_RDONLY)
    with Blob(fd, len(data), 512) as blob:
        yield blob


def digest_of(data: bytes) -> str:
    """Return the digest of data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
