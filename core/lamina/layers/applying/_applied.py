"""The arguments, results and errors of `apply_layer`, for those who do not call it themselves."""

from __future__ import annotations

import enum

import attrs

from lamina.errdefs import FailedPrecondition


class Whiteouts(enum.Enum):
    """The ways to apply a layer's deletions of files of the layers below."""

    DELETE = "delete"
    """The files are removed: the directory has the whole tree."""
    OVERLAY = "overlay"
    """Marks of overlayfs hide the files: the directory is an upper one, on which no overlay is mounted."""


@attrs.frozen
class Limits:
    """Limits of what one layer may write."""

    bytes: int = 1 << 40
    """Bytes of all files; holes do not count."""
    entries: int = 10_000_000
    """Files, directories, links and whiteouts."""


@attrs.frozen
class Applied:
    """A layer that was applied."""

    diff_id: str
    """The digest of the uncompressed archive, `sha256:…`."""
    size: int
    """Bytes of the uncompressed archive."""
    entries: int
    """Entries of the archive."""
    has_unchecked_whiteouts: bool = False
    """True if an upper directory needs `remove_idle_whiteouts` once the layers below are known."""
    root: tuple[int, int, int] | None = None
    """The mode, user and group that the archive gives to the root directory; None if it has no entry for it."""


class ParentNeeded(FailedPrecondition):
    """A layer cannot be applied to an upper directory without a look at the layers below."""
