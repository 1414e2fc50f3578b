"""`containerd.services.images.v1.Images`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.api import Handlers, descriptor_from_proto, encode, image_to_proto
from lamina.api.messages import images_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.errdefs import InvalidArgument
from lamina.images import Image, current_namespace

if TYPE_CHECKING:
    from lamina.images import ImageStore
    from lamina.metadata.collection import GarbageCollector


class ImagesService:
    """The images of the namespace of each call (`lamina.images.current_namespace`)."""

    def __init__(self, images: Callable[[str], ImageStore], collector: Callable[[], GarbageCollector]) -> None:
        """Create the service.

        Args:
            images: Returns the images of a namespace, or raises the reason why they are not available.
            collector: Returns the collector of a deleted image's blobs, or raises why it is not available.
        """
        self._images = images
        self._collector = collector
        self.handlers: Handlers = {
            "Get": (pb.GetImageRequest, self._get),
            "List": (pb.ListImagesRequest, self._list),
            "Create": (pb.CreateImageRequest, self._create),
            "Update": (pb.UpdateImageRequest, self._update),
            "Delete": (pb.DeleteImageRequest, self._delete),
        }

    def _store(self) -> ImageStore:
        return self._images(current_namespace())

    def _get(self, request: pb.GetImageRequest) -> pb.GetImageResponse:
        return encode(pb.GetImageResponse, image=image_to_proto(self._store().get(request.name)))

    def _list(self, request: pb.ListImagesRequest) -> pb.ListImagesResponse:
        found = self._store().list(*request.filters)
        return encode(pb.ListImagesResponse, images=[image_to_proto(image) for image in found])

    def _create(self, request: pb.CreateImageRequest) -> pb.CreateImageResponse:
        created = self._store().create(_image(request))
        return encode(pb.CreateImageResponse, image=image_to_proto(created))

    def _update(self, request: pb.UpdateImageRequest) -> pb.UpdateImageResponse:
        updated = self._store().update(_image(request), tuple(request.update_mask.paths))
        return encode(pb.UpdateImageResponse, image=image_to_proto(updated))

    def _delete(self, request: pb.DeleteImageRequest) -> Empty:
        collector = self._collector() if request.sync else None
        self._store().delete(request.name)
        for _ in collector.collect() if collector else ():
            pass
        return Empty()


def _image(request: pb.CreateImageRequest | pb.UpdateImageRequest) -> Image:
    """Return the image of a request, without its times, which clients do not choose and may be invalid."""
    if not request.HasField("image"):
        raise InvalidArgument("image argument missing")
    image = request.image
    return Image(name=image.name, target=descriptor_from_proto(image.target), labels=dict(image.labels))
