"""The names in a layer: paths, and those that stand for deletions (OCI image spec, `layer.md`, "Whiteouts")."""

from __future__ import annotations

from typing import Final

WHITEOUT: Final = b".wh."
"""The prefix of a name that deletes the name after it."""
OPAQUE: Final = b".wh..wh..opq"
"""The name that deletes everything in its directory."""
_AUFS: Final = b".wh..wh."
"""The prefix of names that aufs keeps for itself; old images have them."""
_ODD: Final = frozenset({b"", b".", b".."})
_MAX_SHOWN: Final = 256


def components(path: bytes) -> list[bytes]:
    """Return the names in a path of an archive. `..` takes back the name before it, if there is one."""
    names: list[bytes] = []
    for name in path.split(b"/"):
        if name == b"..":
            del names[-1:]
        elif name not in (b"", b"."):
            names.append(name)
    return names


def split(path: bytes) -> tuple[bytes, bytes]:
    """Return the path of the directory that an entry is in, and its name there: "" for the root of the tree."""
    parent, _, name = path.rpartition(b"/")
    if name not in _ODD:
        return parent, name
    names = components(path)
    return b"/".join(names[:-1]), names[-1] if names else b""


def is_of_aufs(path: bytes) -> bool:
    """Return whether aufs keeps its own data at a path, which is not part of the tree."""
    return any(name.startswith(_AUFS) and name != OPAQUE for name in components(path))


def is_reserved(path: bytes) -> bool:
    """Return whether a path has a directory whose name is that of a whiteout, which no directory can have."""
    return any(name.startswith(WHITEOUT) for name in components(path))


def shown(path: bytes) -> str:
    """Return a path of an archive for messages."""
    text = path.decode(errors="backslashreplace")
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
