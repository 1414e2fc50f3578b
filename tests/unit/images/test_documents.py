"""Manifests, indexes and image configurations."""

from __future__ import annotations

import json

import pytest

from lamina.content import Descriptor
from lamina.images import documents
from lamina.images.documents import History, ImageConfig, Index, IndexEntry, Manifest, Platform, RootFS
from tests.support.images import CONFIG, DIGEST, INDEX, MANIFEST, descriptor_of

LAYER = Descriptor(documents.OCI_LAYER_GZIP, DIGEST, 32654)


def test_a_manifest_has_a_configuration_and_layers() -> None:
    data = json.dumps(MANIFEST).encode()
    manifest = Manifest.decode(data, descriptor_of(data, documents.OCI_MANIFEST))
    assert manifest.config == Descriptor(documents.OCI_CONFIG, DIGEST, 7023)
    assert manifest.layers == (LAYER, attribute_of(LAYER))
    assert manifest.annotations == {"com.example.key": "value"}
    assert manifest.is_image


def attribute_of(layer: Descriptor) -> Descriptor:
    return Descriptor(layer.media_type, layer.digest, layer.size, {"com.example.layer": "second"})


def test_a_docker_manifest_is_one_too() -> None:
    document = MANIFEST | {"mediaType": documents.DOCKER_MANIFEST}
    data = json.dumps(document).encode()
    manifest = Manifest.decode(data, descriptor_of(data, documents.DOCKER_MANIFEST))
    assert manifest.media_type == documents.DOCKER_MANIFEST


def test_a_manifest_of_another_artifact_is_no_image() -> None:
    document = MANIFEST | {"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"} | DESCRIBED}
    data = json.dumps(document).encode()
    assert not Manifest.decode(data, descriptor_of(data, documents.OCI_MANIFEST)).is_image


DESCRIBED = {"digest": DIGEST, "size": 3}


def test_an_index_has_manifests_for_platforms() -> None:
    data = json.dumps(INDEX).encode()
    index = Index.decode(data, descriptor_of(data, documents.OCI_INDEX))
    manifest = Descriptor(documents.OCI_MANIFEST, DIGEST, 7143)
    assert index.entries == (
        IndexEntry(manifest, Platform("linux", "ppc64le")),
        IndexEntry(manifest, Platform("linux", "arm", "v7")),
        IndexEntry(manifest),
    )


def test_an_entry_with_an_empty_platform_has_none() -> None:
    document = {"schemaVersion": 2, "manifests": [INDEX["manifests"][2] | {"platform": {"os": "", "x": 1}}]}
    data = json.dumps(document).encode()
    assert Index.decode(data, descriptor_of(data, documents.OCI_INDEX)).entries[0].platform is None


@pytest.mark.parametrize(
    "entry",
    [
        IndexEntry(LAYER, Platform("unknown", "unknown")),
        IndexEntry(
            Descriptor(documents.OCI_MANIFEST, DIGEST, 1, {"vnd.docker.reference.type": "attestation-manifest"})
        ),
    ],
    ids=["platform", "annotation"],
)
def test_an_attestation_is_recognised(entry: IndexEntry) -> None:
    assert entry.is_attestation


def test_an_image_configuration_has_a_platform_layers_and_a_history() -> None:
    data = json.dumps(CONFIG).encode()
    config = ImageConfig.decode(data, descriptor_of(data, documents.OCI_CONFIG))
    assert config.platform == Platform("linux", "amd64")
    assert config.rootfs == RootFS((DIGEST, DIGEST))
    assert config.config["Env"] == ["PATH=/usr/bin", "FOO=oci_is_a"]
    assert config.history == (
        History("2015-10-31T22:22:54.690851953Z", "/bin/sh -c #(nop) ADD file"),
        History("2015-10-31T22:22:55.613815829Z", '/bin/sh -c #(nop) CMD ["sh"]', empty_layer=True),
    )


def test_members_that_are_null_count_as_missing() -> None:
    """As Go's encoder writes empty lists and maps."""
    document = CONFIG | {"history": None, "config": None, "rootfs": {"type": "layers", "diff_ids": None}}
    data = json.dumps(document).encode()
    config = ImageConfig.decode(data, descriptor_of(data, documents.OCI_CONFIG))
    assert (config.history, config.config, config.rootfs.diff_ids) == ((), {}, ())


@pytest.mark.parametrize(
    ("kind", "document", "media_type"),
    [(Manifest, MANIFEST, documents.OCI_MANIFEST), (Index, INDEX, documents.OCI_INDEX)],
)
def test_a_document_that_is_written_is_read_again(
    kind: type[Manifest | Index], document: dict[str, object], media_type: str
) -> None:
    data = json.dumps(document).encode()
    first = kind.decode(data, descriptor_of(data, media_type))
    written = json.dumps(first.document()).encode()
    assert kind.decode(written, documents.describe(written, media_type)) == first


def test_chain_ids_cover_the_layers_below() -> None:
    """The second is that of the image specification's formula, computed with sha256sum."""
    lowest, upper = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    chain = documents.chain_ids([lowest, upper])
    assert chain == (lowest, "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c")
    assert documents.chain_ids([]) == ()
