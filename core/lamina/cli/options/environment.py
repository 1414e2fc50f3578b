"""Environment variables that commands read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import nearest

_PREFIX: Final = "LAMINA_"
_KNOWN: Final = tuple(
    f"{_PREFIX}{name}" for name in ("ADDRESS", "CONFIG", "LOG_LEVEL", "NAMESPACE", "ROOT", "SNAPSHOTTER", "STATE")
)


def unknown_variables() -> Iterator[str]:
    """Yield a warning for each variable with lamina's prefix that no command reads."""
    for name in sorted(os.environ):
        if name.startswith(_PREFIX) and name not in _KNOWN:
            like = nearest(name, _KNOWN)
            hint = f"did you mean {like}?" if like else f"known are {', '.join(_KNOWN)}"
            yield f"unknown environment variable {name}: {hint}"
