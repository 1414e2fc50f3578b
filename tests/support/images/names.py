"""Names of images in memory."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.errdefs import AlreadyExists, NotFound
from lamina.images import Image, ImageStore


class Images(ImageStore):
    """Names of images in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Image] = {}

    def get(self, name: str) -> Image:
        if name not in self.stored:
            raise NotFound(name)
        return self.stored[name]

    def list(self, *_filters: str) -> Iterator[Image]:
        return iter(self.stored.values())

    def create(self, image: Image) -> Image:
        if image.name in self.stored:
            raise AlreadyExists(image.name)
        self.stored[image.name] = image
        return image

    def update(self, image: Image, fieldpaths: tuple[str, ...] = ()) -> Image:
        assert fieldpaths == ("target",)
        self.stored[image.name] = image
        return image

    def delete(self, name: str) -> None:
        del self.stored[name]
