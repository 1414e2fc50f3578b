"""Splitting and joining of `lowerdir`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import InvalidArgument
from lamina.mount import OverlayDirectories, overlay_directories
from lamina.mount._overlay import join_layers, split_layers, unescape


@pytest.mark.parametrize(
    ("lowerdir", "layers"),
    [
        ("/a", [("lowerdir+", "/a")]),
        ("/a:/b", [("lowerdir+", "/a"), ("lowerdir+", "/b")]),
        (r"/a\:b:/c", [("lowerdir+", "/a:b"), ("lowerdir+", "/c")]),
        (r"/a\\:/c\,d", [("lowerdir+", "/a\\"), ("lowerdir+", "/c,d")]),
        ("/a::/d::/e", [("lowerdir+", "/a"), ("datadir+", "/d"), ("datadir+", "/e")]),
    ],
)
def test_lowerdir_is_split_at_unescaped_colons(lowerdir: str, layers: list[tuple[str, str]]) -> None:
    assert split_layers(lowerdir) == layers


@pytest.mark.parametrize("lowerdir", ["", ":", ":/a", "/a:", "/a:::/b", "::/a"])
def test_an_empty_layer_is_refused(lowerdir: str) -> None:
    with pytest.raises(InvalidArgument, match="a layer is empty"):
        split_layers(lowerdir)


paths = st.text(min_size=1)


def escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", r"\:").replace(",", r"\,")


@given(st.lists(paths, min_size=1))
def test_any_paths_survive_escaping_and_splitting(layers: list[str]) -> None:
    assert [path for _, path in split_layers(":".join(map(escape, layers)))] == layers


@given(paths)
def test_an_upper_directory_becomes_the_topmost_layer_whatever_its_name(upper: str) -> None:
    value = upper.replace("\\", "\\\\").replace(",", r"\,")
    assert unescape(value) == upper
    assert split_layers(join_layers(value, "/l")) == [("lowerdir+", upper), ("lowerdir+", "/l")]


def test_the_directories_are_parsed_from_the_options() -> None:
    options = ("workdir=/s/2/work", r"upperdir=/s/2/f\,s", r"lowerdir=/s/1/fs:/s/0\:0", "index=off", "ro")
    expected = OverlayDirectories(("/s/1/fs", "/s/0:0"), "/s/2/f,s", "/s/2/work")
    assert overlay_directories(options) == expected


def test_separate_layer_options_of_newer_kernels_are_parsed() -> None:
    assert overlay_directories(("lowerdir+=/a", "lowerdir+=/b")) == OverlayDirectories(("/a", "/b"))
