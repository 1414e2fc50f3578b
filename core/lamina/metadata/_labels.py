"""The labels of blobs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from lamina.errdefs import DataLoss
from lamina.labels import check_labels
from lamina.metadata._node import EVERY, Node, blob
from lamina.metadata._protection import Protection
from lamina.store import Table, TableTransaction


class StoredLabels:
    """The labels of blobs in a table, under their digests (`lamina.content.BlobLabels`)."""

    def __init__(self, table: Table, protection: Protection) -> None:
        """Use `Metadata.labels`."""
        self._table = table
        self._protection = protection

    def get(self, digest: str) -> Mapping[str, str]:
        """Return the labels of a blob; none if nothing is stored for it."""
        data = self._table.get(digest.encode())
        return {} if data is None else _decode(digest, data)

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        """Replace the labels of a blob."""
        self.put_all({digest: labels})

    def delete(self, digest: str) -> None:
        """Delete the labels of a blob, which need not have any."""
        self.put_all({digest: {}})

    def put_all(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the labels of several blobs in one transaction. Entries without labels are deleted."""
        values = {digest.encode(): _encode(check_labels(one)) for digest, one in labels.items()}

        def body(transaction: TableTransaction) -> None:
            for key, value in values.items():
                if value:
                    transaction.put(key, value)
                else:
                    transaction.delete(key)

        if not any(values.values()) and not self._table.read(lambda table: any(map(table.get, values))):
            return  # most blobs have none, and a write costs a commit
        with self._protection.held(_needed(labels)):
            if any(values.values()):
                self._table.write(body)
            else:
                self._table.remove(body)

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield each digest that has labels, with them, in byte order."""
        for key, data in self._table.walk():
            digest = key.decode()
            yield digest, _decode(digest, data)


def _encode(labels: Mapping[str, str]) -> bytes:
    """Encode the labels of a blob; none are b""."""
    return json.dumps(labels, separators=(",", ":")).encode() if labels else b""


def _needed(labels: Mapping[str, Mapping[str, str]]) -> list[Node]:
    """Return the things that a collector has to mark when labels are stored."""
    from lamina.metadata._references import references

    found = []
    for digest, one in labels.items():
        if one:
            found += [blob(digest), *(node for _, node in references(one, EVERY))]
    return found


def _decode(digest: str, data: bytes) -> dict[str, str]:
    try:
        labels: dict[str, str] = json.loads(data)
    except ValueError as error:
        raise DataLoss(f"the labels of blob {digest} cannot be read: {error}") from error
    return labels
