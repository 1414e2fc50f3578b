"""Records of extended headers."""

from __future__ import annotations

import pytest

from lamina.layers import EntryType
from tests.support.tar import END, extended, file, header, pax, read, read_one

SECOND = 1_000_000_000


def test_records_override_the_header_after_them_alone() -> None:
    archived = read(
        pax((b"path", b"long/name"), (b"uid", b"3000000"), (b"gid", b"4000000"), (b"size", b"3"))
        + header(b"short", size=0)
        + b"abc".ljust(512, b"\0")
        + file(b"second", b"d")
        + END
    )
    first, second = archived.entries
    assert (first.name, first.uid, first.gid) == (b"long/name", 3000000, 4000000)
    assert (second.name, second.uid) == (b"second", 0)
    assert archived.data == [b"abc", b"d"]


def test_targets_of_links_may_be_long() -> None:
    entry = read_one(pax((b"linkpath", b"t" * 4096)) + header(b"s", b"2", link=b"t") + END)
    assert entry.link == b"t" * 4096


@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (b"1350244992.023960108", 1350244992023960108),
        (b"1.5", 1500000000),
        (b"1.", SECOND),
        (b"0", 0),
        (b"-1.5", -1500000000),
        (b"-0.5", -500000000),
        (b"1.1234567899", 1123456789),
    ],
)
def test_times_have_nanoseconds(value: bytes, nanoseconds: int) -> None:
    entry = read_one(pax((b"mtime", value), (b"atime", value)) + header() + END)
    assert (entry.mtime, entry.atime) == (nanoseconds, nanoseconds)


def test_extended_attributes_may_have_any_bytes() -> None:
    attributes = {b"user.empty": b"", b"security.capability": b"\1\0\0\2=\n\xff", b"user.caf\xe9": b"x"}
    records = [(b"SCHILY.xattr." + name, value) for name, value in attributes.items()]
    assert read_one(pax(*records) + header() + END).xattrs == attributes


def test_values_may_have_newlines_and_equals_signs() -> None:
    assert read_one(pax((b"path", b"a=b\nc")) + header() + END).name == b"a=b\nc"


def test_names_need_not_be_utf8() -> None:
    assert read_one(pax((b"hdrcharset", b"BINARY"), (b"path", b"caf\xe9")) + header() + END).name == b"caf\xe9"


def test_the_last_record_with_a_key_counts() -> None:
    assert read_one(pax((b"path", b"first"), (b"path", b"last")) + header() + END).name == b"last"


def test_the_last_extended_header_before_an_entry_counts() -> None:
    entry = read_one(pax((b"path", b"first"), (b"uid", b"1")) + pax((b"path", b"last")) + header() + END)
    assert (entry.name, entry.uid) == (b"last", 0)


def test_an_empty_value_means_that_of_the_header() -> None:
    assert read_one(pax((b"path", b"")) + header(b"name") + END).name == b"name"


def test_a_size_means_nothing_to_what_has_no_data() -> None:
    archived = read(pax((b"size", b"1000")) + header(b"d", b"5") + file(b"f", b"x") + END)
    assert archived.data == [b"", b"x"]


def test_records_that_are_not_known_mean_nothing() -> None:
    entry = read_one(pax((b"VENDOR.key", b"value"), (b"LIBARCHIVE.xattr.user.x", b"eA==")) + header() + END)
    assert not entry.xattrs


def test_solaris_marks_extended_headers_with_a_capital_letter() -> None:
    assert read_one(pax((b"path", b"long"), type_=b"X") + header() + END).name == b"long"


def test_a_global_header_is_ignored() -> None:
    archived = read(
        pax((b"comment", b"a commit"), (b"uid", b"5"), (b"pathology", b"x"), type_=b"g")
        + header(b"a")
        + header(b"b")
        + END
    )
    assert [(entry.name, entry.uid) for entry in archived.entries] == [(b"a", 0), (b"b", 0)]


def test_a_long_name_of_gnu_tar_overrides_the_path() -> None:
    data = pax((b"path", b"pax"), (b"uid", b"1")) + extended(b"L", b"gnu\0") + header() + END
    assert (read_one(data).name, read_one(data).uid) == (b"gnu", 1)


def test_a_slash_at_the_end_of_a_path_makes_no_directory() -> None:
    assert read_one(pax((b"path", b"name/")) + header() + END).type is EntryType.FILE
