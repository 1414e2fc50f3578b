"""The origin of moved tables and settings is inferred."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lamina.config.reading._moves import compose, infer_moves, origin_of

names = st.sampled_from("abcd")
trees = st.recursive(
    st.just(0), lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def numbered(tree: dict[str, Any], count: Iterator[int]) -> dict[str, Any]:
    """A tree whose leaves are all different."""
    return {
        key: numbered(value, count) if isinstance(value, dict) else f"value {next(count)}"
        for key, value in tree.items()
    }


def leaves(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def tables(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [tree, *(table for value in tree.values() if isinstance(value, dict) for table in tables(value))]


def move_something(tree: dict[str, Any], free_names: str, data: st.DataObject) -> None:
    """Take something from one place to another where nothing was, in the tree and not in itself."""
    source = data.draw(st.sampled_from([table for table in tables(tree) if table] or [tree]))
    if not source:
        return
    thing = source.pop(data.draw(st.sampled_from(sorted(source))))
    target = data.draw(st.sampled_from(tables(tree)))
    free = [name for name in free_names if name not in target]
    if free:
        target[data.draw(st.sampled_from(free))] = thing


@given(trees, st.data())
def test_every_value_is_found_where_it_was(tree: dict[str, Any], data: st.DataObject) -> None:
    tree = numbered(tree, iter(range(100)))
    before = {value: path for path, value in leaves(tree)}
    moved: dict[Any, Any] = {}
    for free_names in data.draw(st.sampled_from([["efgh"], ["efgh", "ijkl"]]), label="steps"):
        moves_until = infer_moves(tree, ())
        for _ in range(data.draw(st.integers(0, 3), label="moves")):
            move_something(tree, free_names, data)
        moved = compose(moves_until(tree), moved)
    for path, value in leaves(tree):
        assert origin_of(path, moved) == before[value]


def test_new_keys_originate_in_their_table() -> None:
    tree: dict[str, Any] = {"a": {"x": 1}}
    moves_until = infer_moves(tree, ())
    tree["b"] = tree.pop("a")
    tree["b"]["y"] = 2
    assert origin_of(("b", "y"), moves_until(tree)) == ("a", "y")


def test_an_ambiguous_value_is_matched_by_name_or_not_at_all() -> None:
    tree: dict[str, Any] = {"a": {"x": 0, "y": 0}}
    moves_until = infer_moves(tree, ())
    del tree["a"]
    tree["b"] = {"x": 0, "z": 0}
    moves = moves_until(tree)
    assert origin_of(("b", "x"), moves) == ("a", "x")
    assert origin_of(("b", "z"), moves) == ("b", "z")
