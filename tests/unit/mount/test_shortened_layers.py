"""Layers relative to their common directory."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.mount._overlay import format_layers, shorten_layers, split_layers


@pytest.mark.parametrize(
    ("paths", "directory", "shorter"),
    [
        (["/s/1/fs", "/s/2/fs"], "/s", ["1/fs", "2/fs"]),
        (["/s/10/fs", "/s/1/fs"], "/s", ["10/fs", "1/fs"]),
        (["/s/fs"], "/s", ["fs"]),
        (["/s", "/s/1"], "/", ["s", "s/1"]),
        (["/s/", "/s/1"], "/s", [".", "1"]),
        (["/s/../t/1", "/s/../t//2"], "/s/../t", ["1", "2"]),
        (["/a", "/b"], "/", ["a", "b"]),
        (["a/1", "/b"], "", ["a/1", "b"]),
    ],
)
def test_the_common_directory_is_removed(paths: list[str], directory: str, shorter: list[str]) -> None:
    layers = [("lowerdir+", path) for path in paths]
    assert shorten_layers(layers) == (directory, [("lowerdir+", path) for path in shorter])


names = st.text("ab.:,\\", min_size=1)
absolute_paths = st.lists(names, min_size=1).map(lambda parts: "/" + "/".join(parts))
keys = st.sampled_from(["lowerdir+", "datadir+"])


@given(st.lists(absolute_paths, min_size=1))
def test_shortened_layers_joined_to_the_directory_are_the_layers(paths: list[str]) -> None:
    directory, layers = shorten_layers([("lowerdir+", path) for path in paths])
    assert [posixpath.normpath(posixpath.join(directory, path)) for _, path in layers] == [
        posixpath.normpath(path) for path in paths
    ]


@given(absolute_paths, st.lists(st.tuples(keys, absolute_paths)))
def test_layers_are_split_as_they_were_formatted(first: str, others: list[tuple[str, str]]) -> None:
    layers = [("lowerdir+", first), *others]
    assert split_layers(format_layers(layers)) == layers
