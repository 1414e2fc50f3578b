"""Labels of blobs are kept durably, for any content store."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, InvalidArgument
from lamina.metadata import Metadata
from lamina.store import Store

DIGESTS = [f"sha256:{number:064x}" for number in range(3)]


def test_labels_outlive_the_store(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    Metadata.open(store).labels.put(DIGESTS[0], {"containerd.io/gc.root": "ä"})
    store.close()
    store = Store.open(str(tmp_path))
    assert Metadata.open(store).labels.get(DIGESTS[0]) == {"containerd.io/gc.root": "ä"}
    store.close()


def test_labels_are_replaced_and_forgotten(metadata: Metadata) -> None:
    labels = metadata.labels
    labels.put(DIGESTS[0], {"a": "1"})
    labels.put(DIGESTS[0], {"b": "2", "c": ""})
    assert labels.get(DIGESTS[0]) == {"b": "2"}
    labels.delete(DIGESTS[0])
    labels.delete(DIGESTS[0])
    assert labels.get(DIGESTS[0]) == {}


def test_only_blobs_with_labels_are_met(metadata: Metadata) -> None:
    labels = metadata.labels
    for digest in reversed(DIGESTS):
        labels.put(digest, {"a": digest})
    labels.put(DIGESTS[1], {})
    assert list(labels.walk()) == [(digest, {"a": digest}) for digest in (DIGESTS[0], DIGESTS[2])]


def test_malformed_labels_are_refused(metadata: Metadata) -> None:
    with pytest.raises(InvalidArgument):
        metadata.labels.put(DIGESTS[0], {"a": "x" * 4096})
    assert list(metadata.labels.walk()) == []


def test_labels_that_cannot_be_read_are_reported(store: Store, metadata: Metadata) -> None:
    store.table("content", 1).write(lambda transaction: transaction.put(DIGESTS[0].encode(), b"{"))
    with pytest.raises(DataLoss, match=f"labels of blob {DIGESTS[0]} cannot be read"):
        metadata.labels.get(DIGESTS[0])
