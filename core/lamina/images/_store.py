"""The names of images, and the abstract `ImageStore`."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping

import attrs

from lamina.content import Descriptor
from lamina.errdefs import AlreadyExists
from lamina.images.references import check_digest_in


@attrs.frozen
class Image:
    """A name for a manifest or an index. `created` and `updated` are nanoseconds since 1970, UTC."""

    name: str
    """As in `docker.io/library/debian:12`, though any text that is not empty will do."""
    target: Descriptor
    labels: Mapping[str, str] = attrs.field(factory=dict)
    created: int = 0
    updated: int = 0


class ImageStore(abc.ABC):
    """Keeps the images of one namespace. Every method may be called from any thread.

    Methods raise `lamina.errdefs` classes; each lists those that it adds to `InvalidArgument` (a malformed name,
    label or target).
    """

    @abc.abstractmethod
    def get(self, name: str) -> Image:
        """Return an image.

        Raises:
            NotFound: There is no such image.
        """

    @abc.abstractmethod
    def list(self, *filters: str) -> Iterator[Image]:
        """Yield every image that matches any of the filters (all without filters), in byte order of the names.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised before the first item.
        """

    @abc.abstractmethod
    def create(self, image: Image) -> Image:
        """Store a new image, and return it with its times.

        Raises:
            AlreadyExists: An image has the name.
        """

    @abc.abstractmethod
    def update(self, image: Image, fieldpaths: tuple[str, ...] = ()) -> Image:
        """Change the target or the labels of an image, and return it.

        Args:
            image: `image.name` names it; the other fields hold the new values.
            fieldpaths: `target`, `annotations` and `labels`; `annotations.<key>` and `labels.<key>`, which delete
                the entry if `image` has no value for it. Empty: target and labels.

        Raises:
            NotFound: There is no such image.
            InvalidArgument: A field path names something that cannot change.
        """

    def put(self, image: Image) -> Image:
        """Name a manifest or an index, and return the image. One that has the name stands for the new target.

        It keeps its labels.
        """
        try:
            return self.create(image)
        except AlreadyExists:
            return self.update(image, ("target",))

    def tag(self, name: str, new_name: str, *, force: bool = False) -> Image:
        """Give an image another name, with its labels, and return the image of that name.

        Over containerd's services this takes several calls, between which the image may change: `Transfer.tag`
        takes one.

        Args:
            name: Its name.
            new_name: The other name. One that already stands for the same target stays as it is.
            force: Let a name that stands for something else stand for this image.

        Raises:
            NotFound: There is no such image.
            InvalidArgument: The new name has another digest than the image.
            AlreadyExists: Another image has the new name.
        """
        image = attrs.evolve(self.get(name), name=new_name)
        check_digest_in(new_name, image.target.digest)
        try:
            return self.create(image)
        except AlreadyExists:
            if force:
                return self.update(image)
            old = self.get(new_name)
            if old.target != image.target:
                raise
            return old

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Delete a name. Blobs and snapshots stay.

        Raises:
            NotFound: There is no such image.
        """
