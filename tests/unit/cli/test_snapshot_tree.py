"""Snapshots as trees."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lamina.cli.snapshots.tree import SnapshotNode, tree, tree_json, tree_line
from lamina.snapshots import Info, Kind

KEYS = st.text("abc\n", min_size=1, max_size=2)
INFOS = st.lists(
    st.builds(Info, name=KEYS, kind=st.sampled_from(Kind), parent=st.just("") | KEYS),
    max_size=20,
    unique_by=lambda info: info.name,
)


def lines(*infos):
    return [tree_line(node) for node in tree(infos)]


def document(*infos):
    return json.loads("".join(tree_json(tree(infos))))


def nested(nodes):
    """The same nodes as lists in lists."""
    roots = []
    path = [roots]
    for node in nodes:
        children = []
        del path[node.depth + 1 :]
        path[node.depth].append({"Name": node.key, "Kind": node.kind, "Children": children})
        path.append(children)
    return roots


def test_children_are_shown_below_their_parent_as_by_ctr():
    shown = lines(
        Info("app", parent="base"), Info("base"), Info("box", Kind.ACTIVE, "app"), Info("look", Kind.VIEW, "base")
    )
    assert shown == [" base", r"  \_ app", r"    \_ box", r"  \_ look"]


def test_a_parent_that_is_not_there_is_a_root():
    assert lines(Info("app", parent="gone"), Info("zoo")) == [" gone", r"  \_ app", " zoo"]


def test_a_parent_that_is_not_there_is_of_unknown_kind():
    assert list(tree([Info("app", parent="gone")])) == [
        SnapshotNode(0, "gone", "Unknown"),
        SnapshotNode(1, "app", "Committed"),
    ]


def test_no_snapshots_print_no_lines():
    assert lines() == []


def test_a_key_that_holds_a_newline_takes_one_line():
    assert lines(Info("a\nb")) == [r" a\nb"]


@given(INFOS)
def test_every_key_and_parent_appears_exactly_once(infos):
    shown = [node.key for node in tree(infos)]
    assert sorted(shown) == sorted({info.name for info in infos} | {info.parent for info in infos} - {""})


@given(INFOS)
def test_every_child_except_one_of_each_cycle_follows_its_parent(infos):
    parents = {info.name: info.parent for info in infos}
    path = []
    for node in tree(infos):
        del path[node.depth :]
        assert node.depth == len(path)
        assert path == [] or parents[node.key] == path[-1]
        if not path and parents.get(node.key):
            assert circular(node.key, parents)
        path.append(node.key)


def circular(key, parents):
    seen = set()
    at = key
    while at in parents and at not in seen:
        seen.add(at)
        at = parents[at]
    return at in seen


@given(INFOS)
def test_json_nests_the_children(infos):
    assert document(*infos) == nested(tree(infos))


def test_json_is_indented_with_four_blanks():
    infos = [Info("a", parent="b"), Info("b"), Info("c", Kind.ACTIVE)]
    expected = json.dumps(nested(tree(infos)), indent=4)
    assert "".join(tree_json(tree(infos))) == expected


def test_a_chain_deeper_than_pythons_recursion_is_shown():
    chain = [Info(f"{number:04}", parent=f"{number - 1:04}" if number else "") for number in range(1500)]
    assert len(lines(*chain)) == 1500
    assert "".join(tree_json(tree(chain))).count('"Name"') == 1500
