"""FUSE file systems, with a helper that mounts a tmpfs and prints its arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.errdefs import MountFailed, Unimplemented
from lamina.mount import Mount, lookup, mount_all, temporary_mount, unmount_mounts

pytestmark = pytest.mark.requires("root")


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which programs are looked for before others."""
    directory = tmp_path / "programs"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("word", ["fuse", "fuse3"])
def test_the_helper_gets_source_target_options_and_program(programs: Path, target: Path, word: str) -> None:
    write_program(programs / f"mount.{word}", f'printf "%s\\n" "$@" >{programs}/given && mount -t tmpfs own "$2"')
    mounts = [Mount(f"{word}.some-fs", "data", ("lowerdir=/a:/b", "ro"))]
    mount_all(mounts, target)
    assert lookup(target).source == "own"
    given = (programs / "given").read_text().splitlines()
    assert given == ["data", str(target), "-o", "lowerdir=/a:/b", "-o", "ro", "-t", "some-fs"]
    unmount_mounts(mounts, target)
    assert lookup(target).source != "own"


def test_a_target_is_resolved_after_the_preceding_mounts(programs: Path, tmp_path: Path) -> None:
    write_program(programs / "mount.fuse3", 'mount -t tmpfs own "$2"')
    (tmp_path / "tree/inside").mkdir(parents=True)
    tree = Mount("bind", f"{tmp_path}/tree", ("rbind", "rw"))
    with temporary_mount([tree, Mount("fuse3.x", "data", target="/inside")], directory=tmp_path) as root:
        assert lookup(f"{root}/inside").source == "own"


def test_the_output_of_a_failing_helper_is_reported(programs: Path, target: Path) -> None:
    write_program(programs / "mount.fuse3", "echo no such share >&2; exit 3")
    with pytest.raises(MountFailed) as failure:
        mount_all([Mount("fuse3.x", "data")], target)
    assert str(failure.value) == f"mount fuse3.x 'data' on {target}: mount.fuse3: exit code 3: no such share"


def test_a_missing_helper_is_named(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(target))
    with pytest.raises(Unimplemented, match=r"there is no program mount.fuse3 \(Debian: fuse3\)"):
        mount_all([Mount("fuse3.x", "data")], target)
