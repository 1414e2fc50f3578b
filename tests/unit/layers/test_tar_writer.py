"""Archives that `TarWriter` writes."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamina.errdefs import Aborted, FailedPrecondition
from lamina.layers import Entry, EntryType, TarWriter
from tests.support import tar
from tests.support.rounds import rounds
from tests.support.tar import Archived, read

SECOND = 1_000_000_000
TYPES = {
    tarfile.REGTYPE: EntryType.FILE,
    tarfile.LNKTYPE: EntryType.HARD_LINK,
    tarfile.SYMTYPE: EntryType.SYMLINK,
    tarfile.CHRTYPE: EntryType.CHARACTER_DEVICE,
    tarfile.BLKTYPE: EntryType.BLOCK_DEVICE,
    tarfile.DIRTYPE: EntryType.DIRECTORY,
    tarfile.FIFOTYPE: EntryType.FIFO,
}
LINKS = (EntryType.HARD_LINK, EntryType.SYMLINK)
DEVICES = (EntryType.CHARACTER_DEVICE, EntryType.BLOCK_DEVICE)

characters = st.one_of(st.integers(1, 255), st.sampled_from(b"ab/. "))
paths = (
    st.lists(characters, min_size=1, max_size=400)
    .map(bytes)
    .filter(lambda name: not name.startswith(b"/") and not name.endswith(b"/"))
)
ids = st.integers(0, (1 << 32) - 2) | st.sampled_from([0o7777777, 0o10000000])
times = st.integers(-(1 << 62), 1 << 62) | st.integers(-10, 1 << 34).map(SECOND.__mul__)
attributes = st.dictionaries(
    st.binary(min_size=1, max_size=20)
    .filter(lambda name: not {0, ord("=")}.intersection(name))
    .map(b"user.".__add__),
    st.binary(max_size=1100),
    max_size=3,
)


@st.composite
def files(draw: st.DrawFn) -> tuple[Entry, bytes]:
    type_ = draw(st.sampled_from(EntryType))
    data = draw(st.binary(max_size=1100)) if type_ is EntryType.FILE else b""
    entry = Entry(
        draw(paths) + (b"/" if type_ is EntryType.DIRECTORY else b""),
        type_,
        draw(st.integers(0, 0o7777)),
        draw(ids),
        draw(ids),
        len(data),
        draw(times),
        link=draw(paths) if type_ in LINKS else b"",
        device=os.makedev(draw(st.integers(0, 4095)), draw(st.integers(0, (1 << 20) - 1)))
        if type_ in DEVICES
        else 0,
        xattrs=draw(attributes),
    )
    return entry, data


def archive(*files: tuple[Entry, Iterable[bytes]]) -> bytes:
    written = io.BytesIO()
    writer = TarWriter(written.write)
    for entry, data in files:
        writer.add(entry, data)
    writer.close()
    return written.getvalue()


def write(entry: Entry, data: bytes = b"") -> Archived:
    """Write an archive of one file, and read it."""
    return read(archive((entry, [data])))


@settings(max_examples=rounds(60, 20_000))
@given(st.lists(files(), max_size=5))
def test_what_was_written_is_read(written: list[tuple[Entry, bytes]]) -> None:
    archived = read(archive(*((entry, [data]) for entry, data in written)))
    assert list(map(attrs.astuple, archived.entries)) == [attrs.astuple(entry) for entry, _ in written]
    assert archived.data == [data for _, data in written]


@settings(max_examples=rounds(60, 20_000))
@given(st.lists(files(), max_size=5))
@example([(Entry(b"d" * 60 + b"/" + b"e" * 60 + b"/", EntryType.DIRECTORY), b"")])
@example([(Entry(b"\xff" * 99 + b"/" + b"e" * 60, EntryType.FILE), b"")])
def test_tarfile_reads_what_was_written(written: list[tuple[Entry, bytes]]) -> None:
    data = archive(*((entry, [data]) for entry, data in written))
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as opened:
        members = opened.getmembers()
        contents = [opened.extractfile(member) if member.isreg() else None for member in members]
        assert [content.read() if content else b"" for content in contents] == [data for _, data in written]
    for member, (entry, _) in zip(members, written, strict=True):
        assert os.fsencode(member.name) == entry.name.removesuffix(b"/")
        assert TYPES[member.type] is entry.type
        assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
        assert (member.uname, member.gname) == ("", "")
        assert member.mtime == pytest.approx(entry.mtime / SECOND)
        assert os.fsencode(member.linkname) == entry.link
        assert entry.type not in DEVICES or os.makedev(member.devmajor, member.devminor) == entry.device


@pytest.mark.parametrize("length", [98, 99, 100, 101, 155, 156, 254, 255, 256, 257, 4095])
@pytest.mark.parametrize("slash", [1, 50, 99, 100, 154, 155, 156, 250])
@pytest.mark.parametrize("type_", [EntryType.FILE, EntryType.DIRECTORY])
def test_names_of_any_length(length: int, slash: int, type_: EntryType) -> None:
    """Around the ends of the header's two fields."""
    name = (b"n" * slash + b"/" + b"m" * 5000)[:length].rstrip(b"/") + b"/" * (type_ is EntryType.DIRECTORY)
    assert write(Entry(name, type_)).names == [name]


@pytest.mark.parametrize("length", [*range(470, 530), *range(980, 1010), 9990, 9991, 9992, 9993, 65536])
def test_attributes_of_any_length(length: int) -> None:
    """Around the ends of blocks, and where the length of a record gets a digit more."""
    value = b"v" * length
    assert write(Entry(b"f", EntryType.FILE, xattrs={b"user.a": value})).entries[0].xattrs == {b"user.a": value}


def test_a_plain_file_needs_no_extended_header() -> None:
    """ustar suffices for whole seconds, ASCII, and usual owners."""
    entry = Entry(b"usr/bin/env", EntryType.FILE, 0o755, 1000, 1000, 3, 1_700_000_000 * SECOND)
    assert len(archive((entry, [b"abc"]))) == 4 * 512


def test_the_header_is_one_of_ustar() -> None:
    """With magic number and version, and without names of users and groups (POSIX, `pax`)."""
    data = archive(
        (Entry(b"f", EntryType.CHARACTER_DEVICE, 0o4755, 1, 2, 0, 8 * SECOND, device=os.makedev(1, 3)), [])
    )
    assert data[:512] == tar.header(
        b"f",
        b"3",
        mode=b"0004755\0",
        uid=tar.octal(1, 8),
        gid=tar.octal(2, 8),
        mtime=tar.octal(8, 12),
        major=tar.octal(1, 8),
        minor=tar.octal(3, 8),
    )


def test_a_directory_gets_its_slash() -> None:
    assert write(Entry(b"d", EntryType.DIRECTORY)).names == [b"d/"]


def test_the_order_of_attributes_does_not_matter() -> None:
    one, other = {b"user.a": b"1", b"user.b": b"2"}, {b"user.b": b"2", b"user.a": b"1"}
    first, second = (archive((Entry(b"f", EntryType.FILE, xattrs=xattrs), [])) for xattrs in (one, other))
    assert first == second


def test_the_data_may_come_in_pieces() -> None:
    entry = Entry(b"f", EntryType.FILE, size=6)
    assert archive((entry, [b"ab", b"", b"cde", b"f"])) == archive((entry, [b"abcdef"]))


@pytest.mark.parametrize(
    "magic", [b"BZh91AY&SY", b"\x1f\x8b\x08", b"(\xb5/\xfd", b"P*M\x18", b"\xfd7zXZ", b'\x04"M\x18']
)
def test_an_archive_is_never_taken_for_compressed_data(magic: bytes) -> None:
    """Whatever the name of its first file, which is what the archive begins with."""
    assert write(Entry(magic, EntryType.FILE)).names == [magic]


@pytest.mark.parametrize("data", [b"", b"ab", b"abcd", b"a" * 1000])
def test_data_of_another_size_than_announced_is_an_error(data: bytes) -> None:
    with pytest.raises(Aborted, match=r"'etc/f\\xff' changed while it was read; try again"):
        archive((Entry(b"etc/f\xff", EntryType.FILE, size=3), [data]))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry(b"n" * 4097, EntryType.FILE), "its path is too long"),
        (Entry(b"n", EntryType.SYMLINK, link=b"l" * 4097), "the target of the link is too long"),
        (Entry(b"n", EntryType.FILE, xattrs={b"user.a=b": b""}), r"'n' has the extended attribute 'user\.a=b'"),
        (Entry(b"n", EntryType.FILE, xattrs={b"user.%d" % n: bytes(65536) for n in range(16)}), "take 1049014"),
    ],
    ids=["path", "link", "name of an attribute", "attributes"],
)
def test_what_others_could_not_read_is_refused(entry: Entry, message: str) -> None:
    """Nothing is written of it, so that the archive can go on."""
    written = io.BytesIO()
    with pytest.raises(FailedPrecondition, match=message):
        TarWriter(written.write).add(entry)
    assert not written.getvalue()


def test_a_file_of_more_than_8_gib() -> None:
    """Its size does not fit into the header's field."""
    zeros = bytes(1 << 26)
    entry = Entry(b"f", EntryType.FILE, size=(8 << 30) + 1)
    pieces: list[int] = []
    headers: list[bytes] = []

    def write(piece: bytes | memoryview) -> None:
        pieces.append(len(piece))
        if len(pieces) == 1:
            headers.append(bytes(piece))

    TarWriter(write).add(entry, [*[zeros] * 128, b"x"])
    assert b" size=8589934593\n" in headers[0]
    assert sum(pieces) == 3 * 512 + (8 << 30) + 512
