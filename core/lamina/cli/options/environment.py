"""Environment variables that lamina hears."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import nearest

_PREFIX: Final = "LAMINA_"
_KNOWN: Final = tuple(
    f"{_PREFIX}{name}" for name in ("ADDRESS", "CONFIG", "LOG_LEVEL", "ROOT", "SNAPSHOTTER", "STATE")
)


def unknown_variables() -> Iterator[str]:
    """A sentence for each variable that looks like one of lamina's, and is none."""
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in _KNOWN:
            like = nearest(name, _KNOWN)
            hint = f"did you mean {like}?" if like else f"there are {', '.join(_KNOWN)}"
            yield f"no command hears the environment variable {name}: {hint}"
