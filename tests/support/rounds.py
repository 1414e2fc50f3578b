"""The size and the seed of random tests: a moment's worth in each run, always the same; more under `make soak`."""

from __future__ import annotations

import os
import random
from typing import Final

_SOAKS: Final = bool(os.environ.get("LAMINA_SOAK"))

USUAL_SEED: Final = "0"
SEED: Final = os.environ.get("LAMINA_SEED") or (random.randbytes(4).hex() if _SOAKS else USUAL_SEED)
"""The seed of all random choices: a test that fails in one usual run fails in the next one as well."""


def rounds(usual: int, soak: int) -> int:
    """The number of rounds, cuts or corruptions to try: `soak` where LAMINA_SOAK is set, else `usual`."""
    return soak if _SOAKS else usual
