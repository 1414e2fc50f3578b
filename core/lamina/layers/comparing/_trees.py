"""The two trees of a comparison, as descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import attrs

from lamina.errdefs import FailedPrecondition
from lamina.layers._target import opened_directory, opened_view
from lamina.layers.comparing._overlay import layers_on_top
from lamina.mount import Mount, overlay_directories, parse_options, without_id_map


@attrs.frozen
class Trees:
    """Two trees, as descriptors of their root directories."""

    lower: int | None
    """The earlier one; None for an empty one."""
    upper: int
    """The later one."""
    layers: Sequence[int] | None
    """Directories that together have every name that may differ, if there are such: see `layers_on_top`."""


@contextmanager
def opened_trees(lower: Sequence[Mount], upper: Sequence[Mount]) -> Iterator[Trees]:
    """Mount two trees read-only for the duration of a `with` block.

    Args:
        lower: As for `opened_comparison`.
        upper: As for `opened_comparison`.

    Raises:
        FailedPrecondition: The kernel refused a mount (`MountFailed`), or an overlay has id-mapped layers below an
            upper directory.
        PermissionDenied: Another user could replace a directory.
        NotFound: A directory of the mounts is missing.
    """
    lower, upper = _with_ids_on_disk(lower), _with_ids_on_disk(upper)
    with ExitStack() as stack:
        below = stack.enter_context(opened_view(lower)) if lower else None
        above = stack.enter_context(opened_view(upper))
        on_top = layers_on_top(lower, upper)
        layers = None if on_top is None else [stack.enter_context(opened_directory(path)) for path in on_top]
        yield Trees(below, above, layers)


def _with_ids_on_disk(mounts: Sequence[Mount]) -> list[Mount]:
    """Return mounts that show the owners on disk, which are the container's where mounts are id-mapped.

    Not so those in the upper directory of an overlay, whose layers alone are mapped.
    """
    for mount in mounts:
        upper = overlay_directories(mount.options).upper
        if upper and parse_options(mount.options).id_maps:
            raise FailedPrecondition(
                f"compare trees: {upper} has files of the host's users, and the layers below have those of the "
                "container's; compare a snapshot without the labels containerd.io/snapshot/uidmapping and "
                "containerd.io/snapshot/gidmapping"
            )
    return without_id_map(mounts)
