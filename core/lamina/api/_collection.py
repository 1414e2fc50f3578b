"""Conversions between messages and what a garbage collector returns."""

from __future__ import annotations

from typing import cast

from lamina.api._codec import encode
from lamina.api.messages import gc_pb2 as pb
from lamina.metadata.collection import Chain, ImageUsage, Kind, Removed, Step, Usage


def removed_to_proto(removed: Removed) -> pb.Removed:
    """Convert a removal to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(
        pb.Removed,
        kind=removed.kind,
        namespace=removed.namespace,
        snapshotter=removed.snapshotter,
        name=removed.name,
        size=removed.size,
        reason=removed.reason,
        error=removed.error,
        young=removed.young,
    )


def removed_from_proto(message: pb.Removed) -> Removed:
    """Convert a message to a removal."""
    return Removed(
        kind=cast("Kind", message.kind),
        namespace=message.namespace,
        snapshotter=message.snapshotter,
        name=message.name,
        size=message.size,
        reason=message.reason,
        error=message.error,
        young=message.young,
    )


def image_usages_to_proto(usage: Usage) -> pb.UsageResponse:
    """Convert the disk usage of images to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(
        pb.UsageResponse,
        images=map(_image_to_proto, usage.images),
        content=usage.content,
        snapshots=usage.snapshots,
        reclaimable=usage.reclaimable,
        failures=usage.failures,
    )


def _image_to_proto(image: ImageUsage) -> pb.ImageUsage:
    return encode(
        pb.ImageUsage,
        namespace=image.namespace,
        name=image.name,
        own_content=image.own_content,
        shared_content=image.shared_content,
        own_snapshots=image.own_snapshots,
        shared_snapshots=image.shared_snapshots,
    )


def image_usages_from_proto(message: pb.UsageResponse) -> Usage:
    """Convert a message to the disk usage of images."""
    return Usage(
        images=tuple(map(_image_from_proto, message.images)),
        content=message.content,
        snapshots=message.snapshots,
        reclaimable=message.reclaimable,
        failures=tuple(message.failures),
    )


def _image_from_proto(message: pb.ImageUsage) -> ImageUsage:
    return ImageUsage(
        namespace=message.namespace,
        name=message.name,
        own_content=message.own_content,
        shared_content=message.shared_content,
        own_snapshots=message.own_snapshots,
        shared_snapshots=message.shared_snapshots,
    )


def chain_to_proto(chain: Chain) -> pb.Chain:
    """Convert a chain of references to a message.

    Raises:
        InvalidArgument: A string is not UTF-8.
    """
    return encode(pb.Chain, steps=map(_step_to_proto, chain))


def _step_to_proto(step: Step) -> pb.Step:
    return encode(
        pb.Step,
        kind=step.kind,
        namespace=step.namespace,
        snapshotter=step.snapshotter,
        name=step.name,
        how=step.how,
    )


def chain_from_proto(message: pb.Chain) -> Chain:
    """Convert a message to a chain of references."""
    return tuple(
        Step(
            kind=cast("Kind", step.kind),
            name=step.name,
            namespace=step.namespace,
            snapshotter=step.snapshotter,
            how=step.how,
        )
        for step in message.steps
    )
