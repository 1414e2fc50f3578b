"""A host in this process that pulls and pushes images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from lamina.content import ContentStore
from lamina.host import Host
from lamina.images import Image, Transfer
from lamina.metadata import MetadataStore
from lamina.plugin import PluginType
from tests.support.images.trees import files_of


@attrs.frozen
class PullingHost:
    """A host, and what of it transfers use."""

    transfer: Transfer
    content: ContentStore
    metadata: MetadataStore
    host: Host

    def files(self, image: Image) -> dict[str, str | None]:
        chain_id = self.transfer.resolve(image.name).chain_id
        return files_of(self.host.get(PluginType.SNAPSHOTTER, "overlayfs").keyspace("images/default"), chain_id)

    def blobs(self) -> set[str]:
        return {info.digest for info in self.content.walk()}

    def names(self) -> list[str]:
        return [image.name for image in self.metadata.images("default").list()]


@contextlib.contextmanager
def pulling_host(directory: Path, modules: Sequence[str] = ()) -> Iterator[PullingHost]:
    """Run a host in this process, with root and state in a directory, and further modules with plugins."""
    with Host.from_config({"root": f"{directory}/root", "state": f"{directory}/state"}, modules) as host:
        yield PullingHost(
            host.get(PluginType.TRANSFER, "local"),
            host.get(PluginType.CONTENT, "content"),
            host.get(PluginType.METADATA, "lmdb"),
            host,
        )
