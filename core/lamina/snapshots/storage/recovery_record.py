"""Recovery records: records of snapshots that can be read without a metastore."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

from lamina.errdefs import DataLoss, InvalidArgument
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots.storage._record import Record

VERSION: Final = 2
"""The version to write. Version 1, without `metastore` and `crc32`, can be read too."""
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
"""Encodes the fields that the checksum covers."""


class RecoveryRecord(NamedTuple):
    """The content of a recovery record's file."""

    snapshotter: str
    keyspace: str
    record: Record
    metastore: str = ""
    """The UUID of the metastore that held the record; "" in version 1."""

    def encode(self) -> bytes:
        """Encode the record as a JSON object with a checksum of the other fields."""
        encoded = _canonical(self._document()).encode()
        return b'%b,"crc32":"%08x"}' % (encoded[:-1], zlib.crc32(encoded))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode a file.

        Raises:
            DataLoss: It is truncated, altered, or not a recovery record.
        """
        try:
            document = json.loads(data)
            _check(document)
            return cls._from(document)
        except (ValueError, TypeError, KeyError, RecursionError, InvalidArgument) as error:
            problem = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
            raise DataLoss(f"a recovery record of {len(data)} bytes cannot be read: {problem}") from error

    def _document(self) -> dict[str, Any]:
        record, info = self.record, self.record.info
        return {
            "version": VERSION,
            "metastore": self.metastore,
            "snapshotter": self.snapshotter,
            "keyspace": self.keyspace,
            "id": record.id,
            "key": info.name,
            "kind": info.kind.name.lower(),
            "parent": info.parent,
            "parent_ids": list(record.parent_ids),
            "labels": dict(info.labels),
            "created": info.created,
            "updated": info.updated,
            "size": record.usage.size,
            "inodes": record.usage.inodes,
        }

    @classmethod
    def _from(cls, document: Mapping[str, Any]) -> Self:
        labels = _typed(document, "labels", dict)
        info = Info(
            name=_typed(document, "key", str),
            kind=Kind.parse(_typed(document, "kind", str)),
            parent=_typed(document, "parent", str),
            labels={str(key): str(value) for key, value in labels.items()},
            created=_typed(document, "created", int),
            updated=_typed(document, "updated", int),
        )
        record = Record(
            id=_typed(document, "id", int),
            info=info,
            usage=Usage(_typed(document, "size", int), _typed(document, "inodes", int)),
            parent_ids=tuple(map(int, _typed(document, "parent_ids", list))),
        )
        return cls(
            _typed(document, "snapshotter", str),
            _typed(document, "keyspace", str),
            record,
            str(document.get("metastore", "")),
        )


def _check(document: Any) -> None:
    """Check the version and the checksum of a document, and remove the checksum."""
    if not isinstance(document, dict):
        raise TypeError(f"a JSON {type(document).__name__} instead of an object")
    version = document.get("version")
    if version == 1:
        return
    if version != VERSION:
        raise ValueError(f"version {version!r} is unknown (1 and {VERSION} are known): written by a newer lamina?")
    stored = document.pop("crc32", None)
    if stored != (computed := _checksum(document)):
        raise ValueError(f"its checksum is {computed}, but it stores {stored!r}")


def _checksum(document: Mapping[str, Any]) -> str:
    """Return the CRC-32 of a document, independent of order and spacing in its file."""
    return f"{zlib.crc32(_canonical(document).encode()):08x}"


def _typed(document: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    value = document[name]
    if type(value) is not kind:
        raise TypeError(f"{name}: {value!r} where {kind.__name__} is expected")
    return value
