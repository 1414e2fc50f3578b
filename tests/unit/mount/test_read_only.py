"""Read-only mounts, and making others read-only."""

from __future__ import annotations

import pytest

from lamina.mount import Mount, is_read_only, read_only
from lamina.mount._readonly import without_volatile


@pytest.mark.parametrize(
    ("mount", "answer"),
    [
        (Mount("erofs", "/image", ("rw",)), True),
        (Mount("overlay", "overlay", ("lowerdir=/a:/b",)), True),
        (Mount("overlay", "overlay", ("upperdir=/u", "workdir=/w", "lowerdir=/a")), False),
        (Mount("overlay", "overlay", ("upperdir=/u", "workdir=/w", "lowerdir=/a", "ro")), True),
        (Mount("overlay", "overlay", ("upperdir=/u,workdir=/w,lowerdir=/a,ro",)), True),
        (Mount("overlay", "overlay", ("upperdir=/ro,workdir=/w,lowerdir=/a",)), False),
        (Mount("format/mkdir/overlay", "overlay", ("lowerdir=/a:/b",)), True),
        (Mount("bind", "/d", ("ro", "rbind")), True),
        (Mount("bind", "/d", ("rw", "rbind")), False),
        (Mount("bind", "/d", ("rbind",)), False),
        (Mount("btrfs", "/dev/sda", ("subvolid=5", "ro")), True),
    ],
)
def test_is_read_only(mount: Mount, answer: bool) -> None:
    assert is_read_only(mount) is answer


def test_an_upper_directory_becomes_the_topmost_lower_one() -> None:
    options = ("uidmap=0:1:2", "gidmap=0:1:2", "workdir=/w", "upperdir=/u:1", "lowerdir=/a:/b", "index=off")
    mount = Mount("overlay", "overlay", options)
    assert read_only([mount]) == [Mount("overlay", "overlay", (r"lowerdir=/u\:1:/a:/b", "index=off"))]
    assert mount.options == options


def test_an_upper_directory_alone_is_not_lost() -> None:
    mount = Mount("overlay", "overlay", ("workdir=/w", "upperdir=/u"))
    assert read_only([mount])[0].options == ("lowerdir=/u",)


def test_an_overlay_without_upper_directory_stays_as_it_is() -> None:
    mount = Mount("overlay", "overlay", ("lowerdir=/a:/b", "index=off"))
    assert read_only([mount]) == [mount]


def test_other_mounts_get_ro_in_place_of_rw() -> None:
    mounts = [Mount("bind", "/d", ("rw", "rbind"), "sub"), Mount("bind", "/d", ("rbind",))]
    assert [mount.options for mount in read_only(mounts)] == [("rbind", "ro"), ("rbind", "ro")]
    assert read_only(mounts)[0].target == "sub"


def test_making_a_mount_read_only_is_idempotent() -> None:
    mounts = [
        Mount("overlay", "o", ("upperdir=/u", "workdir=/w", "lowerdir=/l")),
        Mount("bind", "/d", ("rw", "bind")),
    ]
    once = read_only(mounts)
    assert all(map(is_read_only, once))
    assert read_only(once) == once


def test_volatile_is_removed_only_from_overlays() -> None:
    options = ("volatile", "fsync=volatile", "lowerdir=/a")
    mounts = [Mount("overlay", "overlay", options), Mount("other", "x", options)]
    assert [mount.options for mount in without_volatile(mounts)] == [("lowerdir=/a",), options]
