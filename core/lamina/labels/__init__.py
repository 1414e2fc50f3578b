"""The rules for labels (containerd's `labels.Validate`), and how updates change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from lamina.errdefs import InvalidArgument

LIMIT: Final = 4096
"""Maximum size of a label's key and value together, in bytes."""
TOTAL: Final = 8 << 20
"""Maximum size of all labels of a thing together, in bytes: half of a message, so that it can be listed."""


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Check labels, and return those to be stored.

    Args:
        labels: Labels of a request. A label with an empty value is dropped.

    Raises:
        InvalidArgument: A key and its value exceed `LIMIT` bytes together, or are not Unicode text; or all labels
            exceed `TOTAL` bytes.
    """
    total = 0
    for key, value in labels.items():
        try:
            size = len(key.encode()) + len(value.encode())
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"label {key[:64]!r}: not Unicode text: {error.reason}") from None
        if size > LIMIT:
            shown = key.encode()[:64].decode(errors="ignore")
            raise InvalidArgument(
                f"label {shown!r}: key and value have {size} bytes, more than the maximum of {LIMIT}"
            )
        total += size
    if total > TOTAL:
        raise InvalidArgument(
            f"{len(labels)} labels have {total} bytes, more than the maximum of {TOTAL} together"
        )
    return {key: value for key, value in labels.items() if value}


def update_labels(
    old: Mapping[str, str], new: Mapping[str, str], fieldpaths: Sequence[str], of: str
) -> dict[str, str]:
    """Return the labels after an update along field paths.

    Args:
        old: The labels before.
        new: The new values.
        fieldpaths: `labels` replaces all labels; `labels.<key>` sets one, or deletes it where `new` has no value
            for it (the key is everything after the first dot). Empty: as `labels`.
        of: The owner of the labels, to begin a message.

    Raises:
        InvalidArgument: A field path names something else, or the labels are malformed (`check_labels`).
    """
    result = dict(old)
    for path in fieldpaths or ("labels",):
        field, _, key = path.partition(".")
        if field != "labels" or path == "labels.":
            raise InvalidArgument(
                f"{of}: cannot update {path!r}: only labels can change (field paths `labels` and `labels.<key>`)"
            )
        if not key:
            result = dict(new)
        elif key in new:
            result[key] = new[key]
        else:
            result.pop(key, None)
    return check_labels(result)
