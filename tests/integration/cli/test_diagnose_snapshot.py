"""`lamina diagnose KEY`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.mount import mount_all, overlay_directories, temporary_mount, unmount
from lamina.snapshots import Snapshotter
from tests.support.directories import short_directory
from tests.support.processes.diagnoses import NOBODY, Diagnosis, diagnose
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def host() -> Iterator[Host]:
    """A host whose overlay snapshotter has `base`, and on it `work`."""
    with short_directory() as directory:
        directory.chmod(0o755)
        with Host(directory / "h").running() as host, host.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            with temporary_mount(snapshotter.prepare("base-active")) as root:
                Path(root, "file").touch()
            snapshotter.commit("base", "base-active")
            snapshotter.prepare("work", "base")
            yield host


@pytest.fixture
def snapshotter(host: Host) -> Iterator[Snapshotter]:
    with host.client() as client:
        yield client.snapshotter("overlayfs")


@pytest.fixture
def ask(host: Host) -> Callable[..., Diagnosis]:
    """`lamina diagnose` with the host's configuration."""
    return lambda *words, **how: diagnose("-c", host.directory / "config.toml", *words, **how)


def test_a_working_snapshot_is_mounted_briefly(ask: Callable[..., Diagnosis]) -> None:
    found = ask("work")
    assert (found.code, found.problems()) == (0, [])
    area = "snapshot work"
    assert found.one(area, "record")["Found"] == "Active, on base"
    assert found.one(area, "paths")["Found"] == "there: upperdir, workdir, lowerdir 1 of 1"
    mount = found.one(area, "mount")
    assert mount["Found"] == "mounted read-only for a moment; entries in its root directory: 1"


def test_a_snapshot_of_another_keyspace_is_found_by_its_name(ask: Callable[..., Diagnosis], host: Host) -> None:
    name = "lamina/images/default"
    with host.client() as client:
        client.snapshotter(name).prepare("other")
    found = ask("--snapshotter", name, "other")
    assert (found.code, found.problems()) == (0, [])
    assert found.one("snapshot other", "record")["Found"] == "Active"
    assert found.one("io.containerd.snapshotter.v1.overlayfs", "data root")


def test_a_committed_snapshot_is_mounted_through_a_temporary_view(
    ask: Callable[..., Diagnosis], snapshotter: Snapshotter
) -> None:
    found = ask("base")
    assert found.code == 0
    assert found.one("snapshot base", "mount")["Status"] == "ok"
    assert {info.name for info in snapshotter.walk()} == {"base", "work"}


def test_a_missing_layer_is_named(ask: Callable[..., Diagnosis], host: Host, snapshotter: Snapshotter) -> None:
    (layer,) = overlay_directories(snapshotter.mounts("work")[0].options).lower
    shutil.rmtree(layer)
    found = ask("work")
    assert found.code == 1
    paths = found.one("snapshot work", "paths")
    assert paths["Found"] == f"lowerdir 1 of 1 {layer} does not exist"
    assert f"findmnt --target {Path(layer).parent}" in paths["Remedy"]


def test_an_unknown_key_is_reported_with_the_nearest_one(ask: Callable[..., Diagnosis]) -> None:
    found = ask("wirk")
    assert found.problems() == ["record"]
    assert found.one("snapshot wirk", "record")["Remedy"].startswith("did you mean work? ")


def test_a_key_shown_by_ctr_is_found_with_containerds_prefix(
    ask: Callable[..., Diagnosis], snapshotter: Snapshotter
) -> None:
    snapshotter.prepare("default/7/web", "base")
    assert ask("web").one("snapshot web", "record")["Remedy"].startswith("did you mean default/7/web? ")


def test_a_key_in_another_keyspace_is_found(ask: Callable[..., Diagnosis], host: Host) -> None:
    with host.client() as client:
        client.snapshotter("lamina").prepare("default/8/app")
    expected = "default/8/app exists under the name lamina: use --snapshotter lamina"
    assert ask("app").one("snapshot app", "record")["Remedy"] == expected


def test_a_committed_snapshot_without_data_is_reported_with_the_remedy(
    ask: Callable[..., Diagnosis], snapshotter: Snapshotter
) -> None:
    (layer,) = overlay_directories(snapshotter.mounts("work")[0].options).lower
    shutil.rmtree(layer)
    mounts = ask("base").one("snapshot base", "mounts")
    assert layer in mounts["Found"]
    assert mounts["Remedy"].startswith("the file is gone: restore the data root")


def test_a_leftover_of_a_volatile_mount_is_named(
    ask: Callable[..., Diagnosis], host: Host, snapshotter: Snapshotter
) -> None:
    mounts = snapshotter.mounts("work")
    work = overlay_directories(mounts[0].options).work
    target = host.directory / "target"
    target.mkdir()
    options = ",".join((*mounts[0].options, "volatile"))
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", target], check=True)
    unmount(target)
    paths = ask("work").of("snapshot work", "paths")[-1]
    assert paths["Status"] == "problem"
    assert paths["Remedy"].endswith(f"rm -r {work}/work/incompat")
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", target], check=False)
    subprocess.run(paths["Remedy"].rpartition(": ")[2].split(), check=True)
    mount_all(mounts, target)
    unmount(target)


def test_mount_points_and_their_processes_are_listed(
    ask: Callable[..., Diagnosis], host: Host, snapshotter: Snapshotter
) -> None:
    with temporary_mount(snapshotter.mounts("work")) as place:
        mounted = ask("work").one("snapshot work", "mounted")
        assert (mounted["Status"], mounted["Found"].startswith(f"at {place} (seen by process ")) == ("ok", True)


def test_a_mounted_snapshot_is_not_mounted_again(ask: Callable[..., Diagnosis], snapshotter: Snapshotter) -> None:
    with temporary_mount(snapshotter.mounts("work")):
        found = ask("work")
    assert found.code == 0
    assert found.of("snapshot work", "mount") == []


def test_two_overlays_on_one_upper_directory_are_a_problem(
    ask: Callable[..., Diagnosis], snapshotter: Snapshotter
) -> None:
    mounts = snapshotter.mounts("work")
    with temporary_mount(mounts) as one, temporary_mount(mounts) as other:
        found = ask("work")
        mounted = found.one("snapshot work", "mounted")
        assert found.problems() == ["mounted"]
        assert mounted["Found"].startswith("in 2 places: ")
        assert one in mounted["Found"]
        assert other in mounted["Found"]


@pytest.mark.requires("busybox-static")
def test_the_root_directory_of_a_container_is_not_to_be_unmounted(
    ask: Callable[..., Diagnosis], host: Host, snapshotter: Snapshotter
) -> None:
    mounts = snapshotter.mounts("work")
    target = host.directory / "target"
    target.mkdir()
    script = (
        f"mount -t overlay -o {','.join(mounts[0].options)} overlay {target}\ncp /bin/busybox {target}\n"
        f"exec chroot {target} /busybox sh -c 'echo; read line'"
    )
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    with (
        temporary_mount(mounts) as one,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container,
    ):
        assert container.stdout
        assert container.stdout.readline() == b"\n"
        mounted = ask("work").one("snapshot work", "mounted")
        container.communicate()
    assert f"; / (seen by process {container.pid} (" in mounted["Found"]
    assert mounted["Remedy"] == f"stop all users but one, and unmount what they leave behind: umount {one}"


def test_a_mount_in_another_mount_namespace_is_found(
    ask: Callable[..., Diagnosis], host: Host, snapshotter: Snapshotter
) -> None:
    (mount,) = snapshotter.mounts("work")
    target = host.directory / "target"
    target.mkdir()
    program = "import subprocess, sys; subprocess.run(sys.argv[1:], check=True); print(flush=True); input()"
    words = ["mount", "-t", "overlay", "-o", ",".join(mount.options), "overlay", str(target)]
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", program, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as container:
        assert container.stdout
        container.stdout.readline()
        found = ask("work")
        container.communicate(b"\n")
    mounted = found.one("snapshot work", "mounted")["Found"]
    assert mounted.startswith(f"at {target} (seen by process {container.pid} (")


def test_a_host_with_another_directory_at_the_same_path_is_reported(
    ask: Callable[..., Diagnosis], host: Host, snapshotter: Snapshotter
) -> None:
    command = "mount -t tmpfs tmpfs $0 && exec $1 -m lamina.cli.main diagnose --json -c $2 work"
    words = [str(host.overlay / "snapshots"), sys.executable, str(host.directory / "config.toml")]
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", command, *words]
    done = subprocess.run(prefix, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the host, process {host.pid}, is in another mount namespace (a container?)" in done.stdout
    assert f"nsenter --target {host.pid} --mount lamina diagnose" in done.stdout


def test_an_ordinary_user_cannot_diagnose_a_snapshot(ask: Callable[..., Diagnosis]) -> None:
    found = ask("work", prefix=NOBODY)
    assert (found.code, found.problems()) == (1, ["socket", "record"])
