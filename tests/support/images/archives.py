"""Image archives of all kinds."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamina.content import Descriptor
from lamina.images.documents import OCI_INDEX, Platform
from tests.support.images.documents import Documents, config_of, descriptor_of

NAME = "io.containerd.image.name"
TAG = "org.opencontainers.image.ref.name"
LAYOUT = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}


def entry(target: Descriptor, platform: Platform | None = None, **annotations: str) -> dict[str, Any]:
    """An entry of an `index.json`: `name` and `tag` are the annotations `NAME` and `TAG`."""
    keys = {"name": NAME, "tag": TAG}
    value: dict[str, Any] = {"mediaType": target.media_type, "digest": target.digest, "size": target.size}
    if annotations:
        value["annotations"] = {keys.get(key, key): text for key, text in annotations.items()}
    return value | ({"platform": platform.document()} if platform else {})


def layout_of(made: Documents, *entries: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of an OCI layout."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries)}
    blobs = {f"blobs/{digest.replace(':', '/')}": data for digest, data in made.blobs.items()}
    return {**LAYOUT, "index.json": json.dumps(index).encode(), **blobs}


def saved(
    *layers: bytes, names: Sequence[str] | None, platform: Platform, files: dict[str, bytes | str]
) -> dict[str, Any]:
    """Add an image to the files of a `docker save` archive, in the layout of Docker before 25.

    Args:
        layers: The uncompressed layers, from the lowest up. Each has a directory of its own; one that is there
            already is a symbolic link.
        names: Its names.
        platform: Its platform.
        files: The files of the archive: their data, or the targets of symbolic links.

    Returns:
        Its entry for `manifest.json`.
    """
    config = json.dumps(config_of(platform, ",".join(names or ()), *layers)).encode()
    described = descriptor_of(config, "").digest.removeprefix("sha256:")
    files[f"{described}.json"] = config
    paths = []
    for number, layer in enumerate(layers):
        path = f"{described[:60]}{number:04}/layer.tar"
        same = next((name for name, data in files.items() if data == layer), None)
        files[path] = f"../{same}" if same else layer
        files[path.replace("layer.tar", "VERSION")] = b"1.0"
        paths.append(path)
    return {"Config": f"{described}.json", "RepoTags": names, "Layers": paths}


def write_directory(directory: Path, files: Mapping[str, bytes | str]) -> Path:
    """Write files beneath a directory."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, str):
            path.symlink_to(data)
        else:
            path.write_bytes(data)
    return directory


def write_tar(path: Path, files: Mapping[str, bytes | str], mode: str = "w") -> Path:
    """Write a tar archive, compressed with `mode` "w:gz"."""
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            if isinstance(data, str):
                member.type, member.linkname = tarfile.SYMTYPE, data
                archive.addfile(member)
            else:
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


def layer(*names: str) -> bytes:
    """A layer with files that hold their names."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, io.BytesIO(name.encode()))
    return data.getvalue()
