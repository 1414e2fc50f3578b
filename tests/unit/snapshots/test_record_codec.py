"""A record survives its bytes, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import DataLoss
from lamina.snapshots import EARLIEST, LATEST, Info, Kind, Usage
from lamina.snapshots.storage import Record
from lamina.snapshots.storage._record import decode, encode

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
times = st.one_of(st.just(EARLIEST), st.just(LATEST), st.just(-1), st.integers(EARLIEST, LATEST))
records = st.builds(
    Record,
    id=st.integers(0, 2**64 - 1),
    info=st.builds(
        Info,
        name=texts,
        kind=st.sampled_from(Kind),
        parent=texts,
        labels=st.dictionaries(texts, texts, max_size=5),
        created=times,
        updated=times,
    ),
    usage=st.builds(Usage, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)),
    parent_ids=st.lists(st.integers(0, 2**64 - 1), max_size=200).map(tuple),
)


@given(records)
def test_decoding_gives_what_was_encoded(record: Record) -> None:
    assert decode(encode(record)) == record


@given(records, st.integers(0, 1000))
def test_a_record_that_was_cut_is_reported_as_damaged(record: Record, length: int) -> None:
    data = encode(record)
    with pytest.raises(DataLoss):
        decode(data[: length % len(data)])


def test_a_record_with_bytes_behind_it_is_reported_as_damaged() -> None:
    with pytest.raises(DataLoss):
        decode(encode(Record(1, Info("a"))) + b"x")
