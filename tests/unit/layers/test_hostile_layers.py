"""Layers that are made to exhaust memory take little of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from isal import igzip_lib

from tests.support.rounds import rounds
from tests.support.tar import END, GNU, extended, header, octal, padded, pax, record

MEBIBYTE = 1 << 20
CHUNK = bytes(8 * MEBIBYTE)
READER = """
import os, sys
from lamina.errdefs import InvalidArgument
from lamina.layers import TarReader, open_layer

fd = os.open(sys.argv[1], os.O_RDONLY)
target = os.open(os.devnull, os.O_WRONLY)
entries, refused = 0, ""
with open_layer(fd, size=os.fstat(fd).st_size) as stream:
    reader = TarReader(stream)
    try:
        for entry in reader:
            entries += 1
            if entry.extents is None:
                reader.copy_to(target)
    except InvalidArgument as error:
        refused = str(error)
status = dict(line.split(":\\t") for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]), entries, refused)
"""
"""Reads a layer, and prints the most memory that the process had, in KiB, the number of entries, and the error."""


def read_apart(layer: Path) -> tuple[int, int, str]:
    """Read a layer in a process of its own; return its peak of memory in bytes, its entries, its error."""
    done = subprocess.run([sys.executable, "-c", READER, layer], capture_output=True, text=True, check=True)
    memory, entries, refused = done.stdout.split(" ", 2)
    return int(memory) << 10, int(entries), refused.strip()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> int:
    """The memory that it takes to read an ordinary layer with zstd, in bytes."""
    layer = tmp_path_factory.mktemp("layer") / "layer"
    layer.write_bytes(zstandard.compress(header(b"file") + END))
    return read_apart(layer)[0]


def write(layer: Path, parts: Iterator[bytes], compression: str) -> None:
    with layer.open("wb") as file:
        if compression == "plain":
            file.writelines(parts)
        elif compression == "zstd":
            with zstandard.ZstdCompressor(level=1).stream_writer(file, closefd=False) as writer:
                for part in parts:
                    writer.write(part)
        else:
            for part in parts:  # each is a member
                file.write(igzip_lib.compress(part, level=1, flag=igzip_lib.COMP_GZIP))


def large_file(size: int) -> Iterator[bytes]:
    yield header(b"zeros", size=size)
    for _ in range(size // len(CHUNK)):
        yield CHUNK
    yield END


def many_entries(count: int) -> Iterator[bytes]:
    for _ in range(count // 1000):
        yield header(b"empty") * 1000
    yield END


def zeros_at_the_end(size: int) -> Iterator[bytes]:
    yield header(b"file") + END
    for _ in range(size // len(CHUNK)):
        yield CHUNK


BOMBS = {
    "large file": lambda: large_file(rounds(48 * MEBIBYTE, 4096 * MEBIBYTE)),
    "many entries": lambda: many_entries(rounds(10_000, 1_000_000)),
    "zeros at the end": lambda: zeros_at_the_end(rounds(48 * MEBIBYTE, 4096 * MEBIBYTE)),
}


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_layer_that_grows_a_thousandfold_takes_little_memory(
    tmp_path: Path, usual: int, bomb: str, compression: str
) -> None:
    write(tmp_path / "layer", BOMBS[bomb](), compression)
    memory, entries, refused = read_apart(tmp_path / "layer")
    assert (entries > 0, refused) == (True, "")
    assert memory - usual < 8 * MEBIBYTE


EXTENTS = 131_072
MAPS = {
    "records": [extended(b"x", b"".join(record(b"%x" % number, b"") for number in range(65_536)))],
    "attributes": [extended(b"x", b"".join(record(b"SCHILY.xattr.%x" % number, b"") for number in range(40_000)))],
    "old sparse map": [
        header(b"f", b"S", magic=GNU, rest=bytes(41) + (octal(1, 12) + bytes(12)) * 4 + b"\1" + octal(1, 12)),
        ((octal(1, 12) + octal(0, 12)) * 21 + b"\1").ljust(512, b"\0") * (EXTENTS // 21 - 1),
        ((octal(1, 12) + octal(0, 12)) * 21).ljust(512, b"\0"),
    ],
    "sparse map": [
        pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9" * 18)),
        header(b"f", size=len(padded(b"131072\n" + b"1\n0\n" * EXTENTS))),
        padded(b"131072\n" + b"1\n0\n" * EXTENTS),
    ],
}


@pytest.mark.parametrize("name", MAPS)
def test_the_largest_headers_take_little_memory(tmp_path: Path, usual: int, name: str) -> None:
    one = b"".join(MAPS[name])
    if not name.endswith("map"):
        one += header(b"file")
    write(tmp_path / "layer", iter([one] * 2), "plain")
    memory, entries, refused = read_apart(tmp_path / "layer")
    assert (entries, refused) == (2, "")
    assert memory - usual < 48 * MEBIBYTE


def test_an_endless_extended_header_is_refused_at_once(tmp_path: Path, usual: int) -> None:
    endless = iter([header(b"x", b"x", size=b"77777777777\0"), record(b"comment", b"c" * 1000) * 100_000])
    write(tmp_path / "layer", endless, "zstd")
    memory, entries, refused = read_apart(tmp_path / "layer")
    assert (entries, "more than 1048576" in refused) == (0, True)
    assert memory - usual < 8 * MEBIBYTE


@pytest.mark.parametrize("descriptor", ["window", "single segment"])
def test_a_zstd_frame_that_asks_for_terabytes_is_refused(tmp_path: Path, usual: int, descriptor: str) -> None:
    window = b"\x00\xf8" if descriptor == "window" else b"\xe0" + (1 << 40).to_bytes(8, "little")
    (tmp_path / "layer").write_bytes(b"\x28\xb5\x2f\xfd" + window + os.urandom(1000))
    memory, entries, refused = read_apart(tmp_path / "layer")
    assert entries == 0
    assert re.search("needs a window of|requires too much memory", refused)
    assert memory - usual < 8 * MEBIBYTE
