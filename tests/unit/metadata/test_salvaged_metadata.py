"""Nothing is collected while damaged metadata is missing, nor unasked after a rebuild that may have lost some."""

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
from lamina.snapshots.recovery import Places, rebuild
from lamina.testing import HostFactory
from tests.support.blobs import digest_of
from tests.support.waiting import wait_until

NAMED, NEEDED = digest_of(b"named"), digest_of(b"needed")
LABEL = "containerd.io/gc.ref.content.0"
METASTORE = "root/io.lamina.metastore.v1.lmdb"
WITHOUT_GRACE = {"io.containerd.gc.v1.scheduler": {"grace": "0s"}}
IN_INTERVALS = {"io.containerd.gc.v1.scheduler": {"grace": "0s", "interval": "1ms"}}


@pytest.fixture
def salvaged(lamina_host: HostFactory, tmp_path: Path) -> Host:
    """A host whose image needs a blob, as a label said that was damaged."""
    damage(lamina_host, tmp_path)
    return lamina_host(plugins=WITHOUT_GRACE)


def damage(lamina_host: HostFactory, tmp_path: Path) -> None:
    host = lamina_host(plugins=WITHOUT_GRACE)
    content: ContentStore = host.get(PluginType.CONTENT, "content")
    ingest(content, [NewBlob(NAMED, b"named", {LABEL: NEEDED}), NewBlob(NEEDED, b"needed")])
    metadata: MetadataStore = host.get(PluginType.METADATA, "lmdb")
    metadata.images("default").create(Image("image", Descriptor("type", NAMED, 5)))
    host.stop()
    file = tmp_path / METASTORE / "data.mdb"
    file.write_bytes(file.read_bytes().replace(LABEL.encode(), LABEL.upper().encode()))


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


def test_after_a_rebuild_only_a_caller_collects(
    lamina_host: HostFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller may import the images again before."""
    damage(lamina_host, tmp_path)
    rebuild(Places(str(tmp_path / "root"), str(tmp_path / METASTORE), {}))
    host = lamina_host(plugins=IN_INTERVALS)
    wait_until(lambda: "failed to collect garbage" in caplog.text, 60, "the first interval has ended")
    assert blobs(host) == {NAMED, NEEDED}
    list(host.get(PluginType.GC, "scheduler").collect())
    assert blobs(host) == {NAMED}


def test_a_caller_that_has_collected_everything_accepts_what_was_lost(
    lamina_host: HostFactory, tmp_path: Path
) -> None:
    damage(lamina_host, tmp_path)
    rebuild(Places(str(tmp_path / "root"), str(tmp_path / METASTORE), {}))
    host = lamina_host(plugins=WITHOUT_GRACE)
    scheduler, metastore = host.get(PluginType.GC, "scheduler"), host.get(PluginType.METASTORE, "lmdb")
    list(scheduler.collect(dry_run=True))
    list(scheduler.collect(content_only=True))
    with pytest.raises(DataLoss, match="names of images"):
        metastore.check_losses()
    list(scheduler.collect())
    metastore.check_losses()


def blobs(host: Host) -> set[str]:
    content: ContentStore = host.get(PluginType.CONTENT, "content")
    return {info.digest for info in content.walk()}
