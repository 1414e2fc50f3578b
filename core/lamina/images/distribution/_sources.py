"""The labels of blobs that say which repositories have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lamina.images.references import Reference
from lamina.labels import LIMIT

_SOURCE: Final = "containerd.io/distribution.source."
"""The prefix of the label with the repositories, separated by commas; the host of the registry follows
(containerd, `core/remotes/docker/handler.go`)."""


def source_label(labels: Mapping[str, str], place: Reference) -> dict[str, str]:
    """Return the label that says of a blob that a repository has it; none if that makes the label too long.

    Args:
        labels: The labels of the blob.
        place: An image in the repository.
    """
    key = f"{_SOURCE}{place.domain}"
    value = ",".join(sorted({*_repositories(labels, key), place.path}))
    return {key: value} if len(key) + len(value.encode()) <= LIMIT else {}


def repositories(labels: Mapping[str, str], place: Reference) -> list[str]:
    """Return the repositories of a registry that have a blob.

    Args:
        labels: The labels of the blob.
        place: An image in the registry.
    """
    return _repositories(labels, f"{_SOURCE}{place.domain}")


def _repositories(labels: Mapping[str, str], key: str) -> list[str]:
    return [path for path in labels.get(key, "").split(",") if path]
