"""Header blocks are decoded as in RFC 7541."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.client._hpack import MalformedBlock, decode, encode

TEXTS = st.text(st.characters(codec="ascii"), max_size=300)


def test_a_compressed_block_of_the_rfc_is_read() -> None:
    """Appendix C.6.1."""
    block = (
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
        "6e919d29ad171863c78f0b97c8e9ae82ae43d3"
    )
    assert decode(bytes.fromhex(block)) == {
        ":status": b"302",
        "cache-control": b"private",
        "date": b"Mon, 21 Oct 2013 20:13:21 GMT",
        "location": b"https://www.example.com",
    }


def test_a_block_without_compression_is_read() -> None:
    """Appendix C.2.1, C.2.3 and C.2.4, after a change of the dynamic table's size (6.3)."""
    block = (
        "20" + "400a637573746f6d2d6b65790d637573746f6d2d686561646572" + "100870617373776f726406736563726574" + "88"
    )
    assert decode(bytes.fromhex(block)) == {
        "custom-key": b"custom-header",
        "password": b"secret",
        ":status": b"200",
    }


@given(st.dictionaries(TEXTS, TEXTS))
def test_encoded_headers_round_trip(fields: dict[str, str]) -> None:
    assert decode(encode(fields.items())) == {name: value.encode() for name, value in fields.items()}


@pytest.mark.parametrize(
    "block",
    [
        "bf",  # index 63, which the static table does not have
        "80",  # index 0
        "4003",  # a name that is cut off
        "ff8080808080",  # an integer that does not end
        "00018100018100",  # a compressed string that ends within a code
        "00016184ffffffff",  # one that holds the code of its end
    ],
)
def test_an_invalid_block_is_refused(block: str) -> None:
    with pytest.raises(MalformedBlock):
        decode(bytes.fromhex(block))


@given(st.binary())
def test_any_bytes_are_decoded_or_refused(block: bytes) -> None:
    with contextlib.suppress(MalformedBlock):
        decode(block)
