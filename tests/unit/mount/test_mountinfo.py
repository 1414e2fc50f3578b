"""Parsing of /proc/self/mountinfo."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import NotFound
from lamina.mount import lookup, mountinfo
from lamina.mount._mountinfo import parse_line
from tests.support.waiting import wait_until


def test_the_example_of_the_manual_page_is_read() -> None:
    line = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
    assert parse_line(line)._asdict() == {
        "id": 36,
        "parent": 35,
        "device": "98:0",
        "root": "/mnt1",
        "mount_point": "/mnt2",
        "options": ("rw", "noatime"),
        "propagation": ("master:1",),
        "type": "ext3",
        "source": "/dev/root",
        "super_options": ("rw", "errors=continue"),
    }


def test_any_number_of_optional_fields_and_an_empty_source_are_read() -> None:
    info = parse_line(b"1 2 0:3 / /- rw shared:1 master:2 - tmpfs  rw")
    assert (info.mount_point, info.propagation, info.type, info.source) == (
        "/-",
        ("shared:1", "master:2"),
        "tmpfs",
        "",
    )


def test_an_escaped_comma_does_not_divide_options() -> None:
    info = parse_line(rb"1 2 0:3 / /m ro - overlay none ro,lowerdir+=/a\054b,lowerdir+=/c\040d")
    assert info.super_options == ("ro", "lowerdir+=/a,b", "lowerdir+=/c d")


@given(st.binary(min_size=1))
def test_every_path_survives_the_kernels_escaping(path: bytes) -> None:
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#," else bytes([byte]) for byte in path)
    info = parse_line(b"1 2 0:3 / %s rw - tmpfs none rw" % escaped)
    assert os.fsencode(info.mount_point) == path


def test_this_process_sees_its_root_and_proc() -> None:
    mounts = {info.mount_point: info for info in mountinfo()}
    assert mounts["/proc"].type == "proc"
    assert "/" in mounts


def test_another_process_has_mounts_of_its_own() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        # Mounts of others outside of the tests may appear in both at any moment.
        wait_until(lambda: list(mountinfo(other.pid)) == list(mountinfo()), 60, "both see the same")
        other.kill()


def test_lookup_finds_the_mount_that_contains_a_path(tmp_path: Path) -> None:
    assert lookup("/proc/self/status").mount_point == "/proc"
    link = tmp_path / "link"
    link.symlink_to("/proc")
    assert lookup(link).type == "proc"


def test_lookup_of_a_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent"):
        lookup(tmp_path / "absent")
