"""`lamina doctor` reports leftover mounts with the command that removes them."""

from __future__ import annotations

import subprocess

import pytest

from lamina.mount import mount_all
from tests.support.commands import run
from tests.support.processes.doctors import doctor
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")


def leave_data(host: Host) -> None:
    (host.overlay / "snapshots/99/fs").mkdir(parents=True)


def test_a_mount_of_deleted_data_is_reported_with_its_process(host: Host) -> None:
    leave_data(host)
    mounted = host.directory / "mounted"
    mounted.mkdir()
    run("mount", "--bind", host.overlay / "snapshots/99/fs", mounted)
    try:
        (found,) = doctor("-c", host.file).of("mounts")
    finally:
        run("umount", mounted)
    assert str(mounted) in found["Found"]
    assert f"umount {mounted}" in found["Remedy"]


@pytest.mark.parametrize("snapshotter", ["overlayfs", "native"])
def test_a_mount_of_a_snapshot_that_was_removed_and_deleted_is_found(host: Host, snapshotter: str) -> None:
    mounted = host.directory / "mounted"
    mounted.mkdir()
    with host.client() as client:
        one = client.snapshotter(snapshotter)
        mount_all(one.prepare("gone"), mounted)
        try:
            one.remove("gone")
            one.cleanup()
            (found,) = doctor("-c", host.file).of("mounts")
        finally:
            run("umount", mounted)
    assert "which was deleted" in found["Found"]
    assert f"umount {mounted}" in found["Remedy"]
    assert doctor("-c", host.file).code == 0


@pytest.mark.requires("busybox-static")
def test_a_container_on_a_snapshot_that_was_removed_is_reported_with_its_process(host: Host) -> None:
    mounted = host.directory / "mounted"
    mounted.mkdir()
    script = f"cp /bin/busybox {mounted}\nexec chroot {mounted} /busybox sh -c 'echo; read line'"
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    with host.client() as client:
        overlay = client.snapshotter("overlayfs")
        mount_all(overlay.prepare("gone"), mounted)
        try:
            container = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert container.stdout
            assert container.stdout.readline() == b"\n"
        finally:
            run("umount", mounted)
        with container:
            overlay.remove("gone")
            (found,) = doctor("-c", host.file).of("mounts")
            container.communicate()
    assert f"visible to process {container.pid} (busybox)" in found["Found"]
    assert found["Remedy"] == f"stop process {container.pid}"


def test_a_leftover_probe_mount_is_reported_and_its_remedies_remove_it(stopped: Host) -> None:
    left = stopped.overlay / "probe-0123abcd"
    left.mkdir()
    run("mount", "-t", "tmpfs", "left", left)
    try:
        found = doctor("-c", stopped.file, "--repair")
        (mount,) = found.of("mounts")
        assert "mount point" in found.of("temporaries")[0]["Repair"]
    finally:
        run("umount", left)
    assert mount["Remedy"] == f"umount {left}"
    assert doctor("-c", stopped.file, "--repair").code == 0
    assert not left.exists()
