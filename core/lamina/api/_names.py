"""The names of snapshotters, among the exports of the snapshots service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_NAMES: Final = "names."
_DANGLING: Final = "dangling."


def names_to_exports(names: Mapping[str, Iterable[str]], dangling: Mapping[str, str]) -> dict[str, str]:
    """The exports that tell which names mean which snapshotter.

    Args:
        names: By plugin id, best first.
        dangling: Aliases of snapshotters that the host does not have, each with the id that it stands for.
    """
    import json

    return {
        **{f"{_NAMES}{id_}": json.dumps([*found]) for id_, found in names.items()},
        **{f"{_DANGLING}{alias}": target for alias, target in dangling.items()},
    }


def names_from_exports(exports: Mapping[str, str]) -> dict[str, list[str]]:
    """The names that exports tell, by plugin id, best first; none from a server that is no lamina host."""
    import json

    return {
        key.removeprefix(_NAMES): [str(name) for name in json.loads(value)]
        for key, value in exports.items()
        if key.startswith(_NAMES)
    }


def dangling_from_exports(exports: Mapping[str, str]) -> dict[str, str]:
    """The aliases of snapshotters that the host does not have, and the plugin id that each stands for."""
    return {key.removeprefix(_DANGLING): id_ for key, id_ in exports.items() if key.startswith(_DANGLING)}
