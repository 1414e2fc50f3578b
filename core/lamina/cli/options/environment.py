"""Environment variables that commands read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import nearest

_PREFIX: Final = "LAMINA_"
_KNOWN: Final = ("ADDRESS", "CONFIG", "LOG_LEVEL", "NAMESPACE", "ROOT", "SNAPSHOTTER", "STATE")
"""The names without the prefix, in which all are alike."""


def unknown_variables() -> Iterator[str]:
    """Yield a warning for each variable with lamina's prefix that no command reads."""
    for name in sorted(os.environ):
        own = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and own not in _KNOWN:
            like = nearest(own, _KNOWN)
            known = ", ".join(f"{_PREFIX}{one}" for one in _KNOWN)
            hint = f"did you mean {_PREFIX}{like}?" if like else f"known are {known}"
            yield f"unknown environment variable {name}: {hint}"
