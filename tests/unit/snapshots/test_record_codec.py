"""Any record round-trips, and its stored bytes are valid on the wire."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.api import info_to_proto
from lamina.api.messages.snapshots_pb2 import ListSnapshotsResponse, StatSnapshotResponse
from lamina.errdefs import DataLoss
from lamina.snapshots import EARLIEST, LATEST, Info, Kind, Usage
from lamina.snapshots.storage import Record, info_message, with_labels
from lamina.snapshots.storage._record import decode, encode, id_in, lineage_in, name_in

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
def test_records_round_trip(record: Record) -> None:
    assert decode(encode(record)) == record


@given(records)
def test_the_encoded_message_equals_the_converted_record(record: Record) -> None:
    sent = StatSnapshotResponse(info=info_to_proto(record.info))
    assert StatSnapshotResponse.FromString(info_message(encode(record))) == sent


@given(st.lists(records, max_size=3))
def test_concatenated_messages_are_a_list(records: list[Record]) -> None:
    sent = ListSnapshotsResponse(info=[info_to_proto(record.info) for record in records])
    assert ListSnapshotsResponse.FromString(b"".join(map(info_message, map(encode, records)))) == sent


@given(records, st.dictionaries(texts, texts, max_size=5))
def test_labels_can_be_appended_to_a_message(record: Record, labels: dict[str, str]) -> None:
    sent = ListSnapshotsResponse.FromString(with_labels(info_message(encode(record)), labels))
    assert [dict(info.labels) for info in sent.info] == [{**record.info.labels, **labels}]


@given(records)
def test_name_and_identifier_are_read_without_decoding(record: Record) -> None:
    data = encode(record)
    assert (id_in(data), name_in(data).decode()) == (record.id, record.info.name)


@given(records)
def test_kind_and_lineage_are_read_without_decoding(record: Record) -> None:
    assert lineage_in(encode(record)) == (record.info.kind, (record.id, *record.parent_ids))


READERS = pytest.mark.parametrize("read", [decode, info_message, lineage_in])


@READERS
@given(record=records, length=st.integers(0, 1000))
def test_a_truncated_record_is_reported_as_damaged(
    read: Callable[[bytes], object], record: Record, length: int
) -> None:
    data = encode(record)
    with pytest.raises(DataLoss):
        read(data[: length % len(data)])


@READERS
def test_a_record_with_trailing_bytes_is_reported_as_damaged(read: Callable[[bytes], object]) -> None:
    with pytest.raises(DataLoss):
        read(encode(Record(1, Info("a"))) + b"x")
