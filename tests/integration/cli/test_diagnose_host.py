"""`lamina diagnose` of a host that runs, was killed, is hidden or cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.directories import short_directory
from tests.support.processes.diagnoses import NOBODY, diagnose
from tests.support.processes.hosts import CONFIG, LAMINA, Host

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short path, into which everybody may look."""
    with short_directory() as path:
        path.chmod(0o755)
        yield path


def configured(directory: Path, config: str = "") -> Path:
    """A configuration file with root and state in a directory, in which nothing ran yet."""
    file = directory / "config.toml"
    file.write_text(CONFIG.format(directory) + config)
    return file


def test_a_working_host_has_no_problem_and_holds_all_locks(directory: Path) -> None:
    with Host(directory / "h").running() as host:
        found = diagnose("-c", host.directory / "config.toml")
        assert (found.code, found.problems()) == (0, [])
        assert found.one("configuration", "files")["Found"] == f"{host.directory}/config.toml"
        assert f"is served by process {host.pid} (" in found.one("host", "socket")["Found"]
        assert found.one("host", "health")["Found"] == "the host reports that it is serving"
        locks = [one["Found"] for one in found.findings if "lock" in one["Check"]]
        assert len(locks) == 6
        assert all(lock.endswith(f"is held by the host, process {host.pid}") for lock in locks)
        assert found.one("privileges", "capabilities")["Status"] == "ok"


def test_without_a_host_the_configuration_is_checked_and_nothing_is_created(directory: Path) -> None:
    file = configured(directory)
    found = diagnose("-c", file)
    assert (found.code, found.problems()) == (0, [])
    socket = found.one("host", "socket")
    assert socket["Status"] == "warning"
    assert socket["Found"] == f"no host runs: there is no {directory}/state/lamina.sock"
    assert socket["Remedy"] == f"lamina serve -c {file}"
    assert found.one("overlayfs", "mount options")["Status"] == "ok"
    assert os.listdir(directory) == ["config.toml"]


def test_the_command_to_start_the_host_has_the_given_options(directory: Path) -> None:
    socket = diagnose("--root", directory / "r", "--state", directory / "a state").one("host", "socket")
    assert socket["Remedy"] == f"lamina serve --root {directory}/r --state '{directory}/a state'"


def test_the_socket_of_a_killed_host_is_stale_and_the_remedy_is_to_start_it(directory: Path) -> None:
    with Host(directory / "h").running() as host:
        host.kill()
        found = diagnose("-c", host.directory / "config.toml")
        assert (found.code, found.problems()) == (1, ["socket"])
        assert "is stale" in found.one("host", "socket")["Found"]
        assert found.one("host", "socket")["Remedy"].startswith(f"lamina serve -c {host.directory}/config.toml")
        assert found.one("directories", "lock of root")["Found"].endswith("is not locked")
        host.start()
        assert diagnose("-c", host.directory / "config.toml").code == 0


def test_an_ordinary_user_learns_who_may_connect_and_what_needs_root(directory: Path) -> None:
    with Host(directory / "h").running() as host:
        found = diagnose("-c", host.directory / "config.toml", prefix=NOBODY)
        assert (found.code, found.problems()) == (1, ["socket"])
        socket = found.one("host", "socket")
        assert socket["Found"] == f"nobody may not connect to {host.address} (mode 0660, root:root)"
        assert 'set gid in [plugins."io.containerd.server.v1.grpc"]' in socket["Remedy"]
        lock = found.one("directories", "lock of the socket")
        assert lock["Found"].endswith(f"is held by the host, process {host.pid}")
        assert found.one("directories", "lock of root")["Status"] == "unknown"
        assert found.one("directories", "lock of root")["Remedy"] == "run the same command as root (sudo)"


def test_a_file_that_only_root_may_read_is_unknown_to_an_ordinary_user(directory: Path) -> None:
    file = configured(directory)
    file.chmod(0o600)
    files = diagnose("-c", file, "--state", directory / "s", prefix=NOBODY).one("configuration", "files")
    assert (files["Status"], files["Found"]) == ("unknown", f"{file}: cannot be read: Permission denied")


def test_members_of_the_socket_group_reach_the_host(directory: Path) -> None:
    config = '[plugins."io.containerd.server.v1.grpc"]\ngid = 65534\n'
    with Host(directory / "h", config).running() as host:
        found = diagnose("-c", host.directory / "config.toml", prefix=NOBODY)
        assert (found.code, found.problems()) == (0, [])
        assert found.one("host", "health")["Status"] == "ok"


def test_an_inaccessible_directory_is_named(directory: Path) -> None:
    with Host(directory / "h").running() as host:
        state = host.directory / "state"
        state.chmod(0o700)
        found = diagnose("-c", host.directory / "config.toml", prefix=NOBODY)
        state.chmod(0o711)
        assert f"nobody may not enter {state} (mode 0700" in found.one("host", "socket")["Found"]


def test_a_program_that_holds_the_lock_is_named_with_the_kill_command(directory: Path) -> None:
    file = configured(directory)
    (directory / "root").mkdir()
    program = (
        "import sys; from lamina.fs import Lock; lock = Lock.acquire(sys.argv[1]); print(flush=True); input()"
    )
    command = [sys.executable, "-c", program, directory / "root/lamina.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        found = diagnose("-c", file)
        holder.communicate(b"\n")
    lock = found.one("directories", "lock of root")
    assert (found.code, lock["Status"]) == (1, "problem")
    assert f"is held by process {holder.pid} ({sys.executable} -c" in lock["Found"]
    assert f"kill {holder.pid}" in lock["Remedy"]
    assert "USR1" not in lock["Remedy"]  # which would end it


def test_two_hosts_of_one_root_are_distinguished(directory: Path) -> None:
    with Host(directory / "h").running() as first, Host(directory / "i").running() as second:
        found = diagnose("-c", first.directory / "config.toml", "-a", second.address)
        assert f"is held by process {first.pid}" in found.one("directories", "lock of root")["Found"]
        assert found.one("directories", "lock of root")["Found"].endswith(f"is process {second.pid}")


def test_the_remedy_moves_another_file_at_the_socket_path_away(directory: Path) -> None:
    file = configured(directory)
    (directory / "state").mkdir()
    address = directory / "state/lamina.sock"
    address.touch()
    found = diagnose("-c", file)
    assert found.problems() == ["socket"]
    assert found.one("host", "socket")["Remedy"].startswith(f"mv {address} {address}.old")


def test_a_failed_plugin_is_reported_with_the_command_that_explains_it(directory: Path) -> None:
    uri = "io.containerd.snapshotter.v1.overlayfs"
    config = f'[plugins."{uri}"]\nmount_options = ["bogus=1"]\n'
    with Host(directory / "h", config).running() as host:
        found = diagnose("-c", host.directory / "config.toml")
        assert found.code == 1
        plugin = found.one("plugins", uri)
        assert plugin["Found"].startswith("failed: mount_options ['bogus=1']: ")
        assert plugin["Remedy"] == f"lamina plugins why -a {host.address} {uri}"
        why = subprocess.run([*LAMINA, *plugin["Remedy"].split()[1:]], capture_output=True, text=True, check=True)
        assert "bogus" in why.stdout


def test_a_skipped_snapshotter_is_a_problem_if_requested(directory: Path) -> None:
    uri = "io.containerd.snapshotter.v1.btrfs"
    with Host(directory / "h").running() as host:
        file = host.directory / "config.toml"
        assert diagnose("-c", file).one("plugins", uri)["Status"] == "ok"
        assert diagnose("-c", file, "--snapshotter", "btrfs").one("plugins", uri)["Status"] == "problem"


def test_every_mistake_in_the_configuration_is_a_problem(directory: Path) -> None:
    file = configured(directory, 'color = "red"\n[debug]\nlevel = "loud"\n')
    found = diagnose("-c", file)
    assert found.code == 1
    assert len(found.of("configuration", "files")) == 2
    assert found.one("directories", "root")["Status"] == "ok"
    assert found.one("plugins", "all")["Status"] == "unknown"


def test_a_host_without_the_capability_to_mount_is_reported(directory: Path) -> None:
    file = configured(directory)
    less = ("setpriv", "--bounding-set=-sys_admin,-mknod", "--inh-caps=-sys_admin,-mknod")
    found = diagnose("-c", file, prefix=less)
    capabilities = found.one("privileges", "capabilities")
    assert (found.code, capabilities["Status"]) == (1, "problem")
    assert "lacks CAP_SYS_ADMIN: it cannot mount; CAP_MKNOD: " in capabilities["Found"]
    assert "docker run --cap-add SYS_ADMIN --cap-add MKNOD" in capabilities["Remedy"]
    assert found.one("overlayfs", "mount options")["Status"] == "unknown"


def test_each_remedy_is_below_its_finding(directory: Path) -> None:
    file = configured(directory)
    done = subprocess.run([*LAMINA, "diagnose", "-c", file], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    socket = lines.index(f"  warning  socket: no host runs: there is no {directory}/state/lamina.sock")
    assert lines[socket - 1] == "host"
    assert lines[socket + 1] == f"           remedy: lamina serve -c {file}"
    assert lines[-1].startswith(f"{sum(line.startswith('  ok ') for line in lines)} ok, ")


def test_an_ordinary_user_without_a_host_is_pointed_to_root(directory: Path) -> None:
    script = 'mount -t tmpfs tmpfs /run && mkdir /run/lamina && touch /run/lamina/lamina.sock && exec "$@"'
    prefix = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *NOBODY)
    socket = diagnose("--root", directory, "--state", directory / "s", prefix=prefix).one("host", "socket")
    roots = "lamina diagnose -a /run/lamina/lamina.sock -c /etc/lamina/config.toml"
    start = f"lamina serve --root {directory} --state {directory}/s"
    assert socket["Remedy"] == f"{start}; or, if you meant root's host: {roots}"


def test_a_host_named_by_its_address_reports_its_directories(
    directory: Path,
) -> None:
    """The directories of the local configuration belong to another host."""
    data = directory / "elsewhere"
    config = f'[plugins."io.containerd.snapshotter.v1.overlayfs"]\nroot_path = "{data}"\n'
    with Host(directory / "h", config).running() as host:
        found = diagnose("-a", host.address)
        assert f"{host.directory}/root (mode 0700" in found.one("directories", "root")["Found"]
        assert f"{host.directory}/state (mode" in found.one("directories", "state")["Found"]
        assert str(data) in found.one("overlayfs", "lock of the data root")["Found"]
        assert f"held by the host, process {host.pid}" in found.one("directories", "lock of root")["Found"]


def test_an_address_without_a_host_is_not_matched_with_another_hosts_directories(
    directory: Path,
) -> None:
    found = diagnose("-a", directory / "nobody.sock")
    unknown = found.one("directories", "root and state")
    assert unknown["Status"] == "unknown"
    assert "--root DIR --state DIR" in unknown["Remedy"]
    assert not found.of("overlayfs", "data root")
