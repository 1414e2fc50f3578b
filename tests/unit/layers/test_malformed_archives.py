"""Archives that are damaged, or made to do damage."""

from __future__ import annotations

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, InvalidArgument
from lamina.layers import TarReader, open_layer
from tests.support.tar import (
    BLOCK,
    END,
    base_256,
    extended,
    file,
    header,
    octal,
    opened,
    padded,
    pax,
    read,
    record,
)


def refused(data: bytes, match: str) -> None:
    with pytest.raises(InvalidArgument, match=match):
        read(data)


def test_the_error_names_the_entry_and_where_it_is() -> None:
    refused(
        file(b"first", b"x" * 600) + header(b"second", mode=b"garbage\0"), "entry 'second' at byte 1536: the mode"
    )


def test_the_error_names_an_entry_by_its_long_name() -> None:
    refused(
        pax((b"path", b"long/name"), (b"uid", b"x")) + header(b"short"), "entry 'long/name' at byte 1024: the uid"
    )


def test_the_error_shows_the_beginning_of_a_very_long_name() -> None:
    for data in (pax((b"path", b"n" * 4000), (b"uid", b"x")), extended(b"L", b"n" * 4000) + pax((b"uid", b"x"))):
        refused(data + header(), "entry 'n{199}…' at byte")


def test_the_error_shows_bytes_that_are_not_text_as_hexadecimal_escapes() -> None:
    refused(header(b"a\xff\n", mode=b"garbage\0"), r"entry 'a\\xff\\n' at byte 0")


def test_a_wrong_checksum_is_refused() -> None:
    refused(header(checksum=b"000001\0 "), "checksum")
    refused(b"this is no archive".ljust(BLOCK), "checksum")


@pytest.mark.parametrize(
    "field",
    [b"-000644\0", b"0o644\0\0\0", b"0_0_0_1\0", b"+000644\0", b"0000648\0", b"1 2 3 4\0", b"\t644\0\0\0\0"],
)
def test_a_field_that_is_not_octal_is_refused(field: bytes) -> None:
    refused(header(mode=field), "the mode")


@pytest.mark.parametrize("number", [-1, 0xFFFFFFFF, 1 << 32, 1 << 54, -(1 << 54)])
def test_an_owner_that_no_file_can_have_is_refused(number: int) -> None:
    refused(header(uid=base_256(number, 8)), "the uid")
    refused(header(gid=base_256(number, 8)), "the gid")
    refused(pax((b"uid", b"%d" % number)) + header(), "the uid")
    refused(pax((b"gid", b"%d" % number)) + header(), "the gid")


def test_a_negative_mode_is_refused() -> None:
    refused(header(mode=base_256(-1, 8)), "the mode")


@pytest.mark.parametrize("number", [-1, 1 << 63, 1 << 64, 1 << 94, -(1 << 94)])
def test_a_size_that_no_file_can_have_is_refused(number: int) -> None:
    refused(header(size=base_256(number, 12)), "the size")
    refused(pax((b"size", b"%d" % number)) + header(), "the size")
    refused(header(b"long", b"L", size=base_256(number, 12)), "the size|extended header")


@pytest.mark.parametrize("number", [1 << 63, 1 << 94, -(1 << 94)])
def test_a_time_that_the_kernel_does_not_have_is_refused(number: int) -> None:
    refused(header(mtime=base_256(number, 12)), "the time")
    refused(pax((b"mtime", b"%d" % number)) + header(), "the mtime|the time")


@pytest.mark.parametrize("value", [b"x", b"-", b".", b".5", b"1.-5", b"1.5.5", b"--1", b"1e3", b" 1", b"1_0"])
def test_a_time_that_is_none_is_refused(value: bytes) -> None:
    refused(pax((b"mtime", value)) + header(), "the mtime")


@pytest.mark.parametrize("value", [b"x", b"1_0", b"0x10", b" 1", b"1.0", b"9" * 5000])
def test_a_size_that_is_none_is_refused(value: bytes) -> None:
    refused(pax((b"size", value)) + header(), "the size")


@pytest.mark.parametrize(("major", "minor"), [(1 << 12, 0), (0, 1 << 20)])
def test_a_device_that_linux_does_not_have_is_refused(major: int, minor: int) -> None:
    refused(header(type_=b"3", major=octal(major, 8), minor=octal(minor, 8)), "number")


@pytest.mark.parametrize("flag", [b"D", b"M", b"N", b"V", b"A", b"I", b"8", b"\xff"])
def test_a_type_that_layers_do_not_have_is_refused(flag: bytes) -> None:
    refused(header(type_=flag), "its type")


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"5 a=\n ",
        b"6 a=b\n7 c=d\n",
        b"6 a=bb",
        b"0 a=b\n",
        b"3 a=b\n",
        b"-6 a=b\n",
        b" 6 a=b\n",
        b"6a=b\n",
        b"6 =bb\n",
        b"6 abb\n",
        b"99999999999999999999999999 a=b\n",
        b"18446744073709551622 a=b\n",
        b"6 a=b\n\0\0",
    ],
)
def test_a_malformed_record_is_refused(data: bytes) -> None:
    refused(extended(b"x", data) + header(), "extended header is malformed")


@pytest.mark.parametrize("key", [b"path", b"linkpath"])
def test_a_name_with_a_nul_is_refused(key: bytes) -> None:
    refused(pax((key, b"a\0b")) + header(), "has a NUL")


@pytest.mark.parametrize("key", [b"path", b"linkpath"])
def test_a_name_longer_than_any_path_is_refused(key: bytes) -> None:
    refused(pax((key, b"n" * 4097)) + header(), "more than 4096")
    flag = b"L" if key == b"path" else b"K"
    refused(extended(flag, b"n" * 4097) + header(), "more than 4096")


def test_an_attribute_that_no_file_can_have_is_refused() -> None:
    for name, value in ((b"", b"x"), (b"n" * 256, b"x"), (b"a\0b", b"x"), (b"user.x", b"x" * 65537)):
        refused(pax((b"SCHILY.xattr." + name, value)) + header(), "extended attribute")


@pytest.mark.parametrize("flag", [b"x", b"g", b"L", b"K"])
def test_a_large_extended_header_is_refused_unread(flag: bytes) -> None:
    refused(header(b"extended", flag, size=(1 << 20) + 1), "more than 1048576")


def test_too_many_records_are_refused() -> None:
    refused(extended(b"x", record(b"a", b"") * 65537) + header(), "more than 65536 records")


def test_too_many_extended_headers_are_refused() -> None:
    refused(pax((b"comment", b"x")) * 64 + header(), "more than 64 extended headers")


@pytest.mark.parametrize("key", [b"path", b"linkpath", b"size", b"GNU.sparse.size"])
def test_a_global_header_that_programs_understand_differently_is_refused(key: bytes) -> None:
    refused(pax((key, b"1"), type_=b"g") + header() + END, "a global extended header")


def test_a_global_header_before_the_entry_of_another_one_is_refused() -> None:
    refused(pax((b"path", b"x")) + pax((b"comment", b"c"), type_=b"g") + header() + END, "lies between")


def test_an_extended_header_at_the_end_is_refused() -> None:
    refused(pax((b"path", b"x")) + END, "an extended header is the last")
    refused(pax((b"path", b"x")), "an extended header is the last")


def test_a_single_block_of_zeros_inside_is_refused() -> None:
    refused(header(b"a") + bytes(BLOCK) + header(b"b") + END, "a block of zeros")


FIRST = pax((b"path", b"first"), (b"comment", b"c" * 600)) + file(b"f", b"x" * 700)
ARCHIVE = FIRST + extended(b"L", b"n" * 200) + header() + END


@pytest.mark.parametrize("length", sorted({*range(0, len(ARCHIVE), 73), *range(0, len(ARCHIVE), BLOCK)}))
def test_an_archive_cut_short_is_refused_unless_the_cut_is_between_entries(length: int) -> None:
    end_of_data = len(FIRST) - 324  # the padding may be missing
    if length in (0, len(FIRST), len(ARCHIVE) - 1024, len(ARCHIVE) - 512) or end_of_data <= length < len(FIRST):
        assert read(ARCHIVE[:length]).names in ([], [b"first"], [b"first", b"n" * 200])
    else:
        refused(ARCHIVE[:length], "the archive ends|an extended header is the last")


def test_an_empty_archive_has_no_entries() -> None:
    for data in (b"", bytes(BLOCK), END, END * 10):
        assert read(data).entries == []


def test_data_larger_than_asked_for_is_refused() -> None:
    data = file(b"a", b"x" * 1000) + END
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream)
        next(reader)
        with pytest.raises(InvalidArgument, match="it has 1000 bytes, more than 999"):
            reader.read(999)


def test_there_is_no_digest_before_the_end() -> None:
    data = file(b"a", b"x" * 1000) + END
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream)
        next(reader)
        with pytest.raises(ValueError, match="to its end"):
            _ = reader.digest


def test_a_cancelled_call_ends() -> None:
    data = padded(file(b"a", bytes(1 << 20))) + END
    context = CallContext()
    with use(context), opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream)
        next(reader)
        context.cancel()
        with pytest.raises(Canceled):
            next(reader)
