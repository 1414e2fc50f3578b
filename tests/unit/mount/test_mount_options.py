"""Parsing of mount options into flags and data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import InvalidArgument
from lamina.mount import MountFlag, parse_options
from lamina.mount._options import split_parameters

PAIRS = [
    ("sync", "async", MountFlag.SYNCHRONOUS),
    ("noatime", "atime", MountFlag.NOATIME),
    ("nodev", "dev", MountFlag.NODEV),
    ("nodiratime", "diratime", MountFlag.NODIRATIME),
    ("noexec", "exec", MountFlag.NOEXEC),
    ("mand", "nomand", MountFlag.MANDLOCK),
    ("relatime", "norelatime", MountFlag.RELATIME),
    ("strictatime", "nostrictatime", MountFlag.STRICTATIME),
    ("ro", "rw", MountFlag.RDONLY),
    ("nosuid", "suid", MountFlag.NOSUID),
]


@pytest.mark.parametrize(("setting", "clearing", "flag"), PAIRS)
def test_the_later_of_two_contradicting_options_wins(setting: str, clearing: str, flag: MountFlag) -> None:
    assert parse_options([clearing, setting]).flags == flag
    assert parse_options([setting, clearing]).flags == 0
    assert parse_options([setting, clearing]).data == ()


@pytest.mark.parametrize(
    ("option", "flags"),
    [
        ("bind", MountFlag.BIND),
        ("rbind", MountFlag.BIND | MountFlag.REC),
        ("dirsync", MountFlag.DIRSYNC),
        ("remount", MountFlag.REMOUNT),
    ],
)
def test_options_that_nothing_clears_stay(option: str, flags: MountFlag) -> None:
    assert parse_options([option]).flags == flags


def test_defaults_means_no_option() -> None:
    assert parse_options(["defaults", "ro"]) == parse_options(["ro"])


def test_other_options_are_data_in_their_order() -> None:
    options = ["workdir=/w", "ro", "lowerdir=/a:/b", "index=off,xino=on", "shared", "RO"]
    assert parse_options(options).data == ("workdir=/w", "lowerdir=/a:/b", "index=off,xino=on", "shared", "RO")


def test_an_option_for_the_mount_manager_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"X-containerd\.mkdir\.path=/x"):
        parse_options(["X-containerd.mkdir.path=/x"])


@pytest.mark.parametrize(
    ("data", "parameters"),
    [
        (["a"], [("a", None)]),
        (["a="], [("a", "")]),
        (["a=b=c"], [("a", "b=c")]),
        (["a,b=1", "c"], [("a", None), ("b", "1"), ("c", None)]),
        (["", "a,,b"], [("a", None), ("b", None)]),
        ([r"upperdir=/a\,b", "c"], [("upperdir", r"/a\,b"), ("c", None)]),
        (["upperdir=/a\\"], [("upperdir", "/a\\")]),
        (['context="u:r:t:s0:c1,c2"', "c"], [("context", "u:r:t:s0:c1,c2"), ("c", None)]),
        (['upperdir=/a"b', 'workdir=/a"c'], [("upperdir", '/a"b'), ("workdir", '/a"c')]),
    ],
)
def test_data_is_split_as_by_the_kernel(data: list[str], parameters: list[tuple[str, str | None]]) -> None:
    assert split_parameters(data) == parameters


keys = st.text("abc+", min_size=1)
values = st.none() | st.text("abc:=/ ")


@given(st.lists(st.tuples(keys, values)))
def test_joined_parameters_split_into_the_same(
    parameters: list[tuple[str, str | None]],
) -> None:
    data = [key if value is None else f"{key}={value}" for key, value in parameters]
    assert split_parameters(data) == parameters
