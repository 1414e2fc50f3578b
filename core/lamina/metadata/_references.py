"""References between things, by containerd's labels (`docs/garbage-collection.md`; `metadata/gc.go`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from lamina.metadata._node import Node, blob, image, snapshot

if TYPE_CHECKING:
    from lamina.images import Image

ROOT: Final = "containerd.io/gc.root"
"""The beginning of labels that make a blob or a snapshot a root. Their values mean nothing."""
FLAT: Final = "containerd.io/gc.flat"
_REF: Final = "containerd.io/gc.ref."
_BACK: Final = "containerd.io/gc.bref."
_CONDITION: Final = "containerd.io/gc.cond.snapshot."
"""The beginning of labels by which a thing is kept while a snapshot is, under a condition on its last use, which
counts as met."""


def is_root(labels: Mapping[str, str]) -> bool:
    """Return whether labels make a blob or a snapshot a root."""
    return any(key.startswith(ROOT) for key in labels)


def refers(labels: Mapping[str, str]) -> bool:
    """Return whether labels keep other things."""
    return any(key.startswith(_REF) for key in labels)


def references(labels: Mapping[str, str], namespace: str) -> Iterator[tuple[str, Node]]:
    """Yield the labels by which a thing keeps others, and the others.

    Args:
        labels: The labels of the thing.
        namespace: The namespace in which they are meant.
    """
    return _named(labels, _REF, namespace)


def back_references(labels: Mapping[str, str], namespace: str) -> Iterator[tuple[str, Node]]:
    """Yield the labels by which others keep a thing, and the others.

    Args:
        labels: The labels of the thing.
        namespace: The namespace in which they are meant.
    """
    yield from _named(labels, _BACK, namespace)
    for key, value in labels.items():
        if key.startswith(_CONDITION):
            snapshotter = key.removeprefix(_CONDITION).partition("/")[0]
            for condition in value.split(","):
                yield key, snapshot(namespace, snapshotter, condition.partition("|")[2])


def targets(one: Image, namespace: str) -> Iterator[tuple[str, Node]]:
    """Yield the references of an image: its target, and the labels by which it keeps others."""
    yield "target", blob(one.target.digest, namespace)
    yield from references(one.labels, namespace)


def _named(labels: Mapping[str, str], prefix: str, namespace: str) -> Iterator[tuple[str, Node]]:
    for key, value in labels.items():
        if not key.startswith(prefix):
            continue
        kind, separator, rest = _split(key.removeprefix(prefix))
        if kind == "content":
            yield key, blob(value, namespace)
        elif kind == "image":
            yield key, image(namespace, value)
        elif kind == "snapshot" and separator == ".":
            yield key, snapshot(namespace, rest.partition("/")[0], value)


def _split(name: str) -> tuple[str, str, str]:
    """Split the name of a label into the kind, `.` or `/` or "", and the rest."""
    kind = re.split("[./]", name, maxsplit=1)[0]
    return kind, name[len(kind) : len(kind) + 1], name[len(kind) + 1 :]
