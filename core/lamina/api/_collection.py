"""Conversions between messages and what a garbage collector returns. Their fields have the same names."""

from __future__ import annotations

from typing import TypeVar

import attrs
from google.protobuf.message import Message

from lamina.api._codec import encode
from lamina.api.messages import gc_pb2 as pb
from lamina.metadata.collection import Chain, ImageUsage, Removed, Step, Usage

T = TypeVar("T", bound=attrs.AttrsInstance)


def removed_to_proto(removed: Removed) -> pb.Removed:
    """Convert a removal to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(pb.Removed, **attrs.asdict(removed))


def removed_from_proto(message: pb.Removed) -> Removed:
    """Convert a message to a removal."""
    return _record(Removed, message)


def image_usages_to_proto(usage: Usage) -> pb.UsageResponse:
    """Convert the disk usage of images to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(pb.UsageResponse, **attrs.asdict(usage))


def image_usages_from_proto(message: pb.UsageResponse) -> Usage:
    """Convert a message to the disk usage of images."""
    images = tuple(_record(ImageUsage, image) for image in message.images)
    return attrs.evolve(_record(Usage, message), images=images, failures=tuple(message.failures))


def chain_to_proto(chain: Chain) -> pb.Chain:
    """Convert a chain of references to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(pb.Chain, steps=map(attrs.asdict, chain))


def chain_from_proto(message: pb.Chain) -> Chain:
    """Convert a message to a chain of references."""
    return tuple(_record(Step, step) for step in message.steps)


def _record(record: type[T], message: Message) -> T:
    return record(**{field.name: getattr(message, field.name) for field in attrs.fields(record)})
