"""`lamina snapshots` refuses to change mounted snapshots."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.mount import mountinfo

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def target(tmp_path):
    directory = tmp_path / "target"
    directory.mkdir()
    return directory


@pytest.fixture
def other(tmp_path):
    directory = tmp_path / "other target"
    directory.mkdir()
    return directory


@pytest.fixture
def work(lamina, layer, target):
    """The active snapshot `work` on `base`, mounted on `target`."""
    layer("base", one="1")
    lamina("snapshots", "prepare", "work", "base")
    lamina("snapshots", "mount", "work", target)
    yield "work"
    lamina("snapshots", "unmount", target)


def is_mounted(path: Path) -> bool:
    return any(info.mount_point == str(path) for info in mountinfo())


@pytest.mark.parametrize("words", [["mount", "work", "OTHER"], ["commit", "top", "work"], ["rm", "work"]])
def test_a_mounted_snapshot_is_refused_with_its_mount_point(lamina, work, target, other, words):
    words = [str(other) if word == "OTHER" else word for word in words]
    message = lamina("snapshots", *words, code=1)
    assert message.endswith(
        f"snapshot 'work' is mounted on {target}: unmount it first (umount {target}), or use --force\n"
    )
    assert not is_mounted(other)
    assert lamina("snapshots", "ls").splitlines()[2].split() == ["work", "base", "Active"]


def test_force_overrides(lamina, work, other):
    lamina("snapshots", "mount", "--force", "work", other)
    lamina("snapshots", "unmount", other)
    lamina("snapshots", "commit", "--force", "top", "work")
    lamina("snapshots", "prepare", "empty")
    lamina("snapshots", "mount", "empty", other)
    lamina("snapshots", "rm", "--force", "empty")
    lamina("snapshots", "unmount", other)
    assert [line.split()[0] for line in lamina("snapshots", "ls").splitlines()[1:]] == ["base", "top"]


def test_a_mounted_snapshot_without_a_parent_is_refused(lamina, target):
    """Its mount is a bind mount."""
    lamina("snapshots", "prepare", "work")
    lamina("snapshots", "mount", "work", target)
    try:
        assert f"is mounted on {target}" in lamina("snapshots", "commit", "base", "work", code=1)
    finally:
        lamina("snapshots", "unmount", target)
    lamina("snapshots", "commit", "base", "work")


def test_a_link_to_the_mount_point_is_accepted(lamina, target, tmp_path):
    """The command line resolves it before anything is mounted or unmounted."""
    (tmp_path / "link").symlink_to(target)
    lamina("snapshots", "prepare", "work")
    lamina("snapshots", "mount", "work", tmp_path / "link")
    assert is_mounted(target)
    lamina("snapshots", "unmount", tmp_path / "link")
    assert not is_mounted(target)


def test_a_snapshot_mounted_in_another_mount_namespace_is_refused(lamina, layer, target):
    layer("base")
    commands = lamina("snapshots", "prepare", "-t", target, "work", "base")
    script = f"{commands}exec $0 -c 'import sys; print(flush=True); sys.stdin.read()'"
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, sys.executable]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout.readline() == b"\n"
        message = lamina("snapshots", "rm", "work", code=1)
        container.communicate()
    name = os.path.basename(sys.executable)
    assert f"as seen by process {container.pid} ({name})" in message
    assert f"(nsenter --target {container.pid} --mount umount {target})" in message
    lamina("snapshots", "rm", "work")


@pytest.mark.requires("busybox-static")
def test_the_root_directory_of_a_container_is_refused_with_its_process(lamina, layer, target):
    layer("base")
    commands = lamina("snapshots", "prepare", "-t", target, "work", "base")
    script = f"{commands}cp /bin/busybox {target}\nexec chroot {target} /busybox sh -c 'echo; read line'"
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout.readline() == b"\n"
        message = lamina("snapshots", "rm", "work", code=1)
        container.communicate()
    assert f"is the root directory of process {container.pid} (busybox): stop it first, or use --force" in message
    lamina("snapshots", "rm", "work")


def test_a_view_may_be_mounted_twice_and_not_removed(lamina, layer, target, other):
    layer("base")
    lamina("snapshots", "view", "look", "base")
    for path in (target, other):
        lamina("snapshots", "mount", "look", path)
    assert f"is mounted on {target}, and in 1 more place: unmount" in lamina("snapshots", "rm", "look", code=1)
    assert ", and in 1 more place: " in lamina("snapshots", "rm", "look", code=1)
    for path in (target, other):
        lamina("snapshots", "unmount", path)
    lamina("snapshots", "rm", "look")


def test_a_view_is_removed_if_the_mount_may_belong_to_another_one(lamina, layer, target):
    """Views of one parent have the same mounts. Which of them is mounted does not show."""
    layer("base")
    lamina("snapshots", "view", "one", "base")
    lamina("snapshots", "view", "two", "base")
    lamina("snapshots", "mount", "one", target)
    lamina("snapshots", "rm", "two")
    assert f"is mounted on {target}" in lamina("snapshots", "rm", "one", code=1)
    lamina("snapshots", "unmount", target)


def test_rm_stops_at_the_first_mounted_snapshot(lamina, work):
    lamina("snapshots", "prepare", "before")
    message = lamina("snapshots", "rm", "before", "work", "base", code=1)
    assert message.startswith("lamina: snapshot 'work' is mounted on ")
    assert [line.split()[0] for line in lamina("snapshots", "ls").splitlines()[1:]] == ["base", "work"]
