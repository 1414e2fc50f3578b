"""Conversions between messages and the images of `lamina.images`."""

from __future__ import annotations

from lamina.api._codec import encode
from lamina.api._time import time_from_proto, time_to_proto
from lamina.api.messages.descriptor_pb2 import Descriptor as DescriptorMessage
from lamina.api.messages.images_pb2 import Image as ImageMessage
from lamina.content import Descriptor
from lamina.images import Image
from lamina.snapshots import EARLIEST


def descriptor_to_proto(descriptor: Descriptor) -> DescriptorMessage:
    """Convert the descriptor of a blob to a message.

    Raises:
        InvalidArgument: A string is not UTF-8, or the size is out of range.
    """
    return encode(
        DescriptorMessage,
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        annotations=descriptor.annotations,
    )


def descriptor_from_proto(message: DescriptorMessage) -> Descriptor:
    """Convert a message to the descriptor of a blob. Nothing is checked."""
    return Descriptor(
        media_type=message.media_type,
        digest=message.digest,
        size=message.size,
        annotations=dict(message.annotations),
    )


def image_to_proto(image: Image) -> ImageMessage:
    """Convert an image to a message.

    Raises:
        InvalidArgument: A string is not UTF-8, or a time is outside the years 1 to 9999.
    """
    return encode(
        ImageMessage,
        name=image.name,
        labels=image.labels,
        target=descriptor_to_proto(image.target),
        created_at=time_to_proto(image.created),
        updated_at=time_to_proto(image.updated),
    )


def image_from_proto(message: ImageMessage) -> Image:
    """Convert a message to an image. As in containerd, a missing time is Go's zero time.

    Raises:
        InvalidArgument: A time is invalid (`time_from_proto`).
    """
    return Image(
        name=message.name,
        target=descriptor_from_proto(message.target),
        labels=dict(message.labels),
        created=time_from_proto(message.created_at) if message.HasField("created_at") else EARLIEST,
        updated=time_from_proto(message.updated_at) if message.HasField("updated_at") else EARLIEST,
    )
