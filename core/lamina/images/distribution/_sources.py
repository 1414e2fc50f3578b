"""The labels of blobs that say which repositories have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lamina.images.references import Reference
from lamina.labels import LIMIT

_SOURCE: Final = "containerd.io/distribution.source."
"""The prefix of the label with the repositories, separated by commas; the host of the registry follows
(containerd, `core/remotes/docker/handler.go`)."""


def source_label(labels: Mapping[str, str], reference: Reference) -> dict[str, str]:
    """Return the label that names a repository as one that has a blob; none if the label would become too long.

    Args:
        labels: The labels of the blob.
        reference: An image in the repository.
    """
    key = f"{_SOURCE}{reference.domain}"
    value = ",".join(sorted({*repositories(labels, reference), reference.path}))
    return {key: value} if len(key) + len(value.encode()) <= LIMIT else {}


def repositories(labels: Mapping[str, str], reference: Reference) -> list[str]:
    """Return the repositories of a registry that have a blob.

    Args:
        labels: The labels of the blob.
        reference: An image in the registry.
    """
    return [path for path in labels.get(f"{_SOURCE}{reference.domain}", "").split(",") if path]
