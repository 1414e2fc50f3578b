"""Options that request loop devices and id maps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import InvalidArgument
from lamina.mount import Extent, IdMap, IdMaps, Mount, MountFlag, parse_options, without_id_map
from lamina.mount._options import replace_parameter, split_parameters
from lamina.mount.idmap._maps import LARGEST_ID

ROOT = IdMap((Extent(0, 1000, 10),))


def test_loop_options_are_not_data_of_the_file_system() -> None:
    options = parse_options(["direct-io", "data=journal", "loop", "ro"])
    assert (options.loop, options.direct_io, options.data) == (True, True, ("data=journal",))
    assert options.flags == MountFlag.RDONLY


def test_direct_io_without_loop_is_data() -> None:
    options = parse_options(["direct-io"])
    assert (options.loop, options.direct_io, options.data) == (False, False, ("direct-io",))


@pytest.mark.parametrize("flag", ["bind", "rbind", "remount"])
def test_loop_without_a_file_is_refused(flag: str) -> None:
    with pytest.raises(InvalidArgument, match="mount option 'loop'"):
        parse_options([flag, "loop"])


def test_two_id_maps_request_id_mapping() -> None:
    options = parse_options(["uidmap=0:1:1", "rbind", "gidmap=0:2000:5,5:0:1", "uidmap=0:1000:10"])
    assert options.id_maps == IdMaps(ROOT, IdMap((Extent(0, 2000, 5), Extent(5, 0, 1))))
    assert options.data == ()


@pytest.mark.parametrize("option", ["uidmap=0:1:2", "gidmap=0:1:2"])
def test_one_id_map_alone_is_refused(option: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{option[:6]} alone: .* needs both"):
        parse_options(["ro", option])


def test_a_remount_with_id_maps_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a remount cannot change them"):
        parse_options(["remount", "uidmap=0:1:2", "gidmap=0:1:2"])


@pytest.mark.parametrize(
    "text", ["", "0", "0:1", "0:1:2:3", "0:1:2,", "-1:0:1", "a:0:1", "0:1:+2", "0: 1:2", "0:²:1", "0:1:0"]
)
def test_a_malformed_id_map_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"mount option 'gidmap=.*': id map: .* found"):
        parse_options(["uidmap=0:1:2", f"gidmap={text}"])


@pytest.mark.parametrize("text", ["4294967295:0:1", "0:4294967295:1", "1:0:4294967295", "0:0:4294967296"])
def test_ids_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="ids must be at most 4294967294"):
        IdMap.parse(text)


extents = st.builds(
    lambda container, host, size: Extent(container, host, min(size, LARGEST_ID + 1 - max(container, host))),
    st.integers(0, LARGEST_ID),
    st.integers(0, LARGEST_ID),
    st.integers(1, 2**32),
)


@given(st.lists(extents, min_size=1))
def test_an_id_map_round_trips(ranges: list[Extent]) -> None:
    id_map = IdMap(tuple(ranges))
    assert IdMap.parse(str(id_map)) == id_map
    assert id_map.inverse().inverse() == id_map


def test_ids_are_mapped_by_their_range() -> None:
    id_map = IdMap.parse("5:9:1,0:2000:3")
    assert [id_map.to_host(id_) for id_ in (0, 2, 3, 5, 6)] == [2000, 2002, None, 9, None]
    assert [id_map.inverse().to_host(id_) for id_ in (2000, 2002, 9, 5)] == [0, 2, 5, None]


def test_id_maps_can_be_removed_from_any_mount() -> None:
    mounts = [
        Mount("bind", "/a", ("uidmap=0:1:2", "gidmap=0:1:2", "rw", "rbind")),
        Mount("overlay", "overlay", ("uidmap=0:1:2", "lowerdir=/a:/b")),
    ]
    assert [mount.options for mount in without_id_map(mounts)] == [("rw", "rbind"), ("lowerdir=/a:/b",)]
    assert mounts[1].options == ("uidmap=0:1:2", "lowerdir=/a:/b")


def test_propagation_options_are_data() -> None:
    assert parse_options(["rshared", "slave"]).data == ("rshared", "slave")


@pytest.mark.parametrize(
    ("data", "replaced"),
    [
        ([], ("k=new",)),
        (["a", "k=1,b", "k=2"], ("a", "b", "k=new")),
        ([r"k=a\,b,c", 'context="x,y"', "ka=1"], ("c", 'context="x,y"', "ka=1", "k=new")),
    ],
)
def test_replacing_a_parameter_keeps_the_others(data: list[str], replaced: tuple[str, ...]) -> None:
    assert replace_parameter(data, "k", "new") == replaced
    assert dict(split_parameters(replaced))["k"] == "new"
