"""The documents of an image that is built on another one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images._config_changes import ConfigChanges
from lamina.images.building._base import Base
from lamina.images.building._settings import changed_settings
from lamina.images.documents import OCI_CONFIG, OCI_MANIFEST, Fields, History, ImageConfig, describe


@attrs.frozen
class NewLayer:
    """A layer on top of those of the base."""

    descriptor: Descriptor
    diff_id: str


@attrs.frozen
class NewDocuments:
    """The documents of an image."""

    config: Descriptor
    config_data: bytes
    manifest: Descriptor
    manifest_data: bytes


def build_documents(base: Base, step: History, changes: ConfigChanges, layer: NewLayer | None) -> NewDocuments:
    """Return the documents of an image that is built on another one.

    Raises:
        InvalidArgument: A part of the base is malformed, or the documents would be larger than allowed.
    """
    config_data = _encode(_config(base, step, changes, layer))
    config = describe(config_data, OCI_CONFIG)
    ImageConfig.decode(config_data, config)
    manifest_data = _encode(_manifest(base, config, layer))
    return NewDocuments(config, config_data, describe(manifest_data, OCI_MANIFEST), manifest_data)


def changes_anything(base: Base, changes: ConfigChanges) -> bool:
    """Return whether the configuration of an image is not yet as changes would have it.

    Raises:
        InvalidArgument: A part of the base is malformed.
    """
    fields = Fields(base.config, "image configuration of the base")
    settings = Fields(fields.optional("config", dict) or {}, f"{fields.where}: config")
    if changes.author not in (None, fields.optional_text("author")):
        return True
    return _filled(changed_settings(settings, changes)) != _filled(settings.members)


def _filled(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value}


def _config(base: Base, step: History, changes: ConfigChanges, layer: NewLayer | None) -> dict[str, object]:
    fields = Fields(base.config, "image configuration of the base")
    settings = Fields(fields.optional("config", dict) or {}, f"{fields.where}: config")
    new_settings = changed_settings(settings, changes)
    diff_ids = [*base.diff_ids, *([layer.diff_id] if layer else [])]
    author = fields.optional_text("author") if changes.author is None else changes.author
    step = attrs.evolve(step, empty_layer=layer is None)
    members = {
        **base.config,
        "created": step.created,
        "author": author,
        "config": new_settings,
        "rootfs": {**(fields.optional("rootfs", dict) or {}), "type": "layers", "diff_ids": diff_ids},
        "history": [*_history(fields, len(base.diff_ids)), _filled(attrs.asdict(step))],
    }
    return {name: value for name, value in members.items() if value or name not in ("author", "config")}


def _history(fields: Fields, layers: int) -> list[object]:
    """Return the history of the base, with an entry for each of its layers, as readers want it."""
    present: list[Mapping[str, object]] = fields.optional("history", list) or []
    missing = layers - sum(not entry.get("empty_layer") for entry in present)
    return [*([{}] * missing), *present]


def _manifest(base: Base, config: Descriptor, layer: NewLayer | None) -> dict[str, object]:
    layers: Sequence[Mapping[str, object]] = [*base.layers, *([_descriptor(layer.descriptor)] if layer else [])]
    first = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _descriptor(config), "layers": layers}
    return first | {name: value for name, value in base.manifest.items() if name not in first}


def _descriptor(descriptor: Descriptor) -> dict[str, Any]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


def _encode(document: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"image configuration: {error.object[:80]!r} is not Unicode text") from None
