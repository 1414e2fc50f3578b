"""The local content store compared with a model in plain dicts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lamina.content import Info, read_blob
from lamina.content.local import LocalContentStore
from lamina.errdefs import AlreadyExists, Error, FailedPrecondition, NotFound
from tests.support.blobs import MemoryLabels, digest_of
from tests.support.rounds import rounds

# Few names and few contents, so that operations meet.
refs = st.sampled_from(["a", "b", "c/d\n"])
data = st.sampled_from([b"", b"x", b"y", b"xy"])
labels = st.dictionaries(st.sampled_from(["l1", "l2"]), st.sampled_from(["", "1", "two"]), max_size=2)


def kept(wanted: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if value}


class ContentStoreMachine(RuleBasedStateMachine):
    """Blobs with their labels, and what is written of each ingest."""

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.labels = MemoryLabels()
        self.store = LocalContentStore(self.directory.name, self.labels)
        self.blobs: dict[bytes, dict[str, str]] = {}
        self.ingests: dict[str, bytes] = {}

    @rule(ref=refs, data=data)
    def write(self, ref: str, data: bytes) -> None:
        with self.store.writer(ref) as writer:
            writer.write(data)
        self.ingests[ref] = self.ingests.get(ref, b"") + data

    @rule(ref=refs)
    def truncate(self, ref: str) -> None:
        with self.store.writer(ref) as writer:
            writer.truncate()
        self.ingests[ref] = b""

    @rule(ref=refs)
    def abort(self, ref: str) -> None:
        expect(lambda: self.store.abort(ref), None if ref in self.ingests else NotFound)
        self.ingests.pop(ref, None)

    @rule(ref=refs, expected=data, labels=labels)
    def commit(self, ref: str, expected: bytes, labels: dict[str, str]) -> None:
        written = self.ingests.setdefault(ref, b"")
        error = AlreadyExists if written in self.blobs else None
        error = error if expected == written else FailedPrecondition
        expect(lambda: self.store.writer(ref).commit(digest=digest_of(expected), labels=labels), error)
        if error is not FailedPrecondition:
            del self.ingests[ref]
            self.blobs.setdefault(written, kept(labels))

    @rule(data=data, labels=labels)
    def update(self, data: bytes, labels: dict[str, str]) -> None:
        info = Info(digest_of(data), labels=labels)
        expect(lambda: self.store.update(info), None if data in self.blobs else NotFound)
        if data in self.blobs:
            self.blobs[data] = kept(labels)

    @rule(data=data)
    def delete(self, data: bytes) -> None:
        expect(lambda: self.store.delete(digest_of(data)), None if data in self.blobs else NotFound)
        self.blobs.pop(data, None)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = LocalContentStore(self.directory.name, self.labels)

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "store"):
            return
        found = {read_blob(self.store, info.digest): info.labels for info in self.store.walk()}
        assert found == self.blobs
        assert {one.ref: one.offset for one in self.store.statuses()} == {
            ref: len(written) for ref, written in self.ingests.items()
        }

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.directory.cleanup()


def expect(call: Callable[[], object], error: type[Error] | None) -> None:
    """Make a call that should raise an error of a class, or none."""
    found: type[Error] | None = None
    try:
        call()
    except Error as caught:
        found = type(caught)
    assert found is error


TestContentStore = ContentStoreMachine.TestCase
TestContentStore.settings = settings(max_examples=rounds(15, 2000), stateful_step_count=25)
