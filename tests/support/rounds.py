"""The size of a fault test: a moment's worth in every run, all of it under `make soak`."""

from __future__ import annotations

import os


def rounds(usual: int, soak: int) -> int:
    """The number of rounds, cuts or corruptions to try: `soak` where LAMINA_SOAK is set, else `usual`."""
    return soak if os.environ.get("LAMINA_SOAK") else usual
