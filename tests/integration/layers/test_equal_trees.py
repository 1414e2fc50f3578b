"""The tree is the same whether layers are applied to one directory, or each to an upper directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from lamina.errdefs import InvalidArgument
from lamina.fs import opened
from lamina.layers import ParentNeeded, Whiteouts, remove_idle_whiteouts
from lamina.testing import differences, read_tree
from tests.support.layers import Item, apply, device, directory, file, hard_link, opaque, symlink, whiteout
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root", "overlay")

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
TARGETS = st.one_of(NAMES, NAMES.map("/{}".format), NAMES.map("../{}".format), st.sampled_from([".", "..", "/"]))
MODES = st.sampled_from([0o755, 0o700, 0o1777, 0o2750, 0o4711])
TIMES = st.integers(10**18, 10**18 + 5)
XATTRS = st.sampled_from([None, {"user.a": b"1"}, {"trusted.b": b"2"}])
ENTRIES = st.one_of(
    st.builds(file, NAMES, st.binary(max_size=3), mode=MODES, mtime=TIMES, uid=st.integers(0, 2), xattrs=XATTRS),
    st.builds(directory, NAMES, MODES, mtime=TIMES, gid=st.integers(0, 2), xattrs=XATTRS),
    st.builds(symlink, NAMES, TARGETS, mtime=TIMES),
    st.builds(device, NAMES, st.just(1), st.just(3)),
    st.builds(whiteout, NAMES),
    st.builds(opaque, NAMES),
    st.just(opaque("")),
    st.builds(directory, st.just("."), MODES),
)
LINKS = st.builds(hard_link, NAMES, NAMES)
LAYER = st.lists(st.one_of(ENTRIES, ENTRIES, ENTRIES, LINKS), max_size=12)
BASE = LAYER


@settings(
    max_examples=rounds(60, 20_000),
    # Three layers of four are refused or need their parent: there are enough others.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(base=BASE, layer=LAYER)
def test_a_layer_that_does_not_need_its_parent_gives_the_same_tree_without(
    base: Sequence[Item], layer: Sequence[Item]
) -> None:
    with directories() as (whole, uppers):
        assume(not outcome(whole, base, Whiteouts.DELETE))
        assume(not outcome(whole, with_parents(layer), Whiteouts.DELETE))
        outcome(uppers[0], base, Whiteouts.OVERLAY)
        take_root(uppers[0], uppers[1])
        try:
            applied = apply(uppers[1], *with_parents(layer), whiteouts=Whiteouts.OVERLAY)
        except ParentNeeded:
            reject()
        if applied.has_unchecked_whiteouts:
            with (
                merged(uppers[:1]) as parent,
                opened(uppers[1], os.O_PATH) as upper,
                opened(parent, os.O_PATH) as fd,
            ):
                remove_idle_whiteouts(upper, fd)
        with merged(uppers[:2]) as view:
            assert differences(read_tree(view), read_tree(whole)) == []


@settings(max_examples=rounds(60, 20_000))
@given(base=BASE, layers=st.lists(LAYER, min_size=1, max_size=2))
def test_both_ways_give_the_same_tree(base: Sequence[Item], layers: Sequence[Sequence[Item]]) -> None:
    with directories() as (whole, uppers):
        for index, layer in enumerate((base, *layers)):
            expected = outcome(whole, layer, Whiteouts.DELETE)
            with ExitStack() as stack:
                lowers = uppers[:index]
                parent = stack.enter_context(merged(lowers)) if lowers else None
                if parent:
                    take_root(parent, uppers[index])
                assert outcome(uppers[index], layer, Whiteouts.OVERLAY, parent) == expected
            if expected:
                return
            with merged(uppers[: index + 1]) as view:
                assert differences(read_tree(view), read_tree(whole)) == []


def outcome(root: Path, layer: Sequence[Item], whiteouts: Whiteouts, parent: Path | None = None) -> str:
    """Apply a layer; returns the error, or ""."""
    try:
        apply(
            root,
            *layer,
            whiteouts=whiteouts,
            parent=parent,
            is_lowest=whiteouts is Whiteouts.OVERLAY and not parent,
        )
    except InvalidArgument as error:
        return str(error)
    return ""


def with_parents(layer: Sequence[Item]) -> list[Item]:
    """Have an entry for each directory before what is in it, as archives usually do."""
    found: dict[str, Item] = {}
    for item in layer:
        for parent in reversed(PurePath(item.name).parents[:-1]):
            found.setdefault(str(parent), directory(str(parent)))
        found[item.name] = item
    return list(found.values())


def take_root(parent: Path, upper: Path) -> None:
    """Give the root of an upper directory the attributes of its parent's, as a snapshotter does."""
    status = parent.stat()
    os.chown(upper, status.st_uid, status.st_gid)
    shutil.copystat(parent, upper)


@contextmanager
def directories() -> Iterator[tuple[Path, list[Path]]]:
    with tempfile.TemporaryDirectory(prefix="lamina-layers") as name:
        paths = [Path(name, part) for part in ("whole", "0", "1", "2")]
        for path in paths:
            path.mkdir(mode=0o755)
            os.utime(path, (0, 0))
        yield paths[0], paths[1:]


@contextmanager
def merged(layers: Sequence[Path]) -> Iterator[Path]:
    """A read-only view of upper directories, the lowest first."""
    with tempfile.TemporaryDirectory(prefix="lamina-layers") as name:
        lower = [Path(name, "empty"), Path(name, "view")]
        for path in lower:
            path.mkdir()
        stack = ":".join(map(str, (*reversed(layers), lower[0])))
        subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={stack}", "overlay", lower[1]], check=True)
        try:
            yield lower[1]
        finally:
            subprocess.run(["umount", lower[1]], check=True)
