"""Archives that Python's tarfile writes, which are read as what was written."""

from __future__ import annotations

import io
import os
import tarfile

from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.layers import Entry, EntryType
from tests.support.rounds import rounds
from tests.support.tar import read

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
LINKS = (tarfile.LNKTYPE, tarfile.SYMTYPE)
DEVICES = (tarfile.CHRTYPE, tarfile.BLKTYPE)

names = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and not name.startswith(b"/"))
attributes = st.dictionaries(
    st.text("abcd.%", min_size=1, max_size=20).map("user.".__add__),
    st.text("ab=\n \0é€", min_size=1, max_size=100),
    max_size=3,
)


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(os.fsdecode(draw(names)).rstrip("/") or "x")
    info.type = draw(st.sampled_from(list(TYPES)))
    data = draw(st.binary(max_size=1500)) if info.type == tarfile.REGTYPE else b""
    info.size = len(data)
    info.mode = draw(st.integers(0, 0o7777))
    info.uid, info.gid = draw(st.integers(0, (1 << 32) - 2)), draw(st.integers(0, (1 << 32) - 2))
    info.mtime = draw(st.integers(-(1 << 40), 1 << 40))
    if info.type in LINKS:
        info.linkname = os.fsdecode(draw(names))
    if info.type in DEVICES:
        info.devmajor, info.devminor = draw(st.integers(0, 4095)), draw(st.integers(0, (1 << 20) - 1))
    return info, data


@settings(max_examples=rounds(60, 20_000))
@given(st.lists(members(), max_size=6))
def test_gnu_archives_are_read_as_written(written: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    compare(written, tarfile.GNU_FORMAT)


@settings(max_examples=rounds(60, 20_000))
@given(st.lists(st.tuples(members(), attributes), max_size=6))
def test_pax_archives_are_read_as_written(
    written: list[tuple[tuple[tarfile.TarInfo, bytes], dict[str, str]]],
) -> None:
    for (info, _), xattrs in written:
        info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in xattrs.items()}
    entries = compare([member for member, _ in written], tarfile.PAX_FORMAT)
    assert [entry.xattrs for entry in entries] == [
        {name.encode(): value.encode() for name, value in xattrs.items()} for _, xattrs in written
    ]


def compare(written: list[tuple[tarfile.TarInfo, bytes]], format_: int) -> list[Entry]:
    """Write an archive, and compare what is read with it; return the entries."""
    buffer = io.BytesIO()
    written = [(tarfile.TarInfo("a name that begins like no compressed data"), b""), *written]
    with tarfile.open(fileobj=buffer, mode="w", format=format_, errors="surrogateescape") as archive:
        for info, data in written:
            archive.addfile(info, io.BytesIO(data))
    archived = read(buffer.getvalue())
    assert [fields(entry) for entry in archived.entries] == [
        (
            os.fsencode(info.name) + (b"/" if info.isdir() else b""),
            TYPES[info.type],
            info.mode,
            info.uid,
            info.gid,
            info.size,
            info.mtime * SECOND,
            os.fsencode(info.linkname),
            os.makedev(info.devmajor, info.devminor) if info.type in DEVICES else 0,
        )
        for info, _ in written
    ]
    assert archived.data == [data for _, data in written]
    return archived.entries[1:]


def fields(entry: Entry) -> tuple[object, ...]:
    return (
        entry.name,
        entry.type,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        entry.mtime,
        entry.link,
        entry.device,
    )
