"""Results of snapshotters that violate their contract."""

from __future__ import annotations

import reprlib


def wrong_result(id: str, returned: object, expected: str) -> TypeError:  # noqa: A002 - containerd's word
    """Return the error for a wrong result. The client gets its text, and the log its cause as well.

    Args:
        id: The plugin id of the snapshotter.
        returned: The result.
        expected: A description of a right one, such as `a lamina.snapshots.Usage`.
    """
    return TypeError(
        f"snapshotter {id} returned {reprlib.repr(returned)} where {expected} is expected: report this to the "
        "author of its plugin"
    )
