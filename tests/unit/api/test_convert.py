"""Conversion between messages and the contract's objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.api import (
    error_from_proto,
    error_to_proto,
    info_from_proto,
    info_to_proto,
    kind_from_proto,
    mounts_from_proto,
    mounts_to_proto,
    platform_from_proto,
    platform_to_proto,
    time_from_proto,
    time_to_proto,
    usage_from_proto,
    usage_to_proto,
)
from lamina.api.messages import snapshots_pb2, timestamp_pb2
from lamina.errdefs import Code, HasChildren, InvalidArgument, NotFound, SkipPlugin
from lamina.mount import Mount
from lamina.snapshots import Info, Kind, Usage

GO_ZERO = -62_135_596_800 * 10**9
LATEST = 253_402_300_800 * 10**9 - 1

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.integers(GO_ZERO, LATEST)
INFOS = st.builds(
    Info,
    name=TEXT,
    kind=st.sampled_from(Kind),
    parent=TEXT,
    labels=st.dictionaries(TEXT, TEXT),
    created=TIMES,
    updated=TIMES,
)
MOUNTS = st.lists(st.builds(Mount, type=TEXT, source=TEXT, options=st.lists(TEXT).map(tuple), target=TEXT))


@given(INFOS)
def test_an_info_round_trips(info):
    assert info_from_proto(info_to_proto(info)) == info


@given(MOUNTS)
def test_mounts_round_trip_in_order(mounts):
    assert mounts_from_proto(mounts_to_proto(mounts)) == mounts


@given(st.builds(Usage, size=st.integers(0, 2**63 - 1), inodes=st.integers(0, 2**63 - 1)))
def test_a_usage_round_trips(usage):
    assert usage_from_proto(usage_to_proto(usage)) == usage


@pytest.mark.parametrize(
    ("nanoseconds", "seconds", "nanos"),
    [(GO_ZERO, -62_135_596_800, 0), (-1, -1, 999_999_999), (0, 0, 0), (LATEST, 253_402_300_799, 999_999_999)],
)
def test_the_fraction_of_a_negative_time_is_positive(nanoseconds, seconds, nanos):
    message = time_to_proto(nanoseconds)
    assert (message.seconds, message.nanos) == (seconds, nanos)
    assert time_from_proto(message) == nanoseconds


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(-62_135_596_801, 999_999_999), (253_402_300_800, 0), (2**63 - 1, 0), (-(2**63), 0), (0, -1), (0, 10**9)],
)
def test_a_timestamp_out_of_bounds_is_an_invalid_argument(seconds, nanos):
    message = timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos)
    with pytest.raises(InvalidArgument):
        time_from_proto(message)
    with pytest.raises(InvalidArgument):
        info_from_proto(snapshots_pb2.Info(name="k", created_at=message))


@pytest.mark.parametrize("nanoseconds", [GO_ZERO - 1, LATEST + 1])
def test_a_time_outside_of_timestamps_is_an_invalid_argument(nanoseconds):
    with pytest.raises(InvalidArgument):
        time_to_proto(nanoseconds)


def test_a_time_that_was_not_sent_is_gos_zero_time():
    info = info_from_proto(snapshots_pb2.Info(name="k"))
    assert (info.created, info.updated) == (GO_ZERO, GO_ZERO)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (0, Kind.COMMITTED),
        (1, Kind.VIEW),
        (2, Kind.ACTIVE),
        (3, Kind.COMMITTED),
        (4, Kind.COMMITTED),
        (-1, Kind.COMMITTED),
    ],
)
def test_an_unknown_kind_is_committed(number, kind):
    assert kind_from_proto(number) is kind


def test_a_path_that_is_not_utf8_is_an_invalid_argument():
    with pytest.raises(InvalidArgument, match=r"^source: '/srv/\\udcff' is not UTF-8 text$"):
        mounts_to_proto([Mount("bind", "/srv/\udcff")])


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64/v8", "linux"])
def test_a_platform_round_trips(platform):
    assert platform_from_proto(platform_to_proto(platform)) == platform


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NotFound("snapshot x"), Code.NOT_FOUND, "snapshot x: not found"),
        (SkipPlugin("no btrfs"), Code.UNKNOWN, "no btrfs: skip plugin"),
        (HasChildren("x"), Code.FAILED_PRECONDITION, "x: failed precondition"),
        (OSError("disk"), Code.UNKNOWN, "OSError: disk"),
    ],
)
def test_an_error_becomes_its_status(error, code, text):
    message = error_to_proto(error)
    assert (message.code, message.message) == (code, text)


def test_an_error_comes_back_as_its_class():
    error = error_from_proto(error_to_proto(NotFound("snapshot x")))
    assert type(error) is NotFound
    assert str(error) == "snapshot x"
