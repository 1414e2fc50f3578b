"""`ProxyImageStore`: the names of images behind a socket."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.api import encode, image_from_proto, image_to_proto
from lamina.api.messages import images_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.client._connection import ServiceClient
from lamina.images import Image, ImageStore


class ProxyImageStore(ServiceClient, ImageStore):
    """Forwards every call to an images service."""

    service = "containerd.services.images.v1.Images"

    def get(self, name: str) -> Image:
        request = encode(pb.GetImageRequest, name=name)
        return image_from_proto(self._call("Get", request, pb.GetImageResponse).image)

    def list(self, *filters: str) -> Iterator[Image]:
        request = encode(pb.ListImagesRequest, filters=filters)
        yield from map(image_from_proto, self._call("List", request, pb.ListImagesResponse).images)

    def create(self, image: Image) -> Image:
        request = encode(pb.CreateImageRequest, image=image_to_proto(image))
        return image_from_proto(self._call("Create", request, pb.CreateImageResponse).image)

    def update(self, image: Image, fieldpaths: tuple[str, ...] = ()) -> Image:
        request = encode(
            pb.UpdateImageRequest,
            image=image_to_proto(image),
            update_mask=encode(FieldMask, paths=fieldpaths) if fieldpaths else None,
        )
        return image_from_proto(self._call("Update", request, pb.UpdateImageResponse).image)

    def delete(self, name: str) -> None:
        self._call("Delete", encode(pb.DeleteImageRequest, name=name), Empty)
