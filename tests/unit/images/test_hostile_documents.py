"""Documents that are malformed, too large, or made to be understood in two ways."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images import documents
from lamina.images.documents import ImageConfig, Index, Manifest
from tests.support.images import CONFIG, DIGEST, INDEX, MANIFEST, descriptor_of
from tests.support.rounds import rounds

ENTRY = INDEX["manifests"][0]
MANIFESTS: dict[str, tuple[Any, str]] = {
    "no object": ([MANIFEST], "expected an object, found an array"),
    "a string for a number": (
        MANIFEST | {"schemaVersion": "2"},
        "schemaVersion: expected a whole number, found a",
    ),
    "true for a number": (MANIFEST | {"schemaVersion": True}, "expected a whole number, found true or false"),
    "an older schema": (MANIFEST | {"schemaVersion": 1}, "schema version 1: only 2 is supported"),
    "no configuration": ({"schemaVersion": 2, "layers": []}, "config is missing"),
    "manifests too (CVE-2021-41190)": (MANIFEST | {"manifests": []}, "it has 'manifests'"),
    "manifests in another case": (MANIFEST | {"Manifests": []}, "it has 'Manifests'"),
    "layers in another case, too": (MANIFEST | {"LAYERS": []}, "it has 'LAYERS'"),
    "a letter that folds to an ASCII one": (MANIFEST | {"layer\u017f": []}, "it has 'layer\u017f'"),
    "a media type in another case": (MANIFEST | {"MediaType": documents.OCI_INDEX}, "it has 'MediaType'"),
    "an index's media type": (MANIFEST | {"mediaType": documents.OCI_INDEX}, "its media type is"),
    "very many layers": (MANIFEST | {"layers": MANIFEST["layers"] * 501}, "1002 layers: at most 1000 are allowed"),
    "layers that are an object": (MANIFEST | {"layers": {}}, "layers: expected an array, found an object"),
    "a layer that is a string": (MANIFEST | {"layers": ["x"]}, "layers[0]: expected an object, found a string"),
    "an annotation that is a number": (
        MANIFEST | {"annotations": {"a": 1}},
        "annotations['a']: expected a string",
    ),
}
DESCRIPTORS: dict[str, tuple[dict[str, Any], str]] = {
    "no digest": ({"digest": None}, "digest is missing"),
    "an empty digest": ({"digest": ""}, "digest is empty"),
    "MD5": ({"digest": f"md5:{'a' * 32}"}, "algorithm 'md5' is not supported"),
    "SHA-512": ({"digest": f"sha512:{'a' * 128}"}, "algorithm 'sha512' is not supported"),
    "a short digest": ({"digest": f"sha256:{'a' * 63}"}, "64 lower-case hexadecimal digits"),
    "a long digest": ({"digest": f"sha256:{'a' * 65}"}, "64 lower-case hexadecimal digits"),
    "upper case": ({"digest": f"sha256:{'A' * 64}"}, "64 lower-case hexadecimal digits"),
    "a line break": ({"digest": f"{DIGEST}\n"}, "64 lower-case hexadecimal digits"),
    "a path (CVE-2024-3727)": ({"digest": f"sha256:../../../{'a' * 55}"}, "64 lower-case hexadecimal digits"),
    "a path for the algorithm": ({"digest": f"../sha256:{'a' * 64}"}, "is not supported"),
    "a negative size": ({"size": -1}, "size: -1 is not between 0 and 9223372036854775807"),
    "a size beyond 63 bits": ({"size": 1 << 63}, "size: 9223372036854775808 is not between 0"),
    "a size with a fraction": ({"size": 1.0}, "size: expected a whole number, found a number with a fraction"),
    "no size": ({"size": None}, "size is missing"),
    "no media type": ({"mediaType": None}, "mediaType is missing"),
}
JSON: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not valid JSON"),
    "two documents": (b"{}{}", "not valid JSON"),
    "UTF-16": (json.dumps(MANIFEST).encode("utf-16"), "not valid JSON"),
    "not UTF-8": (b'{"a": "\xff"}', "not valid JSON"),
    "half of a surrogate pair": (b'{"a": "\\ud800"}', "not valid JSON"),
    "not a number": (b'{"a": NaN}', "not valid JSON: NaN is no JSON number"),
    "a number of 5000 digits": (b'{"a": 1%s}' % (b"0" * 5000), "not valid JSON"),
    "a key twice": (b'{"schemaVersion": 2, "layers": [], "layers": []}', "an object has a key twice"),
    "depth": (b'{"a":' * 65 + b"1" + b"}" * 65, "nested more than 64 deep"),
    "great depth": (b"[" * 90_000 + b"]" * 90_000, "nested more than 64 deep"),
    "many values": (b"[" + b"{}," * documents.MAX_VALUES + b"{}]", "values: at most 100000 are allowed"),
    "many bytes": (b'"%s"' % (b"a" * documents.MAX_BYTES), "8388610 bytes: at most 8388608 are allowed"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_malformed_manifest_is_refused_with_the_place(name: str) -> None:
    document, message = MANIFESTS[name]
    assert message in refusal(Manifest, json.dumps(document).encode(), documents.OCI_MANIFEST)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_malformed_descriptor_is_refused_with_the_place(name: str) -> None:
    change, message = DESCRIPTORS[name]
    document = MANIFEST | {"layers": [MANIFEST["layers"][0], MANIFEST["layers"][0] | change]}
    error = refusal(Manifest, json.dumps(document).encode(), documents.OCI_MANIFEST)
    assert ": layers[1]: " in error
    assert message in error


@pytest.mark.parametrize("name", JSON)
def test_malformed_json_is_refused(name: str) -> None:
    data, message = JSON[name]
    assert message in refusal(Manifest, data, documents.OCI_MANIFEST)


@pytest.mark.parametrize("member", ["config", "layers", "Layers", "fsLayers"])
def test_an_index_with_a_member_of_a_manifest_is_refused(member: str) -> None:
    error = refusal(Index, json.dumps(INDEX | {member: []}).encode(), documents.OCI_INDEX)
    assert f"it has '{member}': it could be read as something else" in error


def test_an_index_is_no_manifest() -> None:
    data = json.dumps(INDEX | {"mediaType": ""}).encode()
    assert "is not that of a manifest" in refusal(Manifest, data, documents.OCI_INDEX)
    assert "it has 'manifests'" in refusal(Manifest, data, documents.OCI_MANIFEST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"os": None}, "os is missing"),
        ({"architecture": 64}, "architecture: expected a string, found a whole number"),
        ({"os": "\x1b[2Jlinux"}, "os: '\\x1b[2Jlinux' is not made of letters, digits"),
        ({"variant": "v" * 65}, "is not made of letters, digits"),
        ({"rootfs": None}, "rootfs is missing"),
        ({"rootfs": {"type": "erofs"}}, "type 'erofs' is not supported"),
        ({"rootfs": {"diff_ids": ["sha256:abc"]}}, "rootfs: diff_ids[0]: digest 'sha256:abc': expected"),
        ({"history": [{"empty_layer": 1}]}, "history[0]: empty_layer: expected true or false"),
    ],
)
def test_a_malformed_configuration_is_refused(change: dict[str, Any], message: str) -> None:
    assert message in refusal(ImageConfig, json.dumps(CONFIG | change).encode(), documents.OCI_CONFIG)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 1}, "bytes where its descriptor says 1"),
        ({"digest": DIGEST}, "its content has the digest sha256:"),
    ],
)
def test_a_document_that_its_descriptor_does_not_describe_is_refused(change: dict[str, Any], message: str) -> None:
    data = json.dumps(MANIFEST).encode()
    true = descriptor_of(data, documents.OCI_MANIFEST)
    false = Descriptor(true.media_type, change.get("digest", true.digest), change.get("size", true.size))
    with pytest.raises(InvalidArgument, match=message):
        Manifest.decode(data, false)


VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMES = ["schemaVersion", "mediaType", "manifests", "config", "layers", "digest", "size", "platform", "os"]


@hypothesis.settings(max_examples=rounds(100, 100_000))
@hypothesis.given(
    strategies.binary() | strategies.text().map(str.encode) | VALUES.map(lambda v: json.dumps(v).encode())
)
def test_anything_but_a_document_is_refused(data: bytes) -> None:
    for kind, media_type in KINDS:
        with pytest.raises(InvalidArgument):
            kind.decode(data, documents.describe(data, media_type))


@hypothesis.settings(max_examples=rounds(200, 100_000))
@hypothesis.given(strategies.data())
def test_a_mutated_document_is_read_or_refused(data: strategies.DataObject) -> None:
    document = mutated(json.loads(json.dumps(data.draw(strategies.sampled_from([MANIFEST, INDEX, CONFIG])))), data)
    encoded = json.dumps(document).encode()
    for kind, media_type in KINDS:
        try:
            kind.decode(encoded, documents.describe(encoded, media_type))
        except InvalidArgument as error:
            assert len(str(error)) < 1000  # noqa: PT017 - reading it is fine, too


KINDS: tuple[tuple[type[Manifest | Index | ImageConfig], str], ...] = (
    (Manifest, documents.OCI_MANIFEST),
    (Index, documents.OCI_INDEX),
    (ImageConfig, documents.OCI_CONFIG),
)


def mutated(value: Any, data: strategies.DataObject) -> Any:
    """Return a JSON value with one part of it replaced, added or removed."""
    if not value or not isinstance(value, dict | list) or data.draw(strategies.integers(0, 4)) == 0:
        return data.draw(VALUES)
    key = data.draw(strategies.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    match data.draw(strategies.sampled_from(["inside", "remove", "add"])):
        case "inside":
            value[key] = mutated(value[key], data)
        case "remove":
            del value[key]
        case "add" if isinstance(value, dict):
            value[data.draw(strategies.sampled_from(NAMES))] = data.draw(VALUES)
        case "add":
            value.append(data.draw(VALUES))
    return value


def refusal(kind: type[Manifest | Index | ImageConfig], data: bytes, media_type: str) -> str:
    with pytest.raises(InvalidArgument) as caught:
        kind.decode(data, descriptor_of(data, media_type))
    return str(caught.value)
