"""Differences between two trees."""

from __future__ import annotations

import enum

import attrs


class ChangeKind(enum.StrEnum):
    """The way in which a path differs."""

    ADD = "add"
    MODIFY = "modify"
    DELETE = "delete"


@attrs.frozen
class Change:
    """A path that differs between two trees."""

    kind: ChangeKind
    path: bytes
    """The path without a leading slash; empty for the root directory."""
    size: int
    """The size of a regular file's content in bytes, as it is now; 0 for everything else."""
