"""What an unpacked image contains."""

from __future__ import annotations

from pathlib import Path

from lamina.mount import temporary_mount
from lamina.snapshots import Kind, Snapshotter


def files_of(snapshotter: Snapshotter, name: str) -> dict[str, str | None]:
    """The files of a committed snapshot with their contents, and the directories with None, by path."""
    mounts = snapshotter.view("files of", name)
    try:
        with temporary_mount(mounts, read_only=True) as root:
            paths = sorted(Path(root).rglob("*"))
            return {str(path.relative_to(root)): None if path.is_dir() else path.read_text() for path in paths}
    finally:
        snapshotter.remove("files of")


def committed(snapshotter: Snapshotter) -> set[str]:
    """The names of all committed snapshots."""
    return {info.name for info in snapshotter.walk() if info.kind is Kind.COMMITTED}


def unfinished(snapshotter: Snapshotter) -> set[str]:
    """The keys of all others."""
    return {info.name for info in snapshotter.walk() if info.kind is not Kind.COMMITTED}
