"""Secure directories."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, InvalidArgument, PermissionDenied
from lamina.fs import SecureDirectory, Trust, exposure_of, open_path
from tests.support.trees import open_files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_a_new_directory_has_the_requested_mode_whatever_the_umask(tmp_path: Path) -> None:
    with SecureDirectory.open(str(tmp_path / "a/b"), create_mode=0o711) as directory:
        assert (mode(tmp_path / "a"), mode(tmp_path / "a/b")) == (0o755, 0o711)
        with directory.subdirectory("c", create_mode=0o750):
            assert mode(tmp_path / "a/b/c") == 0o750


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    SecureDirectory.open(str(tmp_path), create_mode=0o700).close()
    assert mode(tmp_path) == 0o755


def test_a_path_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot contain a NUL"):
        SecureDirectory.open(f"{tmp_path}/a\0b", create_mode=0o700)


def test_a_missing_directory_is_created_only_on_request(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        SecureDirectory.open(str(tmp_path / "absent"))
    with SecureDirectory.open(str(tmp_path)) as directory, pytest.raises(FileNotFoundError, match="absent"):
        directory.subdirectory("absent")


@pytest.mark.parametrize(("bits", "by"), [(0o777, "every user"), (0o1777, "every user"), (0o775, "group 12345")])
def test_a_non_empty_directory_that_others_can_write_to_is_refused(tmp_path: Path, bits: int, by: str) -> None:
    (tmp_path / "planted").touch()
    if "group" in by:
        if os.geteuid() != 0:
            pytest.skip("gives a directory to a group")
        os.chown(tmp_path, -1, 12345)
    tmp_path.chmod(bits)
    with pytest.raises(
        PermissionDenied, match=rf"{tmp_path} \(mode {bits:04o}\) can be written to by {by}.*chmod"
    ):
        SecureDirectory.open(str(tmp_path), create_mode=0o700)
    assert mode(tmp_path) == bits


def test_an_empty_directory_that_others_can_write_to_gets_the_requested_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    SecureDirectory.open(str(tmp_path), create_mode=0o711).close()
    assert mode(tmp_path) == 0o711


def test_a_directory_below_a_sticky_one_is_accepted(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    SecureDirectory.open(str(tmp_path / "own"), create_mode=0o700).close()
    assert exposure_of(str(tmp_path / "own")) is None
    assert exposure_of(str(tmp_path), shared=True) is None


def test_a_directory_that_others_can_rename_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    tmp_path.chmod(0o777)
    exposure = exposure_of(str(tmp_path / "own"))
    assert exposure is not None
    assert (exposure.found, exposure.remedy) == (
        f"{tmp_path} (mode 0777) can be written to by every user",
        f"chmod o-w {tmp_path}",
    )


def test_symbolic_links_in_the_path_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real/inner").mkdir(parents=True)
    (tmp_path / "absolute").symlink_to(tmp_path / "real")
    (tmp_path / "real/relative").symlink_to("../absolute/./inner/")
    with SecureDirectory.open(str(tmp_path / "absolute/relative")) as directory:
        assert os.path.samestat(os.fstat(directory.fd), (tmp_path / "real/inner").stat())


def test_circular_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        SecureDirectory.open(str(tmp_path / "a"))


@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
def test_a_subdirectory_that_is_not_a_directory_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "victim").mkdir()
    match kind:
        case "link":
            (tmp_path / "trash").symlink_to("victim")
        case "file":
            (tmp_path / "trash").touch()
        case "fifo":
            os.mkfifo(tmp_path / "trash")
    with (
        SecureDirectory.open(str(tmp_path)) as directory,
        pytest.raises(FailedPrecondition, match=f"{tmp_path}/trash is not a directory.*mv {tmp_path}/trash "),
    ):
        directory.subdirectory("trash", create_mode=0o700)


def plant(path: Path, kind: str) -> None:
    match kind:
        case "a symbolic link":
            path.symlink_to(path.with_name("victim"))
        case "a FIFO":
            os.mkfifo(path)
        case "a directory":
            path.mkdir()
        case "1 more hard links":
            path.hardlink_to(path.with_name("victim"))


PLANTED = ("a symbolic link", "a FIFO", "a directory", "1 more hard links")


@pytest.mark.parametrize("kind", PLANTED)
def test_planted_entries_are_not_read(tmp_path: Path, kind: str) -> None:
    (tmp_path / "victim").write_text("secret")
    plant(tmp_path / "uuid", kind)
    with SecureDirectory.open(str(tmp_path)) as directory, pytest.raises(FailedPrecondition, match=kind):
        directory.read("uuid")


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind != "a directory"])
def test_planted_entries_are_not_written_through(tmp_path: Path, kind: str) -> None:
    (tmp_path / "victim").write_text("precious")
    plant(tmp_path / "uuid.new", kind)
    with SecureDirectory.open(str(tmp_path)) as directory:
        directory.replace("uuid", b"mine")
        assert directory.read("uuid") == b"mine"
    assert (tmp_path / "victim").read_text() == "precious"
    assert mode(tmp_path / "uuid") == 0o600
    assert not os.path.lexists(tmp_path / "uuid.new")


def test_a_missing_file_is_not_an_error(tmp_path: Path) -> None:
    with SecureDirectory.open(str(tmp_path)) as directory:
        assert directory.read("uuid") is None
        assert not directory.has("uuid")
        (tmp_path / "uuid").symlink_to("nowhere")
        assert directory.has("uuid")


def test_an_additional_group_can_be_trusted(tmp_path: Path) -> None:
    trust = Trust(users=frozenset({0, os.geteuid()}), groups=frozenset())
    tmp_path.chmod(0o770)
    with pytest.raises(PermissionDenied, match="can be written to by group"):
        open_path(str(tmp_path), trust=trust)
    os.close(open_path(str(tmp_path), trust=trust.with_owner(-1, tmp_path.stat().st_gid)))


def test_no_descriptor_leaks(tmp_path: Path) -> None:
    before = open_files()
    (tmp_path / "x").touch()
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionDenied):
        SecureDirectory.open(str(tmp_path), create_mode=0o700)
    tmp_path.chmod(0o700)
    with SecureDirectory.open(str(tmp_path)) as directory, pytest.raises(FailedPrecondition):
        directory.subdirectory("x")
    assert open_files() == before
