"""A recovery record contains exactly the metastore's record."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import DataLoss
from lamina.snapshots import EARLIEST, Info, Kind, Usage
from lamina.snapshots.storage import Record
from lamina.snapshots.storage.recovery_record import RecoveryRecord

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 2**63 - 1)
infos = st.builds(
    Info,
    name=text.filter(bool),
    kind=st.sampled_from(Kind),
    parent=text,
    labels=st.dictionaries(text, text, max_size=3),
    created=st.integers(EARLIEST, 2**62),
    updated=st.integers(EARLIEST, 2**62),
)
records = st.builds(
    Record,
    id=numbers,
    info=infos,
    usage=st.builds(Usage, numbers, numbers),
    parent_ids=st.lists(numbers, max_size=4).map(tuple),
)
written = st.builds(RecoveryRecord, snapshotter=text, keyspace=text, record=records, metastore=text)

EXAMPLE = RecoveryRecord(
    "overlayfs",
    "lamina",
    Record(3, Info("k", Kind.ACTIVE, "base", {"a": "b"}, created=1, updated=2), Usage(4, 5), (2, 1)),
    "4a3c3ff0-6f0c-4f0e-a9f0-6a7fb0b0f6cb",
)


@given(written)
def test_recovery_records_round_trip(original: RecoveryRecord) -> None:
    assert RecoveryRecord.decode(original.encode()) == original


def test_version_1_is_read() -> None:
    document = json.loads(EXAMPLE.encode())
    del document["crc32"], document["metastore"]
    read = RecoveryRecord.decode(json.dumps(document | {"version": 1}).encode())
    assert read == EXAMPLE._replace(metastore="")


def test_a_truncated_file_is_not_a_record() -> None:
    data = EXAMPLE.encode()
    for length in range(len(data)):
        with pytest.raises(DataLoss, match="cannot be read"):
            RecoveryRecord.decode(data[:length])


def test_a_changed_byte_is_detected_or_irrelevant() -> None:
    data = EXAMPLE.encode()
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with contextlib.suppress(DataLoss):
                assert RecoveryRecord.decode(bytes(changed)) == EXAMPLE


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "Expecting value"),
        (bytes(4096), "Expecting value"),
        (b"[]", "a JSON list instead of an object"),
        (b'{"version": 3}', "written by a newer lamina"),
        (b'{"version": 1}', "labels is missing"),
        (b"[" * 100_000, "recursion"),
    ],
    ids=["empty", "zeros", "list", "newer", "bare", "deep"],
)
def test_an_invalid_record_is_reported_with_the_reason(data: bytes, problem: str) -> None:
    with pytest.raises(DataLoss, match=problem):
        RecoveryRecord.decode(data)
