"""Snapshots and mounts as containerd's JSON and as commands of mount(8)."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from lamina.snapshots import Info, Usage, format_time

if TYPE_CHECKING:
    from lamina.mount import Mount


def info_document(info: Info) -> dict[str, Any]:
    """Return a snapshot as a JSON object with the keys of `ctr snapshots info`."""
    document: dict[str, Any] = {"Kind": info.kind.title, "Name": info.name}
    if info.parent:
        document["Parent"] = info.parent
    if info.labels:
        document["Labels"] = dict(sorted(info.labels.items()))
    document["Created"] = format_time(info.created)
    document["Updated"] = format_time(info.updated)
    return document


def usage_document(key: str, usage: Usage) -> dict[str, Any]:
    """Return the disk usage of a snapshot as a JSON object, its size in bytes."""
    return {"Key": key, "Size": usage.size, "Inodes": usage.inodes}


def mount_document(mount: Mount) -> dict[str, Any]:
    """Return a mount as a JSON object with the keys of `ctr snapshots prepare --mounts`."""
    return {"Type": mount.type, "Source": mount.source, "Target": mount.target, "Options": list(mount.options)}


def mount_command(mount: Mount, target: str) -> str:
    """Return the shell command that makes a mount."""
    place = os.path.join(target, mount.target.lstrip("/")) if mount.target else target
    options = ("-o", ",".join(mount.options)) if mount.options else ()
    return shlex.join(("mount", "-t", mount.type, mount.source, place, *options))
