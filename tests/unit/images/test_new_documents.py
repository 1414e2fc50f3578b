"""The documents of an image that is built on another one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lamina.content import ContentStore, Descriptor, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.errdefs import InvalidArgument, NotFound
from lamina.images import ConfigChanges
from lamina.images.building._base import Base
from lamina.images.building._documents import NewDocuments, NewLayer, build_documents
from lamina.images.documents import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    History,
    Platform,
    chain_ids,
)
from tests.support.images import Documents
from tests.support.images.documents import DIGEST

STEP = History("2026-11-28T00:00:00Z", "lamina", comment="why")
LAYER = NewLayer(Descriptor(OCI_LAYER_GZIP, DIGEST, 7), DIGEST)
CONFIG: dict[str, Any] = {
    "created": "2015-10-31T22:22:56.015925234Z",
    "author": "somebody",
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "docker_version": "20.10",
    "config": {"Env": ["A=1"], "OnBuild": ["RUN true"]},
    "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
    "history": [{"created_by": "ADD file", "x-step": 1}, {"created_by": "ENV A=1", "empty_layer": True}],
    "x-config": {"ü": [1.5, None]},
}


@pytest.fixture
def made() -> Documents:
    return Documents()


@pytest.fixture
def content(tmp_path: Path) -> Iterator[ContentStore]:
    with closing(LocalContentStore(str(tmp_path / "content"))) as store:
        yield store


def manifest_of(
    made: Documents, config: object, *layers: Descriptor, docker: bool = False, **more: object
) -> Descriptor:
    described = made.add_json(config, DOCKER_CONFIG if docker else OCI_CONFIG)
    kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
    blobs = [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in (described, *layers)]
    document = {"schemaVersion": 2, "mediaType": kind, "config": blobs[0], "layers": blobs[1:], **more}
    return made.add_json(document, kind)


def read(made: Documents, content: ContentStore, descriptor: Descriptor) -> Base:
    ingest(content, [NewBlob(digest, data) for digest, data in made.blobs.items()])
    return Base.read(content, descriptor)


def decoded(built: NewDocuments) -> tuple[dict[str, Any], dict[str, Any]]:
    return json.loads(built.config_data), json.loads(built.manifest_data)


def test_unknown_members_are_kept(made: Documents, content: ContentStore) -> None:
    layer = Descriptor(OCI_LAYER_GZIP, DIGEST, 5)
    base = read(made, content, manifest_of(made, CONFIG, layer, annotations={"a": "b"}, x=[1]))
    config, manifest = decoded(build_documents(base, STEP, ConfigChanges(), LAYER))
    assert config == {
        **CONFIG,
        "created": STEP.created,
        "rootfs": {"type": "layers", "diff_ids": [DIGEST, DIGEST]},
        "history": [
            *CONFIG["history"],
            {"created": STEP.created, "created_by": "lamina", "comment": "why"},
        ],
    }
    assert (manifest["annotations"], manifest["x"]) == ({"a": "b"}, [1])
    assert [one["size"] for one in manifest["layers"]] == [5, 7]


def test_without_a_layer_the_history_says_so(made: Documents, content: ContentStore) -> None:
    base = read(made, content, manifest_of(made, CONFIG, Descriptor(OCI_LAYER_GZIP, DIGEST, 5)))
    config, manifest = decoded(build_documents(base, STEP, ConfigChanges(), None))
    assert config["history"][-1]["empty_layer"] is True
    assert config["rootfs"] == CONFIG["rootfs"]
    assert len(manifest["layers"]) == 1


def test_a_history_without_entries_for_the_layers_gets_them(made: Documents, content: ContentStore) -> None:
    config = {name: value for name, value in CONFIG.items() if name != "history"}
    base = read(made, content, manifest_of(made, config, Descriptor(OCI_LAYER_GZIP, DIGEST, 5)))
    built, _ = decoded(build_documents(base, STEP, ConfigChanges(), LAYER))
    assert [step.get("created_by") for step in built["history"]] == [None, "lamina"]


def test_an_image_of_docker_becomes_one_of_oci(made: Documents, content: ContentStore) -> None:
    """Its layers keep their digests. A compressed one gets such a type, even if its type in Docker was not one."""
    compressed, plain = made.add(b"\x1f\x8b\x08" + bytes(20), DOCKER_LAYER), made.add(bytes(1024), DOCKER_LAYER)
    layers = Descriptor(DOCKER_LAYER_GZIP, DIGEST, 5), compressed, plain, Descriptor(DOCKER_LAYER, DIGEST, 9)
    config = {**CONFIG, "rootfs": {"type": "layers", "diff_ids": [DIGEST] * 4}}
    base = read(made, content, manifest_of(made, config, *layers, docker=True))
    _, manifest = decoded(build_documents(base, STEP, ConfigChanges(), LAYER))
    assert (manifest["mediaType"], manifest["config"]["mediaType"]) == (OCI_MANIFEST, OCI_CONFIG)
    assert [one["mediaType"] for one in manifest["layers"]] == [
        OCI_LAYER_GZIP,
        OCI_LAYER_GZIP,
        OCI_LAYER,
        OCI_LAYER,
        OCI_LAYER_GZIP,
    ]
    assert [one["digest"] for one in manifest["layers"][:4]] == [layer.digest for layer in layers]


def test_an_image_without_a_base_is_for_the_host(content: ContentStore) -> None:
    config, manifest = decoded(build_documents(Base.empty(), STEP, ConfigChanges(user="1"), LAYER))
    assert {name: config.get(name) for name in ("os", "architecture")} == {
        name: value for name, value in Platform.host().document().items() if name in {"os", "architecture"}
    }
    assert config["config"] == {"User": "1"}
    assert manifest["schemaVersion"] == 2


def test_the_author_is_of_the_image_and_can_be_removed(made: Documents, content: ContentStore) -> None:
    base = read(made, content, manifest_of(made, CONFIG, Descriptor(OCI_LAYER_GZIP, DIGEST, 5)))
    for author, expected in ((None, "somebody"), ("", None), ("me", "me")):
        config, _ = decoded(build_documents(base, STEP, ConfigChanges(author=author), None))
        assert config.get("author") == expected


def test_the_same_input_gives_the_same_documents(made: Documents, content: ContentStore) -> None:
    base = read(made, content, manifest_of(made, CONFIG, Descriptor(OCI_LAYER_GZIP, DIGEST, 5)))
    changes = [ConfigChanges(labels=labels) for labels in ({"a": "1", "b": "2"}, {"b": "2", "a": "1"})]
    first, second = (build_documents(base, STEP, one, LAYER) for one in changes)
    assert first == second


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="not Unicode text"):
        build_documents(Base.empty(), STEP, ConfigChanges(user="\udcff"), None)


def test_a_base_has_the_chain_id_of_its_layers(made: Documents, content: ContentStore) -> None:
    base = read(made, content, manifest_of(made, CONFIG, Descriptor(OCI_LAYER_GZIP, DIGEST, 5)))
    assert (base.chain_id, Base.empty().chain_id) == (chain_ids([DIGEST])[-1], "")


def test_a_missing_document_is_told(made: Documents, content: ContentStore) -> None:
    target = manifest_of(made, CONFIG)
    with pytest.raises(NotFound, match=target.digest):
        Base.read(content, target)
