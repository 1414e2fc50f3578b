"""Checks of the options of transfers, before anything is done."""

from __future__ import annotations

from lamina.errdefs import InvalidArgument


def check_discarding(discard_layers: bool, *, unpack: bool, all_platforms: bool) -> None:
    """Refuse to discard layers that are not all unpacked."""
    if discard_layers and (all_platforms or not unpack):
        raise InvalidArgument("discard layers: only those of an image that is unpacked, for one platform, can be")
