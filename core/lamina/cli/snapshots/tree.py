"""Snapshots as trees."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import attrs

from lamina.cli.terminal.output import escape
from lamina.snapshots import Info


@attrs.frozen
class SnapshotNode:
    """A snapshot in its tree."""

    depth: int
    """Distance from the root."""
    key: str
    kind: str
    """`View`, `Active`, `Committed`, or `Unknown` for a parent that was not listed."""


def tree(infos: Iterable[Info]) -> Iterator[SnapshotNode]:
    """Yield every snapshot once, after its parent. Parents that were not listed become roots.

    Keys reused during the walk can seem to be each other's ancestors. Such a cycle is cut at its first key.

    Args:
        infos: The snapshots, in the order in which siblings are shown. Roots are sorted.
    """
    known = {info.name: info for info in infos}
    children: dict[str, list[str]] = {}
    for info in known.values():
        children.setdefault(info.parent, []).append(info.name)
    roots = {*children.pop("", ()), *(parent for parent in children if parent not in known)}
    shown: set[str] = set()
    for root in itertools.chain(sorted(roots), known):
        stack = [(0, root)]
        while stack:
            depth, key = stack.pop()
            if key in shown:
                continue
            shown.add(key)
            yield SnapshotNode(depth, key, known[key].kind.title if key in known else "Unknown")
            stack.extend((depth + 1, child) for child in reversed(children.get(key, ())))


def tree_line(node: SnapshotNode) -> str:
    r"""Format a snapshot as `ctr` does: ` root`, `  \_ child`."""
    return "  " * node.depth + (r"\_ " if node.depth else " ") + escape(node.key)


def tree_json(nodes: Iterable[SnapshotNode]) -> Iterator[str]:
    """Yield the pieces of a JSON array of roots, each with `Name`, `Kind` and `Children`.

    Not recursive, because a chain of snapshots can be deeper than `json.dumps` allows.
    """
    import json

    depth = -1
    for node in nodes:
        yield "[\n" if node.depth > depth else f"[]{_end(depth, node.depth)},\n"
        depth = node.depth
        indent = _indent(depth)
        yield f'{indent}{{\n{indent}    "Name": {json.dumps(node.key)},\n'
        yield f'{indent}    "Kind": {json.dumps(node.kind)},\n{indent}    "Children": '
    yield "[]" if depth < 0 else f"[]{_end(depth, 0)}\n]"


def _end(depth: int, last: int) -> str:
    """Return the end of an object at `depth` and of the enclosing ones, up to the one at depth `last`."""
    ends = [f"\n{_indent(depth)}}}"]
    ends += [f"\n{_indent(around)}    ]\n{_indent(around)}}}" for around in range(depth - 1, last - 1, -1)]
    return "".join(ends)


def _indent(depth: int) -> str:
    return " " * (8 * depth + 4)
