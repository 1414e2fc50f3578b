"""Layers that are compressed as they are written."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable, Iterable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.context import use
from lamina.errdefs import Canceled
from lamina.layers import Compression, LayerWriter, open_layer
from tests.support.blobs import digest_of
from tests.support.rounds import rounds
from tests.support.tar import opened
from tests.support.trees import Steps

DATA = random.Random(0).randbytes(5000) * 200
UNPACK: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZIP: gzip.decompress,
    Compression.ZSTD: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def write(compression: Compression, pieces: Iterable[bytes]) -> tuple[LayerWriter, bytes]:
    written = io.BytesIO()
    layer = LayerWriter(written.write, compression)
    for piece in pieces:
        layer.write(piece)
    layer.close()
    return layer, written.getvalue()


@pytest.mark.parametrize("compression", Compression)
@pytest.mark.parametrize("data", [b"", b"x", DATA], ids=["nothing", "a byte", "a megabyte"])
def test_digests_and_sizes_are_those_of_the_data(compression: Compression, data: bytes) -> None:
    layer, written = write(compression, [data])
    assert (layer.diff_id, layer.uncompressed_size) == (digest_of(data), len(data))
    assert (layer.digest, layer.size) == (digest_of(written), len(written))


@pytest.mark.parametrize("compression", Compression)
def test_others_read_it(compression: Compression) -> None:
    assert UNPACK[compression](write(compression, [DATA])[1]) == DATA


@pytest.mark.parametrize("compression", Compression)
def test_lamina_reads_it(compression: Compression) -> None:
    _, written = write(compression, [DATA])
    with opened(written) as fd, open_layer(fd, size=len(written)) as stream:
        assert stream.read(len(DATA) + 1) == DATA
        assert stream.compression is compression or compression is Compression.NONE


@pytest.mark.parametrize("compression", Compression)
@settings(max_examples=rounds(10, 1000))
@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=8))
def test_the_bytes_do_not_depend_on_the_pieces(compression: Compression, cuts: list[int]) -> None:
    """Which compressors do not promise: isal's output has to do with the sizes of what it is given."""
    ends = [*sorted(cuts), len(DATA)]
    pieces = [DATA[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert write(compression, pieces)[1] == write(compression, [DATA])[1]


def test_the_header_of_gzip_has_no_name_and_no_time() -> None:
    _, written = write(Compression.GZIP, [b"x"])
    flags, time = written[3], written[4:8]
    assert (flags, time) == (0, bytes(4))


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_what_repeats_becomes_small(compression: Compression) -> None:
    assert write(compression, [b"Many words are there many times. " * 10_000])[0].size < 10_000


def test_a_piece_is_not_kept() -> None:
    """So a caller may read the next one into the same buffer."""
    buffer = bytearray(b"a" * 1000)
    written = io.BytesIO()
    layer = LayerWriter(written.write, Compression.NONE)
    layer.write(memoryview(buffer))
    buffer[:] = b"b" * 1000
    layer.close()
    assert written.getvalue() == b"a" * 1000


def test_writing_ends_with_the_call() -> None:
    context = Steps(lambda number: context.cancel() if number == 3 else None)
    with use(context), pytest.raises(Canceled):
        write(Compression.NONE, [DATA, DATA])
