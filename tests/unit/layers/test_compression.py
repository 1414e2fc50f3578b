"""Layers, plain and compressed."""

from __future__ import annotations

import gzip
import os
import struct
import zlib

import pytest
import zstandard

from lamina.context import use
from lamina.errdefs import Canceled, InvalidArgument
from lamina.layers import Compression, LayerStream, open_layer
from tests.support.tar import header, opened
from tests.support.trees import Steps

DATA = os.urandom(1000) * 2000
SKIPPABLE = b"\x53\x2a\x4d\x18" + struct.pack("<I", 5) + b"hello"
PACKED = {
    Compression.NONE: lambda data: data,
    Compression.GZIP: lambda data: gzip.compress(data, 1),
    Compression.ZSTD: zstandard.ZstdCompressor(write_checksum=True).compress,
}


def unpack(data: bytes, size: int = 1 << 16) -> bytes:
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        return drain(stream, size)


def drain(stream: LayerStream, size: int = 1 << 16) -> bytes:
    parts = []
    while part := stream.read(size):
        assert len(part) <= size
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("compression", Compression)
def test_compression_is_told_by_the_first_bytes(compression: Compression) -> None:
    data = PACKED[compression](DATA)
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        assert stream.compression is compression
        assert drain(stream) == DATA
        assert stream.position == len(data)


@pytest.mark.parametrize("compression", Compression)
def test_a_layer_may_lie_inside_a_file(compression: Compression) -> None:
    data = PACKED[compression](DATA)
    with opened(b"before" + data + b"after") as fd:
        os.lseek(fd, 3, os.SEEK_SET)
        with open_layer(fd, offset=6, size=len(data)) as stream:
            assert drain(stream) == DATA
        assert os.lseek(fd, 0, os.SEEK_CUR) == 3


@pytest.mark.parametrize("compression", Compression)
def test_reads_are_full_except_at_the_end(compression: Compression) -> None:
    data = PACKED[compression](DATA)
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        buffer = bytearray(300_000)
        sizes = [stream.readinto(buffer) for _ in range(8)]
    assert sizes == [300_000] * 6 + [200_000, 0]


@pytest.mark.parametrize("compression", Compression)
def test_bytes_can_be_passed_over(compression: Compression) -> None:
    data = PACKED[compression](DATA)
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        assert stream.read(10) == DATA[:10]
        assert stream.skip(1_500_000) == 1_500_000
        assert drain(stream) == DATA[1_500_010:]
        assert stream.skip(1) == 0


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
@pytest.mark.parametrize("cut", [0, 1, 1000, len(DATA)])
def test_members_and_frames_in_a_row_are_one_stream(compression: Compression, cut: int) -> None:
    pack = PACKED[compression]
    assert unpack(pack(DATA[:cut]) + pack(b"") + pack(DATA[cut:])) == DATA


def test_many_small_gzip_members_are_one_stream() -> None:
    assert unpack(b"".join(gzip.compress(b"%d," % number) for number in range(3000))).endswith(b",2999,")


def test_skippable_zstd_frames_are_left_out() -> None:
    packed = PACKED[Compression.ZSTD](DATA)
    assert unpack(SKIPPABLE + packed + SKIPPABLE + packed + SKIPPABLE) == DATA + DATA


def test_zstd_of_unknown_size_and_without_a_checksum_is_read() -> None:
    compressor = zstandard.ZstdCompressor(write_checksum=False).compressobj()
    assert unpack(compressor.compress(DATA) + compressor.flush()) == DATA


def test_every_optional_field_of_a_gzip_header_is_read() -> None:
    packed = gzip.compress(DATA)
    fields = b"\x1f\x8b\x08\x1e" + packed[4:10] + struct.pack("<H", 3) + b"abc" + b"name\0" + b"comment\0"
    assert unpack(fields + struct.pack("<H", zlib.crc32(fields) & 0xFFFF) + packed[10:]) == DATA


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_a_layer_cut_short_anywhere_is_refused(compression: Compression) -> None:
    data = PACKED[compression](os.urandom(100) * 3)
    for length in range(6, len(data)):
        with pytest.raises(InvalidArgument, match=f"the {compression.value} data ends after .*; fetch it again"):
            unpack(data[:length])


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
@pytest.mark.parametrize("garbage", [b"\0", b"\0" * 20, b"garbage", os.urandom(100_000)])
def test_anything_after_the_compressed_data_is_refused(compression: Compression, garbage: bytes) -> None:
    with pytest.raises(InvalidArgument, match="fetch it again"):
        unpack(PACKED[compression](DATA) + garbage)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
def test_a_wrong_checksum_is_refused(compression: Compression) -> None:
    data = bytearray(PACKED[compression](DATA))
    data[-1 if compression is Compression.ZSTD else -5] ^= 1
    with pytest.raises(InvalidArgument, match="is damaged"):
        unpack(bytes(data))


def test_a_file_shorter_than_the_layer_is_refused() -> None:
    with (
        opened(b"x" * 1000) as fd,
        open_layer(fd, size=1001) as stream,
        pytest.raises(InvalidArgument, match="1 byte"),
    ):
        drain(stream)


def test_zstd_that_asks_for_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(InvalidArgument, match="a window of 134217728 bytes"):
        unpack(compressor.compress(DATA) + compressor.flush())


@pytest.mark.parametrize(
    ("magic", "name"), [(b"BZh91AY&SY", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x04\x22\x4d\x18", "lz4")]
)
def test_compression_that_layers_never_have_is_refused_by_its_name(magic: bytes, name: str) -> None:
    with pytest.raises(InvalidArgument, match=name):
        unpack(magic + bytes(100))


@pytest.mark.parametrize("empty", [gzip.compress(b"", mtime=0), zstandard.compress(b""), SKIPPABLE])
def test_a_cancelled_call_ends_within_data_that_has_nothing_in_it(empty: bytes) -> None:
    def cancel(check: int) -> None:
        if check == 3:
            context.cancel()

    context = Steps(cancel)
    with use(context), pytest.raises(Canceled):
        unpack(empty * 10_000)
    assert context.checks == 3


def test_the_name_of_a_file_is_not_taken_for_compression() -> None:
    for name in (b"BZh9", b"\x1f\x8b", b"PK"):
        assert unpack(header(name)) == header(name)


def test_an_empty_layer_is_plain() -> None:
    assert unpack(b"") == b""
