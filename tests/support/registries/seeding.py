"""What tests put into registries, with a client of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import urllib.parse

import attrs

from lamina.content import Descriptor
from tests.support.blobs import digest_of
from tests.support.images.documents import Documents
from tests.support.registries.docker_registry import DockerRegistry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"


@attrs.frozen
class SeededImage:
    """An image in a registry."""

    path: str
    tag: str
    document: bytes
    config: bytes
    layer: bytes

    @property
    def descriptor(self) -> Descriptor:
        return described(self.document, MANIFEST)

    @property
    def layer_descriptor(self) -> Descriptor:
        return described(self.layer)


def described(data: bytes, media_type: str = LAYER) -> Descriptor:
    """The descriptor of a blob with that data."""
    return Descriptor(media_type, digest_of(data), len(data))


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that look like nothing."""
    return random.Random(seed).randbytes(size)


def image_document(config: bytes, layer: bytes) -> bytes:
    """A manifest of one layer."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": digest_of(layer), "size": len(layer)}],
    }
    return json.dumps(document).encode()


def seed_image(registry: DockerRegistry, path: str, layer: bytes, tag: str = "latest") -> SeededImage:
    """Put an image of one layer into a registry that lets everybody in."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
    document = image_document(config, layer)
    seed_blob(registry, path, layer)
    seed_blob(registry, path, config)
    _request(registry, "PUT", f"/v2/{path}/manifests/{tag}", document, {"Content-Type": MANIFEST}, 201)
    return SeededImage(path, tag, document, config, layer)


def seed_documents(registry: DockerRegistry, path: str, made: Documents, target: Descriptor, tag: str) -> None:
    """Put an image of any kind into a registry that lets everybody in, with all blobs that it refers to."""
    _seed(registry, path, made, target)
    _put(registry, path, made.blobs[target.digest], target.media_type, tag)


def _seed(registry: DockerRegistry, path: str, made: Documents, target: Descriptor) -> None:
    document = json.loads(made.blobs[target.digest])
    for entry in document.get("manifests", ()):
        _seed(registry, path, made, Descriptor(entry["mediaType"], entry["digest"], entry["size"]))
    for blob in (*document.get("layers", ()), *filter(None, [document.get("config")])):
        seed_blob(registry, path, made.blobs[blob["digest"]])
    _put(registry, path, made.blobs[target.digest], target.media_type, target.digest)


def _put(registry: DockerRegistry, path: str, data: bytes, media_type: str, reference: str) -> None:
    _request(registry, "PUT", f"/v2/{path}/manifests/{reference}", data, {"Content-Type": media_type}, 201)


def seed_blob(registry: DockerRegistry, path: str, data: bytes) -> Descriptor:
    """Put a blob into a registry that lets everybody in."""
    location = _request(registry, "POST", f"/v2/{path}/blobs/uploads/", b"", {}, 202)
    found = urllib.parse.urlsplit(location)
    _request(registry, "PUT", f"{found.path}?{found.query}&digest={digest_of(data)}", data, {}, 201)
    return described(data)


def _request(
    registry: DockerRegistry, method: str, path: str, body: bytes, headers: dict[str, str], expected: int
) -> str:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", registry.port, timeout=60)) as connection:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        said = response.read()
        if response.status != expected:
            raise RuntimeError(f"{method} {path}: {response.status}: {said!r}")
        return response.getheader("Location", "")
