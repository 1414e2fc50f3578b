"""More layers than fit into the one page of mount(2), without the new mount API."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires("root", "overlay")

# Forbids fsopen(2), mounts what standard input names, and prints the result.
PROGRAM = f"""
import ctypes, os, struct, sys
from lamina.errdefs import Error
from lamina.mount import Mount, lookup, mount_all, unmount

program = b"".join(struct.pack("HBBI", *instruction) for instruction in (
    (0x20, 0, 0, 0),              # load the number of the system call
    (0x15, 0, 1, 430),            # fsopen(2)?
    (0x06, 0, 0, 0x00050000 | {errno.ENOSYS}),  # SECCOMP_RET_ERRNO
    (0x06, 0, 0, 0x7FFF0000),     # SECCOMP_RET_ALLOW
))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]
set_seccomp, filter_mode = 22, 2
if ctypes.CDLL(None).prctl(set_seccomp, filter_mode, ctypes.byref(Filter(4, program)), 0, 0):
    sys.exit("no seccomp")
here, opened = os.getcwd(), os.listdir("/proc/self/fd")
try:
    mount_all([Mount("overlay", "overlay", tuple(sys.stdin.read().split()))], "target")
except Error as error:
    print(error)
else:
    print(len([name for name in os.listdir("target") if name.startswith("file")]))
    print(os.path.exists("target/upper"), "lowerdir+" in " ".join(lookup("target").super_options))
    unmount("target")
print(os.getcwd() == here, os.listdir("/proc/self/fd") == opened)
"""


def mount(directory: Path, *options: str) -> list[str]:
    """Mount an overlay in `directory`, with the target as a relative path."""
    command = [sys.executable, "-c", PROGRAM]
    text = " ".join(options)
    done = subprocess.run(
        command, input=text, cwd=directory, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path


def make_layers(directory: Path, count: int, suffix: str = "") -> str:
    layers = directory / ("long" * 50)
    for number in range(count):
        (layers / f"{number}{suffix}" / "fs").mkdir(parents=True)
        (layers / f"{number}{suffix}" / "fs" / f"file{number}").touch()
    return "lowerdir=" + ":".join(f"{layers}/{number}{suffix}/fs" for number in range(count))


@pytest.mark.parametrize("count", [128, 500])
def test_layers_are_named_relative_to_their_common_directory(directory: Path, count: int) -> None:
    assert mount(directory, make_layers(directory, count)) == [str(count), "False False", "True True"]


def test_the_path_of_an_upper_directory_is_not_shortened(directory: Path) -> None:
    for name in ("upper", "work"):
        (directory / name).mkdir()
    (directory / "upper" / "upper").touch()
    upper = (f"workdir={directory}/work", f"upperdir={directory}/upper")
    assert mount(directory, *upper, make_layers(directory, 128)) == ["128", "True False", "True True"]


def test_data_that_still_exceeds_a_page_is_refused(directory: Path) -> None:
    message, unchanged = mount(directory, make_layers(directory, 200, "name" * 10))
    assert message.startswith("mount options is too long: ")
    assert f"bytes relative to {directory}/" in message
    assert "Use fewer layers, a shorter root_path, or Linux 6.7 or newer" in message
    assert unchanged == "True True"


def test_relative_paths_are_not_confused_with_others(directory: Path) -> None:
    options = ("workdir=work", "upperdir=upper", make_layers(directory, 128))
    message, unchanged = mount(directory, *options)
    assert message.startswith("mount options is too long: ")
    assert unchanged == "True True"


def test_layers_can_be_id_mapped_too(directory: Path) -> None:
    options = ("uidmap=0:1000:1", "gidmap=0:1000:1", make_layers(directory, 300))
    assert mount(directory, *options) == ["300", "False False", "True True"]
