"""The labels of blobs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from lamina.errdefs import DataLoss
from lamina.labels import check_labels
from lamina.store import Table


class StoredLabels:
    """The labels of blobs in a table, under their digests (`lamina.content.BlobLabels`)."""

    def __init__(self, table: Table) -> None:
        """Use `Metadata.labels`."""
        self._table = table

    def get(self, digest: str) -> Mapping[str, str]:
        """Return the labels of a blob; none if nothing is stored for it."""
        data = self._table.get(digest.encode())
        return {} if data is None else _decode(digest, data)

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        """Replace the labels of a blob."""
        checked = check_labels(labels)
        if not checked:
            self.delete(digest)
            return
        data = json.dumps(checked, separators=(",", ":")).encode()
        self._table.write(lambda transaction: transaction.put(digest.encode(), data))

    def delete(self, digest: str) -> None:
        """Forget the labels of a blob. It need not have any."""
        key = digest.encode()
        if self._table.get(key) is not None:  # most blobs have none, and a write costs a commit
            self._table.write(lambda transaction: transaction.delete(key))

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield each digest that has labels, with them, in byte order."""
        for key, data in self._table.walk():
            digest = key.decode()
            yield digest, _decode(digest, data)


def _decode(digest: str, data: bytes) -> dict[str, str]:
    try:
        labels: dict[str, str] = json.loads(data)
    except ValueError as error:
        raise DataLoss(f"the labels of blob {digest} cannot be read: {error}") from error
    return labels
