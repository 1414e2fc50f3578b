"""The two trees of a comparison, as descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import attrs

from lamina.layers._target import opened_directory, opened_view
from lamina.layers.comparing._overlay import layers_on_top
from lamina.mount import Mount, has_host_ids, opened_container_view, without_id_map


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

    Raises:
        FailedPrecondition: The kernel refused a mount (`MountFailed`).
        PermissionDenied: Another user could replace a directory.
        NotFound: A directory of the mounts is missing.
    """
    with ExitStack() as stack:
        below = stack.enter_context(_opened(lower)) if lower else None
        above = stack.enter_context(_opened(upper))
        on_top = layers_on_top(without_id_map(lower), without_id_map(upper))
        layers = None if on_top is None else [stack.enter_context(opened_directory(path)) for path in on_top]
        yield Trees(below, above, layers)


def _opened(mounts: Sequence[Mount]) -> AbstractContextManager[int]:
    """Open a tree with the owners that a container sees: usually those on disk."""
    if len(mounts) == 1 and has_host_ids(mounts[0]):
        return opened_container_view(mounts[0])
    return opened_view(without_id_map(mounts))
