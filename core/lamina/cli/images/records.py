"""Images as JSON, with the keys of the OCI image specification in the case of containerd's JSON, and as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina.cli.terminal.output import one_line
from lamina.snapshots import format_time

if TYPE_CHECKING:
    from lamina.content import Descriptor, Info
    from lamina.images import Image, Imported, Resolved, Unpacked


def image_document(image: Image) -> dict[str, Any]:
    """Return an image as a JSON object."""
    return {
        "Name": image.name,
        "Target": descriptor_document(image.target),
        "Labels": dict(sorted(image.labels.items())),
        "Created": format_time(image.created),
        "Updated": format_time(image.updated),
    }


def descriptor_document(descriptor: Descriptor) -> dict[str, Any]:
    """Return a descriptor as a JSON object, its size in bytes."""
    document: dict[str, Any] = {
        "MediaType": descriptor.media_type,
        "Digest": descriptor.digest,
        "Size": descriptor.size,
    }
    if descriptor.annotations:
        document["Annotations"] = dict(sorted(descriptor.annotations.items()))
    return document


def resolved_document(found: Resolved, config: object) -> dict[str, Any]:
    """Return the parts of an image as a JSON object."""
    pairs = zip(found.layers, found.diff_ids, strict=True)
    return {
        **image_document(found.image),
        "Platform": found.platform,
        "Manifest": descriptor_document(found.manifest),
        "Layers": [{**descriptor_document(layer), "DiffID": diff_id} for layer, diff_id in pairs],
        "ChainID": found.chain_id,
        "Config": {**descriptor_document(found.config), "Document": config},
    }


def unpacked_document(unpacked: Unpacked) -> dict[str, Any]:
    """Return the snapshot of an image as a JSON object."""
    return {"Name": unpacked.image, "Snapshotter": unpacked.snapshotter, "ChainID": unpacked.chain_id}


def imported_documents(imported: Imported) -> list[dict[str, Any]]:
    """Return images, each with its snapshot if it was unpacked, as JSON objects."""
    unpacked = {one.image: unpacked_document(one) for one in imported.unpacked}
    return [{**image_document(image), **unpacked.get(image.name, {})} for image in imported.images]


def blob_document(info: Info) -> dict[str, Any]:
    """Return a blob as a JSON object, its size in bytes."""
    return {
        "Digest": info.digest,
        "Size": info.size,
        "Labels": dict(sorted(info.labels.items())),
        "Created": format_time(info.created),
        "Updated": format_time(info.updated),
    }


def received(done: Imported, image: Image, platform: str, *, unpack: bool) -> str:
    """Return a line about an image that was imported or pulled, without its verb."""
    text = f"{one_line(image.name)} ({image.target.digest})"
    where = next((one.snapshotter for one in done.unpacked if one.image == image.name), "")
    if where:
        return f"{text}, unpacked on {where}"
    if unpack:
        return f"{text}, not unpacked: it has nothing for {platform or 'the platform of the host'}"
    return text
