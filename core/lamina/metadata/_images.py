"""The images of one namespace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import attrs

from lamina.content import check_digest
from lamina.context import current
from lamina.errdefs import AlreadyExists, InvalidArgument, NotFound
from lamina.images import NAMESPACE_LIMIT, Image, ImageStore
from lamina.images.references import check_digest_in
from lamina.labels import check_labels, update_labels
from lamina.metadata._node import Node, image
from lamina.metadata._protection import Protection
from lamina.metadata._record import decode, encode
from lamina.metadata._tables import Tables
from lamina.store import KEY_LIMIT, TableTransaction, shorten

if TYPE_CHECKING:
    from lamina.metadata._leases import StoredLeases
    from lamina.metadata._resources import Resource

NAME_LIMIT: Final = KEY_LIMIT - NAMESPACE_LIMIT - 1
"""Maximum length of an image's name in bytes."""


class NamedImages(ImageStore):
    """The images of one namespace in a table, under keys of namespace, NUL and name.

    Those that a call with a lease creates are added to the lease (containerd's metadata store).
    """

    def __init__(self, tables: Tables, protection: Protection, namespace: str) -> None:
        """Use `Metadata.images`."""
        self._tables = tables
        self._table = tables.images
        self._protection = protection
        self._namespace = namespace
        self._prefix = namespace.encode() + b"\0"

    def get(self, name: str) -> Image:
        """Return an image."""
        key = self._key(name)
        return self._table.read(lambda transaction: _read(transaction, key, name))

    def list(self, *filters: str) -> Iterator[Image]:
        """Yield the images that match, in byte order of their names. A transaction reads at most 256 of them."""
        if not filters:
            return self._all()
        from lamina.filters import parse

        chosen = parse(*filters)
        return (image for image in self._all() if chosen.match(_fields(image)))

    def _all(self) -> Iterator[Image]:
        skipped = len(self._prefix)
        return (decode(key[skipped:].decode(), value) for key, value in self._table.walk(self._prefix))

    def create(self, image: Image) -> Image:
        """Store a new image."""
        key = self._key(image.name)
        new = _checked(image)

        def body(transaction: TableTransaction) -> Image:
            if transaction.get(key) is not None:
                raise AlreadyExists(f"image {shorten(image.name)} already exists")
            return self._add(transaction, key, new, lease)

        lease = current().lease
        with self._protection.held(self._needed(new)):
            return self._table.write(body)

    def update(self, image: Image, fieldpaths: tuple[str, ...] = ()) -> Image:
        """Change the target or the labels of an image."""
        key = self._key(image.name)

        def body(transaction: TableTransaction) -> Image:
            old = _read(transaction, key, image.name)
            return _change(transaction, key, old, _updated(old, image, fieldpaths or ("target", "labels")))

        with self._protection.held(self._needed(image)):
            return self._table.write(body)

    def put(self, image: Image) -> Image:
        """Name a manifest or an index, in one transaction."""
        key = self._key(image.name)
        new = _checked(image)

        def body(transaction: TableTransaction) -> Image:
            old = _find(transaction, key, image.name)
            if old is None:
                return self._add(transaction, key, new, lease)
            return _change(transaction, key, old, attrs.evolve(old, target=new.target))

        lease = current().lease
        with self._protection.held(self._needed(new)):
            return self._table.write(body)

    def tag(self, name: str, new_name: str, *, force: bool = False) -> Image:
        """Give an image another name, in one transaction."""
        while True:
            image = self.get(name)
            check_digest_in(new_name, image.target.digest)
            made = self._tag(image, attrs.evolve(image, name=new_name), force)
            if made is not None:
                return made

    def _tag(self, image: Image, new: Image, force: bool) -> Image | None:
        """Store a new name of an image; return None if the image is no longer this one."""
        key, new_key = self._key(image.name), self._key(new.name)

        def body(transaction: TableTransaction) -> Image | None:
            if _read(transaction, key, image.name) != image:
                return None
            old = _find(transaction, new_key, new.name)
            if old is None:
                return self._add(transaction, new_key, new, lease)
            if old.target == new.target and not force:
                return old
            if not force:
                raise AlreadyExists(f"image {shorten(new.name)} already exists, for {old.target.digest}")
            return _change(transaction, new_key, old, attrs.evolve(old, target=new.target, labels=new.labels))

        lease = current().lease
        with self._protection.held(self._needed(new)):
            return self._table.write(body)

    def _add(self, transaction: TableTransaction, key: bytes, new: Image, lease: str) -> Image:
        now = time.time_ns()
        self._tables.record(self._namespace, transaction)
        if lease:
            self._leases().put(transaction, lease, [_resource(new.name)])
        return _write(transaction, key, attrs.evolve(new, created=now, updated=now))

    def delete(self, name: str) -> None:
        """Delete a name."""
        self._delete(name, lambda image: True, current().lease)

    def delete_if(self, name: str, condition: Callable[[Image], bool]) -> bool:
        """Delete a name if a condition holds for its image then; return whether it was deleted.

        Raises:
            NotFound: There is no such image.
        """
        return self._delete(name, condition, "")

    def _delete(self, name: str, condition: Callable[[Image], bool], lease: str) -> bool:
        key = self._key(name)

        def body(transaction: TableTransaction) -> bool:
            if not condition(_read(transaction, key, name)):
                return False
            self._tables.record(self._namespace, transaction)  # its snapshots stay for a collector
            if lease:
                self._leases().discard(transaction, lease, _resource(name))
            return transaction.delete(key)

        return self._table.remove(body)

    def _leases(self) -> StoredLeases:
        from lamina.metadata._leases import StoredLeases

        return StoredLeases(self._tables, self._protection, self._namespace)

    def _needed(self, new: Image) -> tuple[Node, ...]:
        """Return the things that a collector has to mark when an image is stored."""
        from lamina.metadata._references import targets

        return (image(self._namespace, new.name), *(node for _, node in targets(new, self._namespace)))

    def _key(self, name: str) -> bytes:
        if not name:
            raise InvalidArgument("the name of an image must not be empty")
        data = _encoded("name", name, name)
        if len(data) > NAME_LIMIT:
            raise InvalidArgument(
                f"image {shorten(name)}: the name has {len(data)} bytes, more than the maximum of {NAME_LIMIT}"
            )
        return self._prefix + data


def _resource(name: str) -> Resource:
    from lamina.metadata._resources import Resource

    return Resource("images", name)


def _find(transaction: TableTransaction, key: bytes, name: str) -> Image | None:
    data = transaction.get(key)
    return None if data is None else decode(name, data)


def _read(transaction: TableTransaction, key: bytes, name: str) -> Image:
    found = _find(transaction, key, name)
    if found is None:
        raise NotFound(f"image {shorten(name)} does not exist")
    return found


def _change(transaction: TableTransaction, key: bytes, old: Image, new: Image) -> Image:
    updated = max(time.time_ns(), old.updated + 1)  # later, even if the clock went back
    return _write(transaction, key, attrs.evolve(_checked(new), updated=updated))


def _write(transaction: TableTransaction, key: bytes, image: Image) -> Image:
    transaction.put(key, encode(image))
    return image


def _checked(image: Image) -> Image:
    """Return the image to be stored.

    Raises:
        InvalidArgument: Its target or a label is malformed.
    """
    target, shown = image.target, f"image {shorten(image.name)}"
    check_digest(target.digest)
    if target.size <= 0:
        raise InvalidArgument(f"{shown}: its target has the size {target.size}: expected more than 0 bytes")
    if not target.media_type:
        raise InvalidArgument(f"{shown}: its target has no media type")
    _encoded("media type", target.media_type, image.name)
    for annotation in target.annotations.items():
        for text in annotation:
            _encoded("annotation", text, image.name)
    return attrs.evolve(image, labels=check_labels(image.labels))


def _encoded(what: str, text: str, name: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"image {shorten(name)}: its {what} is not Unicode text: {error.reason}") from None


def _updated(old: Image, new: Image, fieldpaths: tuple[str, ...]) -> Image:
    """Return an image after an update along field paths."""
    target, annotations, labels = old.target, dict(old.target.annotations), old.labels
    label_paths: list[str] = []
    for path in fieldpaths:
        match path.split(".", 1):
            case ["target"]:
                target, annotations = new.target, dict(new.target.annotations)
            case ["annotations"]:
                annotations = dict(new.target.annotations)
            case ["annotations", key] if key in new.target.annotations:
                annotations[key] = new.target.annotations[key]
            case ["annotations", key] if key:
                annotations.pop(key, None)
            case ["labels", *_]:
                label_paths.append(path)
            case _:
                raise InvalidArgument(
                    f"image {shorten(old.name)}: cannot update {path!r}: only target, annotations and labels can "
                    "change (`target`, `annotations`, `annotations.<key>`, `labels` and `labels.<key>`)"
                )
    if label_paths:  # together: each call copies the labels
        labels = update_labels(labels, new.labels, label_paths, f"image {shorten(old.name)}")
    return attrs.evolve(old, target=attrs.evolve(target, annotations=annotations), labels=labels)


def _fields(image: Image) -> Callable[[tuple[str, ...]], str | None]:
    """Return a function that looks up the fields known to filters (containerd's `images` adaptor)."""

    def field(path: tuple[str, ...]) -> str | None:
        match path:
            case ("name",):
                return image.name
            case ("target", "digest"):
                return image.target.digest
            case ("target", "mediatype"):
                return image.target.media_type
            case ("labels", *rest):
                return image.labels.get(".".join(rest))
            case ("annotations", *rest):
                return image.target.annotations.get(".".join(rest))
        return None

    return field
