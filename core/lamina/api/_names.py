"""The names of snapshotters in the exports of the snapshots service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_NAMES: Final = "names."
_DANGLING: Final = "dangling."


def names_to_exports(names: Mapping[str, Iterable[str]], dangling: Mapping[str, str]) -> dict[str, str]:
    """Encode the names of snapshotters as exports.

    Args:
        names: Names by plugin id, the preferred one first.
        dangling: Plugin ids of missing snapshotters, by alias.
    """
    import json

    return {
        **{f"{_NAMES}{id_}": json.dumps([*found]) for id_, found in names.items()},
        **{f"{_DANGLING}{alias}": target for alias, target in dangling.items()},
    }


def names_from_exports(exports: Mapping[str, str]) -> dict[str, list[str]]:
    """Decode names by plugin id, the preferred one first. Only lamina hosts export them."""
    import json

    return {
        key.removeprefix(_NAMES): [str(name) for name in json.loads(value)]
        for key, value in exports.items()
        if key.startswith(_NAMES)
    }


def dangling_from_exports(exports: Mapping[str, str]) -> dict[str, str]:
    """Decode the plugin ids of missing snapshotters, by alias."""
    return {key.removeprefix(_DANGLING): id_ for key, id_ in exports.items() if key.startswith(_DANGLING)}
