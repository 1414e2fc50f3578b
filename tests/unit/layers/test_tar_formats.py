"""The formats of tar archives."""

from __future__ import annotations

import hashlib
import os

import pytest

from lamina.errdefs import InvalidArgument
from lamina.layers import EntryType, TarReader, open_layer
from tests.support.tar import (
    END,
    GNU,
    OLD,
    base_256,
    extended,
    file,
    header,
    octal,
    opened,
    padded,
    pax,
    read,
    read_one,
)

SECOND = 1_000_000_000
TYPES = {
    b"0": EntryType.FILE,
    b"\0": EntryType.FILE,
    b"7": EntryType.FILE,
    b"1": EntryType.HARD_LINK,
    b"2": EntryType.SYMLINK,
    b"3": EntryType.CHARACTER_DEVICE,
    b"4": EntryType.BLOCK_DEVICE,
    b"5": EntryType.DIRECTORY,
    b"6": EntryType.FIFO,
}


@pytest.mark.parametrize(("flag", "type_"), TYPES.items())
def test_each_type_of_file_is_told(flag: bytes, type_: EntryType) -> None:
    assert read_one(header(b"name", flag) + END).type is type_


def test_the_fields_of_a_header_are_read() -> None:
    entry = read_one(
        header(b"a/b", mode=b"0104755\0", uid=octal(1000, 8), gid=octal(1001, 8), mtime=octal(1 << 30, 12)) + END
    )
    assert (entry.name, entry.mode, entry.uid, entry.gid) == (b"a/b", 0o4755, 1000, 1001)
    assert (entry.mtime, entry.atime) == ((1 << 30) * SECOND, None)


def test_the_data_of_files_is_read() -> None:
    archived = read(file(b"a", b"x" * 1000) + file(b"b") + file(b"c", b"y" * 512) + END)
    assert archived.data == [b"x" * 1000, b"", b"y" * 512]


def test_data_that_is_not_used_is_passed_over() -> None:
    data = file(b"a", bytes(3 << 20)) + file(b"b", b"second") + END
    assert read(data).names == [b"a", b"b"]


def test_an_archive_is_scanned_without_reading_data_that_is_not_used() -> None:
    """Its data is a hole of a terabyte."""
    first, second = padded(header(b"a", size=base_256(1 << 40, 12))), header(b"b", size=octal(3, 12))
    with opened(first) as fd, memoryview(second + b"abc") as rest:
        os.pwrite(fd, rest, len(first) + (1 << 40))
        with open_layer(fd, size=os.fstat(fd).st_size) as stream:
            reader = TarReader(stream, hashed=False)
            assert [(entry.name, reader.position) for entry in reader] == [
                (b"a", 512),
                (b"b", (1 << 40) + 1024),
            ]


def test_a_scan_sees_that_data_is_missing() -> None:
    data = file(b"a", bytes(1 << 20))[:-1]
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream, hashed=False)
        with pytest.raises(InvalidArgument, match="the archive ends inside its data"):
            list(reader)


def test_links_have_targets_and_devices_numbers() -> None:
    archived = read(
        header(b"s", b"2", link=b"../t")
        + header(b"h", b"1", link=b"a/b")
        + header(b"d", b"3", major=octal(8, 8), minor=octal(257, 8))
        + END
    )
    symlink, link, device = archived.entries
    assert (symlink.link, link.link, device.device) == (b"../t", b"a/b", os.makedev(8, 257))


@pytest.mark.parametrize("flag", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_only_files_have_data_whatever_their_size_says(flag: bytes) -> None:
    archived = read(header(b"a", flag, size=1000) + file(b"b") + END)
    assert archived.names == [b"a", b"b"]
    assert archived.entries[0].size == 0


def test_names_are_bytes() -> None:
    assert read_one(header(b"caf\xe9\xff") + END).name == b"caf\xe9\xff"


@pytest.mark.parametrize("byte", [0x7F, 0xFF], ids=["ascii", "other"])
def test_a_header_may_have_the_largest_bytes(byte: int) -> None:
    name, link, prefix = (bytes([byte]) * size for size in (100, 100, 155))
    entry = read_one(header(name, b"2", link=link, rest=prefix) + END)
    assert (entry.name, entry.link) == (prefix + b"/" + name, link)


def test_a_name_may_fill_its_field() -> None:
    assert read_one(header(b"n" * 100) + END).name == b"n" * 100


def test_ustar_has_the_beginning_of_a_long_name_in_its_prefix() -> None:
    assert read_one(header(b"name", rest=b"some/prefix") + END).name == b"some/prefix/name"


def test_the_format_of_7th_edition_has_no_prefix() -> None:
    assert read_one(header(b"name", b"\0", magic=OLD, rest=b"garbage") + END).name == b"name"


def test_the_format_of_7th_edition_has_no_device_numbers() -> None:
    assert read_one(header(type_=b"3", magic=OLD, major=octal(8, 8)) + END).device == 0


def test_a_slash_at_the_end_makes_a_directory_in_the_format_of_7th_edition() -> None:
    archived = read(header(b"name/", b"\0", magic=OLD, size=1000) + header(b"file", b"\0", magic=OLD) + END)
    assert [entry.type for entry in archived.entries] == [EntryType.DIRECTORY, EntryType.FILE]


def test_gnu_tar_has_long_names_and_targets_in_headers_of_their_own() -> None:
    name, link = b"n" * 3000, b"l" * 4000
    archived = read(
        extended(b"K", link + b"\0")
        + extended(b"L", name + b"\0")
        + header(b"nnn", b"2", link=b"lll")
        + file(b"f")
        + END
    )
    assert (archived.entries[0].name, archived.entries[0].link) == (name, link)
    assert archived.names[1] == b"f"


def test_gnu_tar_has_the_time_of_access_where_ustar_has_the_prefix() -> None:
    entry = read_one(header(b"name", magic=GNU, rest=octal(77, 12)) + END)
    assert (entry.name, entry.atime) == (b"name", 77 * SECOND)


def test_a_prefix_that_go_once_wrote_into_headers_of_gnu_tar_is_read() -> None:
    for prefix in (b"some/prefix", b"777".ljust(12) + b"/prefix"):
        assert read_one(header(b"name", magic=GNU, rest=prefix) + END).name == prefix + b"/name"


def test_star_has_a_shorter_prefix_and_the_time_of_access() -> None:
    rest = b"prefix".ljust(131, b"\0") + octal(77, 12) + octal(78, 12) + bytes(8) + b"tar\0"
    entry = read_one(header(b"name", rest=rest) + END)
    assert (entry.name, entry.atime) == (b"prefix/name", 77 * SECOND)


@pytest.mark.parametrize("seconds", [-1, -(1 << 40), 1 << 40, (1 << 63) - 1])
def test_times_may_be_in_base_256(seconds: int) -> None:
    assert read_one(header(mtime=base_256(seconds, 12)) + END).mtime == seconds * SECOND


def test_owners_may_be_in_base_256() -> None:
    entry = read_one(header(uid=base_256(0xFFFFFFFE, 8), gid=base_256(1 << 24, 8)) + END)
    assert (entry.uid, entry.gid) == (0xFFFFFFFE, 1 << 24)


def test_a_size_may_be_in_base_256() -> None:
    data = header(b"a", size=base_256(5, 12)) + b"hello".ljust(512, b"\0")
    assert read(data + END).data == [b"hello"]


@pytest.mark.parametrize(
    "field", [b"   644 \0", b"644\0\0\0\0\0", b"0000644 ", b"     644", b"00000644", b"644\0junk"]
)
def test_octal_fields_end_and_begin_as_programs_have_it(field: bytes) -> None:
    assert read_one(header(mode=field) + END).mode == 0o644


def test_an_empty_field_is_zero() -> None:
    assert read_one(header(uid=bytes(8), mtime=b" " * 12) + END).uid == 0


def test_the_checksum_may_be_that_of_signed_bytes() -> None:
    name = b"caf\xe9"
    signed = sum(byte - 256 * (byte > 127) for byte in header(name, checksum=b" " * 8))
    assert read_one(header(name, checksum=b"%06o\0 " % signed) + END).name == name


def test_the_digest_is_that_of_every_byte() -> None:
    data = pax((b"comment", b"c")) + file(b"a", b"x") + END + b"what follows the end" + bytes(1 << 20)
    assert read(data).digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
