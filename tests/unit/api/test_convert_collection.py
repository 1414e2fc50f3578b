"""Leases and collections as messages."""

from __future__ import annotations

import pytest

from lamina.api import (
    chain_from_proto,
    chain_to_proto,
    image_usages_from_proto,
    image_usages_to_proto,
    lease_from_proto,
    lease_to_proto,
    removed_from_proto,
    removed_to_proto,
)
from lamina.api.messages.leases_pb2 import Lease as LeaseMessage
from lamina.errdefs import InvalidArgument
from lamina.metadata import Lease
from lamina.metadata.collection import Removed
from lamina.snapshots import EARLIEST
from tests.support.images.collectors import CHAINS, REMOVED, USAGE


def test_what_a_collector_returns_survives_the_conversion() -> None:
    for removed in REMOVED:
        assert removed_from_proto(removed_to_proto(removed)) == removed
    assert image_usages_from_proto(image_usages_to_proto(USAGE)) == USAGE
    for chain in CHAINS:
        assert chain_from_proto(chain_to_proto(chain)) == chain


def test_a_lease_survives_the_conversion() -> None:
    lease = Lease("mine", {"a": "b"}, created=1_234_567_890_123_456_789)
    assert lease_from_proto(lease_to_proto(lease)) == lease


def test_a_missing_time_is_go_s_zero_time() -> None:
    assert lease_from_proto(LeaseMessage(id="mine")).created == EARLIEST


def test_names_that_are_not_unicode_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"name: .* is not UTF-8"):
        removed_to_proto(Removed("snapshot", "caf\udce9"))
