"""Real mounts, their options, and refusals of the kernel."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument, MountFailed
from lamina.mount import Mount, MountInfo, _syscalls, lookup, mount_all, mountinfo, unmount, unmount_all
from lamina.mount._context import overlay_takes_single_layers
from tests.support.trees import open_files

pytestmark = pytest.mark.requires("root", "overlay")

TMPFS = Mount("tmpfs", "tmpfs")


def directory_with(path: Path, name: str, content: str = "") -> Path:
    path.mkdir(parents=True)
    (path / name).write_text(content)
    return path


def overlay(*options: str) -> Mount:
    return Mount("overlay", "overlay", options)


def mounts_below(directory: Path) -> list[MountInfo]:
    return [info for info in mountinfo() if info.mount_point.startswith(str(directory))]


def test_an_overlay_shows_its_layers_and_accepts_writes(tmp_path: Path, target: Path) -> None:
    lower, upper, work = directory_with(tmp_path / "lower", "a", "lower"), tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    mount_all([overlay(f"workdir={work}", f"upperdir={upper}", f"lowerdir={lower}", "index=off")], target)
    (target / "b").write_text("new")
    assert (target / "a").read_text() == "lower"
    assert (upper / "b").read_text() == "new"
    info = lookup(target)
    assert (info.type, info.source, info.mount_point) == ("overlay", "overlay", str(target))
    assert f"upperdir={upper}" in info.super_options
    unmount(target)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "a:b", "a,b", "a\\b", "a\\:b,c", 'a"b', "a\nb", "ä", "a=b"])
def test_layers_of_any_name_work_with_overlays_escapes(tmp_path: Path, target: Path, name: str) -> None:
    def escaped(path: Path) -> str:
        return str(path).replace("\\", "\\\\").replace(":", r"\:").replace(",", r"\,")

    lower = directory_with(tmp_path / "lower" / name, "file", "seen")
    upper, work = tmp_path / "upper" / name, tmp_path / "work" / name
    upper.mkdir(parents=True)
    work.mkdir(parents=True)
    options = (f"lowerdir={escaped(lower)}", f"upperdir={escaped(upper)}", f"workdir={escaped(work)}")
    mount_all([overlay(*options)], target)
    (target / "new").touch()
    assert (target / "file").read_text() == "seen"
    assert (upper / "new").exists()
    unmount(target)


def test_layers_with_paths_longer_than_a_string_of_fsconfig_are_mounted(tmp_path: Path, target: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    lower = directory_with(deep / "lower:1", "file", "seen")
    for name in ("upper:1", "work"):
        (deep / name).mkdir()
    options = (f"lowerdir={deep}/lower\\:1", f"upperdir={deep}/upper\\:1", f"workdir={deep}/work")
    before = open_files()
    mount_all([overlay(*options)], target)
    assert open_files() == before
    (target / "new").touch()
    assert (target / "file").read_text() == (lower / "file").read_text()
    assert (deep / "upper:1" / "new").exists()
    unmount(target)


def layers(directory: Path, count: int) -> str:
    paths = [directory_with(directory / f"{n}", f"file{n}") for n in range(count)]
    return ":".join(map(str, paths))


def test_five_hundred_layers_are_mounted(tmp_path: Path, target: Path) -> None:
    mount_all([overlay(f"lowerdir={layers(tmp_path / 'layers', 500)}")], target)
    assert len(list(target.iterdir())) == 500
    unmount(target)


def test_more_layers_than_the_kernel_stacks_are_refused_with_the_remedy(tmp_path: Path, target: Path) -> None:
    before = open_files()
    with pytest.raises(MountFailed) as failure:
        mount_all([overlay(f"lowerdir={layers(tmp_path / 'layers', 501)}")], target)
    assert "too many lower directories, limit is 500" in str(failure.value)
    assert "layer 501 of 501: this kernel stacks 500; merge layers" in str(failure.value)
    assert open_files() == before
    assert mounts_below(tmp_path) == []


def test_of_several_lowerdirs_the_last_one_counts(tmp_path: Path, target: Path) -> None:
    first, second = layers(tmp_path / "first", 2), layers(tmp_path / "second", 3)
    mount_all([overlay(f"lowerdir={first}", f"lowerdir={second}")], target)
    assert len(list(target.iterdir())) == 3
    unmount(target)


def test_a_refusal_has_the_kernels_message(tmp_path: Path, target: Path) -> None:
    with pytest.raises(MountFailed) as failure:
        mount_all([overlay(f"lowerdir={layers(tmp_path / 'layers', 2)}", "index=maybe")], target)
    message = str(failure.value)
    assert message.startswith(f"mount overlay 'overlay' on {target}: Invalid argument; at index=maybe; ")
    assert "Bad value for 'index'" in message
    assert message.endswith("(for more: dmesg | tail)")
    assert isinstance(failure.value.__cause__, OSError)
    assert failure.value.__cause__.errno == errno.EINVAL


def test_a_missing_layer_is_named(tmp_path: Path, target: Path) -> None:
    with pytest.raises(MountFailed, match=f"No such file or directory; at lowerdir\\+={tmp_path}/absent"):
        mount_all([overlay(f"lowerdir={tmp_path}/absent:/")], target)


def test_a_file_system_that_the_kernel_does_not_have(target: Path) -> None:
    with pytest.raises(MountFailed, match="no such file system in this kernel") as failure:
        mount_all([Mount("nosuchfs", "none")], target)
    assert isinstance(failure.value.__cause__, OSError)
    assert failure.value.__cause__.errno == errno.ENODEV


def test_a_target_that_does_not_exist(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(MountFailed, match="No such file or directory"):
        mount_all([TMPFS], tmp_path / "absent")
    assert open_files() == before


def test_an_argument_with_a_nul_is_refused(target: Path) -> None:
    with pytest.raises(InvalidArgument, match="NUL"):
        mount_all([Mount("tmpfs", "tmp\0fs")], target)


def test_data_over_a_page_is_refused_with_mount_2(tmp_path: Path, target: Path) -> None:
    source = "s" * 256  # longer than fsconfig(2) takes
    many = ":".join(f"{tmp_path}/{'layer' * 10}{n}" for n in range(100))
    with pytest.raises(InvalidArgument, match=r"mount options is too long: .* Use fewer layers"):
        mount_all([Mount("overlay", source, (f"lowerdir={many}",))], target)
    mount_all([Mount("overlay", source, (f"lowerdir={layers(tmp_path / 'few', 2)}",))], target)
    assert lookup(target).source == source
    unmount(target)


def test_flags_of_the_mount_and_of_the_file_system_are_set_where_they_belong(target: Path) -> None:
    options = ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "sync", "dirsync", "size=64k")
    mount_all([Mount("tmpfs", "tmpfs", options)], target)
    info = lookup(target)
    assert set(info.options) == {"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"}
    assert {"ro", "sync", "dirsync", "size=64k"} <= set(info.super_options)
    unmount(target)


@pytest.mark.parametrize(
    ("options", "shown"),
    [((), {"rw", "relatime"}), (("noatime", "strictatime"), {"rw"}), (("noatime", "atime"), {"rw", "relatime"})],
)
def test_access_time_options_are_shown_as_the_kernel_has_them(
    target: Path, options: tuple[str, ...], shown: set[str]
) -> None:
    mount_all([Mount("tmpfs", "tmpfs", options)], target)
    assert set(lookup(target).options) == shown
    unmount(target)


def test_a_read_only_overlay(tmp_path: Path, target: Path) -> None:
    mount_all([overlay("ro", f"lowerdir={layers(tmp_path / 'layers', 2)}")], target)
    assert "ro" in lookup(target).options
    with pytest.raises(OSError, match="Read-only"):
        (target / "new").touch()
    unmount(target)


def test_a_bind_mount_is_writable_or_read_only_as_requested(tmp_path: Path, target: Path) -> None:
    source = directory_with(tmp_path / "source", "file", "seen")
    mount_all([Mount("bind", str(source), ("rw", "rbind"))], target)
    (target / "new").touch()
    unmount(target)
    mount_all([Mount("bind", str(source), ("ro", "rbind"))], target)
    with pytest.raises(OSError, match="Read-only"):
        (target / "newer").touch()
    (source / "other").touch()
    assert (target / "other").exists()
    unmount(target)


def test_a_bind_mount_applies_its_restrictions_and_keeps_those_of_its_source(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    mount_all([Mount("tmpfs", "tmpfs", ("nosuid", "noatime"))], source)
    mount_all([Mount("bind", str(source), ("bind", "nodev", "ro"))], target)
    assert set(lookup(target).options) == {"ro", "nosuid", "nodev", "noatime"}
    assert set(lookup(source).options) == {"rw", "nosuid", "noatime"}
    unmount(target)
    unmount(source)


def test_a_file_can_be_bound_on_a_file(tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).write_text(name)
    mount_all([Mount("bind", f"{tmp_path}/source", ("bind", "ro"))], tmp_path / "target")
    assert (tmp_path / "target").read_text() == "source"
    unmount(tmp_path / "target")


def test_a_remount_changes_the_flags(target: Path) -> None:
    mount_all([TMPFS], target)
    mount_all([Mount("tmpfs", "tmpfs", ("remount", "ro", "size=128k"))], target)
    assert "ro" in lookup(target).options
    assert "size=128k" in lookup(target).super_options
    unmount(target)


def test_mounting_keeps_the_working_directory_and_leaks_no_descriptor(tmp_path: Path, target: Path) -> None:
    mount = overlay(f"lowerdir={layers(tmp_path / 'layers', 3)}")
    before, here = open_files(), Path.cwd()
    for _ in range(3):
        mount_all([mount, TMPFS], target)
        unmount_all(target)
    assert (open_files(), Path.cwd()) == (before, here)


def test_layers_are_passed_separately_if_the_kernel_supports_it(tmp_path: Path, target: Path) -> None:
    mount_all([overlay(f"lowerdir={layers(tmp_path / 'layers', 2)}")], target)
    shown = "lowerdir+=" in " ".join(lookup(target).super_options)
    assert shown is overlay_takes_single_layers()
    unmount(target)


WITHOUT_FSOPEN = """
import ctypes, struct, sys
from lamina.mount import Mount, lookup, mount_all, unmount

errno, lowerdir, target = int(sys.argv[1]), sys.argv[2], sys.argv[3]
program = b"".join(struct.pack("HBBI", *instruction) for instruction in (
    (0x20, 0, 0, 0),              # load the number of the system call
    (0x15, 0, 1, 430),            # fsopen(2)?
    (0x06, 0, 0, 0x00050000 | errno),  # SECCOMP_RET_ERRNO
    (0x06, 0, 0, 0x7FFF0000),     # SECCOMP_RET_ALLOW
))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]
set_seccomp, filter_mode = 22, 2
if ctypes.CDLL(None).prctl(set_seccomp, filter_mode, ctypes.byref(Filter(4, program)), 0, 0):
    sys.exit("no seccomp")
mount_all([Mount("overlay", "overlay", (f"lowerdir={lowerdir}", "ro"))], target)
print("lowerdir+" in " ".join(lookup(target).super_options), "ro" in lookup(target).options)
unmount(target)
"""


@pytest.mark.parametrize("reason", [errno.ENOSYS, errno.EPERM])
def test_mount_2_is_used_if_fsopen_is_missing_or_forbidden(tmp_path: Path, target: Path, reason: int) -> None:
    command = [sys.executable, "-c", WITHOUT_FSOPEN, str(reason), layers(tmp_path / "layers", 2), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("False True\n", "")


def test_finding_out_what_overlay_takes_names_no_directory_that_the_kernel_would_miss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would say so in its log, at each start of a host."""
    named: list[str] = []
    configure = _syscalls.fsconfig_string

    def note(context: int, key: str, value: str) -> None:
        named.append(value)
        configure(context, key, value)

    monkeypatch.setattr(_syscalls, "fsconfig_string", note)
    overlay_takes_single_layers.__wrapped__()
    assert named
    assert all(map(os.path.isdir, named))
