"""The metadata as a plugin of a host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lamina.content import Descriptor
from lamina.errdefs import PluginFailed
from lamina.host import Host
from lamina.images import Image
from lamina.metadata import MetadataStore
from lamina.plugin import PluginType, Registration, hookimpl
from lamina.testing import HostFactory

DIGEST = f"sha256:{0:064x}"
IMAGE = Image("debian:12", Descriptor("application/vnd.oci.image.index.v1+json", DIGEST, 7))


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    return [Registration(type=PluginType.METADATA, id="other", init=lambda _: object())]


def metadata(host: Host) -> MetadataStore:
    store: MetadataStore = host.get(PluginType.METADATA, "lmdb")
    return store


def test_names_and_labels_survive_a_restart(lamina_host: HostFactory) -> None:
    host = lamina_host()
    made = metadata(host).images("default").create(IMAGE)
    metadata(host).labels.put(DIGEST, {"kept": "yes"})
    host.stop()
    store = metadata(lamina_host())
    assert store.images("default").get("debian:12") == made
    assert store.namespaces() == ["default"]
    assert store.labels.get(DIGEST) == {"kept": "yes"}


def test_metadata_of_a_third_party_must_have_the_members_of_the_contract(lamina_host: HostFactory) -> None:
    with pytest.raises(PluginFailed, match="labels"):
        lamina_host(__name__).get(PluginType.METADATA, "other")
