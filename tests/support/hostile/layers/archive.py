"""Making layers by the entry, well-formed or not."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)

Maker = Callable[[str], bytes]


@attrs.frozen
class HostileLayer:
    """A layer, or the one that comes after `base`."""

    name: str
    make: Maker
    """Return the archive, given the absolute path of a directory that it must not touch."""
    refused: bool
    """Whether it must end in an error; otherwise it may be applied, within the tree."""


class Corpus(list[HostileLayer]):
    """The layers of one module, in the order of their definitions."""

    def layer(self, maker: Maker) -> Maker:
        """Add a layer that may be applied, or be refused."""
        self.append(HostileLayer(maker.__name__, maker, refused=False))
        return maker

    def refused(self, maker: Maker) -> Maker:
        """Add a layer that must be refused."""
        self.append(HostileLayer(maker.__name__, maker, refused=True))
        return maker


@attrs.frozen
class Member:
    """An entry that tarfile can write."""

    info: tarfile.TarInfo
    data: bytes = b""


def file(name: str, data: bytes = b"hostile", **changes: object) -> Member:
    """A regular file."""
    return Member(_info(name, tarfile.REGTYPE, size=len(data), **changes), data)


def directory(name: str, **changes: object) -> Member:
    """A directory."""
    return Member(_info(name, tarfile.DIRTYPE, **{"mode": 0o755, **changes}))


def symlink(name: str, target: str, **changes: object) -> Member:
    """A symbolic link."""
    return Member(_info(name, tarfile.SYMTYPE, linkname=target, **changes))


def hard_link(name: str, target: str, **changes: object) -> Member:
    """A hard link."""
    return Member(_info(name, tarfile.LNKTYPE, linkname=target, **changes))


def special(name: str, type_: bytes, major: int = 0, minor: int = 0, **changes: object) -> Member:
    """A device, a FIFO, or a file of any other type."""
    return Member(_info(name, type_, devmajor=major, devminor=minor, **changes))


def with_xattrs(member: Member, xattrs: Mapping[str, str]) -> Member:
    """The member with extended attributes."""
    member.info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in xattrs.items()}
    return member


def archive(*members: Member) -> bytes:
    """A PAX archive, as tarfile writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for member in members:
            tar.addfile(member.info, io.BytesIO(member.data))
    return buffer.getvalue()


def header(
    name: bytes = b"file",
    *,
    type_: bytes = b"0",
    size: bytes = b"%011o\0" % 0,
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    mtime: bytes = b"%011o\0" % 0,
    link: bytes = b"",
    device: bytes = bytes(16),
    magic: bytes = b"ustar\x0000",
    checksum: bytes = b"",
) -> bytes:
    """A block with these fields, as they stand (pax, ustar header block), and its own right checksum."""
    fields = [name[:100].ljust(100, b"\0"), mode, uid, b"0000000\0", size, mtime, b" " * 8, type_]
    fields += [link[:100].ljust(100, b"\0"), magic.ljust(8, b"\0"), bytes(64), device, bytes(155), bytes(12)]
    block = b"".join(fields)
    return block[:148] + (checksum or b"%06o\0 " % sum(block)) + block[156:]


def padded(data: bytes) -> bytes:
    """The data, and zeros to the end of its last block."""
    return data + bytes(-len(data) % BLOCK)


def extended(records: bytes, *, type_: bytes = b"x") -> bytes:
    """A PAX header with records, as they stand."""
    return header(b"pax", type_=type_, size=b"%011o\0" % len(records)) + padded(records)


def record(key: bytes, value: bytes) -> bytes:
    """A PAX record."""
    length = len(key) + len(value) + 3
    while len(str(length)) + len(key) + len(value) + 3 != length:
        length = len(str(length)) + len(key) + len(value) + 3
    return b"%d %s=%s\n" % (length, key, value)


def base256(value: int, width: int = 12) -> bytes:
    """A number as GNU tar writes what octal digits cannot hold."""
    return bytes([(value >> (8 * (width - 1))) & 0xFF | 0x80]) + value.to_bytes(width, "big", signed=True)[1:]


def blocks(*parts: bytes) -> bytes:
    """The parts, and the end of an archive."""
    return b"".join(parts) + END


def base(outside: str) -> bytes:
    """The layer below: directories, files, and links that lead out of the tree."""
    return archive(
        directory("d"),
        file("d/file"),
        directory("usr/lib"),
        symlink("lib", "usr/lib"),
        symlink("out", outside),
        symlink("victim", f"{outside}/victim"),
        file("plain"),
    )


def _info(name: str, type_: bytes, **changes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = type_
    for field, value in changes.items():
        setattr(info, field, value)
    return info


def all_names(layers: Iterable[HostileLayer]) -> list[str]:
    """The names of layers, for pytest."""
    return [layer.name for layer in layers]
