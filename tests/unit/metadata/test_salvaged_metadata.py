"""Nothing is collected while the metadata may lack what was damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.content import ContentStore, Descriptor, NewBlob, ingest
from lamina.errdefs import DataLoss
from lamina.host import Host
from lamina.images import Image
from lamina.metadata import MetadataStore
from lamina.metadata.collection import GarbageCollector
from lamina.plugin import PluginType
from lamina.testing import HostFactory
from tests.support.blobs import digest_of

NAMED, NEEDED = digest_of(b"named"), digest_of(b"needed")
LABEL = "containerd.io/gc.ref.content.0"


@pytest.fixture
def salvaged(lamina_host: HostFactory, tmp_path: Path) -> Host:
    """A host whose image needs a blob, as a label said that was damaged."""
    plugins = {"io.containerd.gc.v1.scheduler": {"grace": "0s"}}
    host = lamina_host(plugins=plugins)
    content: ContentStore = host.get(PluginType.CONTENT, "content")
    ingest(content, [NewBlob(NAMED, b"named", {LABEL: NEEDED}), NewBlob(NEEDED, b"needed")])
    metadata: MetadataStore = host.get(PluginType.METADATA, "lmdb")
    metadata.images("default").create(Image("image", Descriptor("type", NAMED, 5)))
    host.stop()
    file = tmp_path / "root/io.lamina.metastore.v1.lmdb/data.mdb"
    file.write_bytes(file.read_bytes().replace(LABEL.encode(), LABEL.upper().encode()))
    return lamina_host(plugins=plugins)


@pytest.mark.parametrize(
    "remove",
    [
        lambda collector: list(collector.collect()),
        lambda collector: list(collector.collect(content_only=True)),
        lambda collector: list(collector.collect(dry_run=True)),
    ],
    ids=["everything", "content", "dry run"],
)
def test_a_collection_fails_and_removes_nothing(
    salvaged: Host, remove: Callable[[GarbageCollector], object]
) -> None:
    with pytest.raises(DataLoss, match="lamina metastore rebuild"):
        remove(salvaged.get(PluginType.GC, "scheduler"))
    assert blobs(salvaged) == {NAMED, NEEDED}


def test_nothing_is_discarded(salvaged: Host, caplog: pytest.LogCaptureFixture) -> None:
    salvaged.get(PluginType.GC, "scheduler").discard([NEEDED])
    assert blobs(salvaged) == {NAMED, NEEDED}
    assert "kept blobs that were to be discarded" in caplog.text


def blobs(host: Host) -> set[str]:
    content: ContentStore = host.get(PluginType.CONTENT, "content")
    return {info.digest for info in content.walk()}
