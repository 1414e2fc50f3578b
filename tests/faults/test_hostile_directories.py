"""Another user owns, plants or exchanges what a host of root's uses: he gains nothing, and root loses nothing.

Either the host refuses, and says what is wrong and what to do; or it works, and follows nothing that was planted.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs
import pytest
from hostile import NOBODY, Victim, deadline, looping_as_nobody, plant, run_as_nobody
from natives import open_native
from rounds import rounds
from waiting import wait_until

from lamina.api import Service
from lamina.errdefs import Error, FailedPrecondition, LockHeld, PermissionDenied
from lamina.host import Host
from lamina.mount import Mount, mount_all, temporary_mount, unmount
from lamina.plugins.servers.grpc.listener import Listener

pytestmark = pytest.mark.requires("root")

SNAPSHOTTER = "io.containerd.snapshotter.v1"
NATIVE = f"{SNAPSHOTTER}.native"
METASTORE = "io.lamina.metastore.v1.lmdb"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's that every user can enter, on the way to which nothing is exposed."""
    path = Path(tempfile.mkdtemp(prefix="hostile-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def victim(place: Path) -> Iterator[Victim]:
    victim = Victim(place)
    yield victim
    victim.check()


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    with deadline():
        yield


def host_on(place: Path, **settings: object) -> Host:
    """An embedded host with the metastore and the native snapshotter, both required."""
    config = {
        "root": f"{place}/root",
        "state": f"{place}/state",
        "required_plugins": [NATIVE, METASTORE],
        "disabled_plugins": [f"{SNAPSHOTTER}.{name}" for name in ("overlayfs", "btrfs")],
    }
    return Host.from_config(config | settings)


def refusal(host: Host) -> str:
    """The message with which a host does not start."""
    with pytest.raises(Error) as caught:
        host.start()
    return str(caught.value)


def use(host: Host) -> None:
    """Start a host, make and remove a snapshot, and stop it."""
    with host:
        native = host.get(SNAPSHOTTER, "native")
        native.prepare("k")
        native.remove("k")
        native.cleanup()


# Whole directories.


def his(path: Path) -> None:
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize("which", ["root", "state", "temp"])
def test_a_directory_of_his_is_refused_and_he_is_named(place: Path, victim: Victim, which: str) -> None:
    his(place / which)
    (place / which / "trash").symlink_to(victim.directory)
    if which == "temp":
        # `temp` is of a host of its own process alone.
        host = Host(host_on(place, temp=f"{place}/temp")._config)
        message = refusal(host)
    else:
        message = refusal(host_on(place))
    assert f"use the {which} directory: {place}/{which} belongs to user {NOBODY}" in message
    assert f"chown root: {place}/{which}" in message
    assert os.listdir(place / which) == ["trash"]


@pytest.mark.parametrize("which", ["root", "state"])
def test_a_link_that_he_made_in_a_directory_for_all_is_not_followed(
    place: Path, victim: Victim, which: str
) -> None:
    (place / "shared").mkdir()
    (place / "shared").chmod(0o1777)
    run_as_nobody('ln -s "$2" "$1"', place / "shared" / which, victim.directory)
    message = refusal(host_on(place, **{which: f"{place}/shared/{which}"}))
    assert f"{place}/shared/{which} belongs to user {NOBODY}" in message


def test_a_directory_above_of_his_is_refused(place: Path, victim: Victim) -> None:
    his(place / "home")
    (place / "home/root").mkdir(0o700)
    assert f"{place}/home belongs to user {NOBODY}" in refusal(host_on(place, root=f"{place}/home/root"))


@pytest.mark.parametrize(("mode", "by"), [(0o777, "every user"), (0o775, f"group {NOBODY}")])
def test_a_directory_above_in_which_he_can_rename_is_refused(
    place: Path, victim: Victim, mode: int, by: str
) -> None:
    (place / "data/root").mkdir(parents=True)
    os.chown(place / "data", 0, NOBODY)
    (place / "data").chmod(mode)
    message = refusal(host_on(place, root=f"{place}/data/root"))
    assert f"{place}/data (mode {mode:04o}) can be written to by {by}" in message


def test_a_directory_above_whose_access_control_list_lets_him_write_is_refused(
    place: Path, victim: Victim
) -> None:
    """Its mode shows the list's mask as the rights of the group, which is root's."""
    (place / "data").mkdir()
    undefined = 0xFFFFFFFF
    entries = ((1, 7, undefined), (2, 7, NOBODY), (4, 5, undefined), (0x10, 7, undefined), (0x20, 5, undefined))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(place / "data", "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error}")
    run_as_nobody('touch "$1"', place / "data/he-can-write")
    assert "users that its access control list names" in refusal(host_on(place, root=f"{place}/data/root"))


def test_a_root_that_all_can_write_to_and_that_holds_something_is_refused(place: Path, victim: Victim) -> None:
    (place / "root").mkdir()
    (place / "root").chmod(0o777)
    run_as_nobody('ln -s "$2" "$1"', place / "root/io.lamina.metastore.v1.lmdb", victim.directory)
    assert f"{place}/root (mode 0777) can be written to by every user" in refusal(host_on(place))


def test_an_empty_root_that_all_can_write_to_is_taken_from_them(place: Path, victim: Victim) -> None:
    """As an emptyDir volume of Kubernetes is."""
    (place / "root").mkdir()
    (place / "root").chmod(0o777)
    use(host_on(place))
    assert stat.S_IMODE((place / "root").stat().st_mode) == 0o700


def test_a_state_on_a_file_system_that_he_mounted_is_refused(place: Path, victim: Victim) -> None:
    (place / "state").mkdir()
    mount_all([Mount("tmpfs", "tmpfs", (f"uid={NOBODY}", "mode=0700"))], place / "state")
    try:
        assert f"{place}/state belongs to user {NOBODY}" in refusal(host_on(place))
    finally:
        unmount(place / "state")


@pytest.mark.parametrize("name", ["snapshots", "records", "trash", "quarantine"])
@pytest.mark.parametrize("kind", ["a link to a directory", "a FIFO", "his directory"])
def test_a_part_of_a_data_root_that_is_no_directory_of_root_s_is_refused(
    place: Path, victim: Victim, name: str, kind: str
) -> None:
    data = place / "root" / NATIVE
    data.mkdir(parents=True)
    if kind == "his directory":
        his(data / name)
    else:
        plant(data / name, kind, victim)
    message = refusal(host_on(place))
    assert f"{data}/{name} " in message
    assert "should be one" in message or f"belongs to user {NOBODY}" in message
    assert not (data / "uuid").exists()


@pytest.mark.parametrize("name", [NATIVE, METASTORE])
def test_a_plugin_s_directory_that_is_a_link_of_his_is_refused(place: Path, victim: Victim, name: str) -> None:
    (place / "root").mkdir()
    (place / "root" / name).symlink_to(victim.directory)
    os.chown(place / "root" / name, NOBODY, NOBODY, follow_symlinks=False)
    assert f"{place}/root/{name} belongs to user {NOBODY}" in refusal(host_on(place))


# Files in directories that were his once, and were given to root with what is in them.

REFUSED = ("a link to a file", "a FIFO", "a second name of a file", "a device", "his")


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize(
    "name",
    [
        "lamina.lock",
        f"{METASTORE}/lamina.lock",
        f"{METASTORE}/data.mdb",
        f"{NATIVE}/lamina.lock",
        f"{NATIVE}/uuid",
    ],
)
def test_a_file_that_is_not_the_host_s_own_is_refused(place: Path, victim: Victim, name: str, kind: str) -> None:
    path = place / "root" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    plant(path, kind, victim)
    before = path.lstat()
    message = refusal(host_on(place))
    assert f"{path} " in message
    assert "it is not touched: " in message
    assert path.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("name", [f"{NATIVE}/uuid.new", f"{METASTORE}/lock.mdb", f"{METASTORE}/ballast"])
def test_a_file_that_the_host_makes_anew_is_not_written_through(
    place: Path, victim: Victim, name: str, kind: str
) -> None:
    path = place / "root" / name
    path.parent.mkdir(parents=True)
    plant(path, kind, victim)
    use(host_on(place))


@pytest.mark.parametrize("kind", ["a link to a directory", "a link to a file", "a FIFO", "his"])
def test_what_is_planted_in_the_trash_is_deleted_and_not_followed(place: Path, victim: Victim, kind: str) -> None:
    with open_native(place):
        pass
    trash = place / "native/trash"
    plant(trash / "1-planted", kind, victim)
    (trash / "2-planted").mkdir()
    plant(trash / "2-planted/fs", kind, victim)
    with open_native(place) as native:
        native.cleanup()
        assert os.listdir(trash) == []


@pytest.mark.requires("overlay")
def test_what_is_planted_in_the_trash_of_overlays_is_not_followed(place: Path, victim: Victim) -> None:
    """A snapshot into which nothing was written is deleted by the names `work` and `fs` in it."""
    from overlays import open_overlay  # noqa: PLC0415 - needs overlay

    with open_overlay(place):
        pass
    (place / "overlay/trash/1-planted").symlink_to(victim.directory)
    with open_overlay(place) as overlay:
        overlay.cleanup()
    assert os.listdir(place / "overlay/trash") == []


@pytest.mark.parametrize("kind", ["a link to a directory", "a FIFO", "his"])
@pytest.mark.parametrize("suffix", ["", ".new"])
def test_what_is_planted_where_a_snapshot_will_be_keeps_one_call_from_working_and_no_more(
    place: Path, victim: Victim, kind: str, suffix: str
) -> None:
    with open_native(place) as native:
        native.prepare("first")
        (first,) = os.listdir(place / "native/snapshots")
        plant(place / f"native/snapshots/{int(first) + 1}{suffix}", kind, victim)
        with pytest.raises(Error):
            native.prepare("second")
        native.prepare("second")
        native.remove("first")
        native.cleanup()


@pytest.mark.parametrize("kind", ["a link to a directory", "a FIFO", "his"])
def test_what_is_planted_as_data_of_before_is_put_away_and_not_followed(
    place: Path, victim: Victim, kind: str
) -> None:
    with open_native(place) as native:
        native.prepare("kept")
        (kept,) = os.listdir(place / "native/snapshots")
    planted = place / f"native/snapshots/{int(kept) + 1}"
    plant(planted, kind, victim)
    with open_native(place) as native:
        wait_until(lambda: not os.path.lexists(planted), 10, "it was reclaimed")
        native.cleanup()


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("suffix", ["", ".new"])
def test_what_is_planted_as_a_recovery_record_is_not_written_through(
    place: Path, victim: Victim, kind: str, suffix: str
) -> None:
    with open_native(place) as native:
        native.prepare("first")
        (first,) = os.listdir(place / "native/snapshots")
        record = place / f"native/records/{int(first) + 1}"
        plant(Path(f"{record}{suffix}"), kind, victim)
        native.prepare("second")
        native.cleanup()
        assert stat.S_ISREG(record.lstat().st_mode)
        assert record.stat().st_uid == 0


def test_a_directory_that_looks_like_a_probe_is_left_alone(place: Path, victim: Victim) -> None:
    (place / "root" / NATIVE).mkdir(parents=True)
    (place / "root" / NATIVE / "probe-x").symlink_to(victim.directory)
    use(host_on(place))
    assert (place / "root" / NATIVE / "probe-x").is_symlink()


# The configuration.


@pytest.mark.parametrize("change", ["owner", "mode"])
def test_a_configuration_that_he_can_change_is_refused(place: Path, victim: Victim, change: str) -> None:
    file = place / "config.toml"
    file.write_text(f'version = 4\nroot = "{place}/root"\nstate = "{place}/state"\n')
    if change == "owner":
        os.chown(file, NOBODY, NOBODY)
    else:
        file.chmod(0o666)
    message = refusal(Host.from_config(file))
    assert f"configuration: {file}" in message
    assert "could change what this host does" in message
    assert not (place / "root").exists()


def test_a_drop_in_that_he_can_change_is_refused_too(place: Path, victim: Victim) -> None:
    file, imported = place / "config.toml", place / "more.toml"
    file.write_text(f'version = 4\nroot = "{place}/root"\nstate = "{place}/state"\nimports = ["more.toml"]\n')
    imported.write_text("version = 4\n")
    os.chown(imported, NOBODY, NOBODY)
    assert f"configuration: {imported} belongs to user {NOBODY}" in refusal(Host.from_config(file))


# The socket.


@attrs.define
class PlainEngine:
    """Listens and answers nothing."""

    bound: socket.socket | None = None

    def bind(self, path: str) -> None:
        self.bound = socket.socket(socket.AF_UNIX)
        self.bound.bind(path)
        self.bound.listen()

    def start(self, services: Iterable[Service]) -> None:
        pass

    def drain(self, grace: float) -> None:
        pass

    def metrics(self) -> tuple[()]:
        return ()

    def stop(self, grace: float) -> None:
        if self.bound is not None:
            self.bound.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Path], Listener]]:
    listeners: list[Listener] = []

    def start(path: Path, **owner: int) -> Listener:
        listeners.append(Listener(str(path), PlainEngine(), **owner))
        listeners[-1].start()
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


@pytest.fixture
def shared(place: Path) -> Path:
    """A directory like /tmp."""
    path = place / "shared"
    path.mkdir()
    path.chmod(0o1777)
    return path


def test_a_socket_s_directory_of_his_is_refused(place: Path, victim: Victim, listen) -> None:
    his(place / "run")
    with pytest.raises(PermissionDenied, match=f"{place}/run belongs to user {NOBODY}"):
        listen(place / "run/x.sock")
    assert os.listdir(place / "run") == []


def test_a_socket_s_directory_of_his_is_good_for_a_socket_that_is_his(place: Path, victim: Victim, listen) -> None:
    his(place / "run")
    listen(place / "run/x.sock", uid=NOBODY, gid=NOBODY)
    assert (place / "run/x.sock").stat().st_uid == NOBODY


def test_a_dead_socket_that_he_planted_is_replaced(shared: Path, victim: Victim, listen) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(shared / "x.sock"))
    os.chown(shared / "x.sock", NOBODY, NOBODY)
    listen(shared / "x.sock")
    assert (shared / "x.sock").stat().st_uid == 0


def test_a_socket_on_which_he_listens_is_refused(shared: Path, victim: Victim, listen) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(shared / "x.sock"))
        other.listen()
        with pytest.raises(FailedPrecondition, match="somebody answers"):
            listen(shared / "x.sock")


@pytest.mark.parametrize("suffix", ["", "~"])
@pytest.mark.parametrize("kind", ["a link to a directory", "a link to a file", "a FIFO", "his"])
def test_what_he_planted_where_the_socket_will_be_is_refused(
    shared: Path, victim: Victim, listen, suffix: str, kind: str
) -> None:
    plant(shared / f"x.sock{suffix}", kind, victim)
    with pytest.raises(Error, match="move it away"):
        listen(shared / "x.sock")
    assert (shared / f"x.sock{suffix}").lstat()


def test_a_directory_that_he_made_where_the_socket_is_made_is_refused(
    shared: Path, victim: Victim, listen
) -> None:
    run_as_nobody('mkdir "$1"; ln -s "$2" "$1/s"', shared / "x.sock~", victim.file)
    with pytest.raises(Error, match="is in the way, and not this host's"):
        listen(shared / "x.sock")


@pytest.mark.parametrize("kind", ["a link to a file", "a FIFO", "a second name of a file", "a device", "his"])
def test_a_lock_of_the_socket_that_he_planted_is_refused(shared: Path, victim: Victim, listen, kind: str) -> None:
    plant(shared / "x.sock.lock", kind, victim)
    with pytest.raises(FailedPrecondition, match=r"x\.sock\.lock .*it is not touched") as caught:
        listen(shared / "x.sock")
    assert not isinstance(caught.value, LockHeld)


# Places to mount on.


def test_a_runtime_directory_of_his_is_not_mounted_in(
    place: Path, victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo(8) may leave XDG_RUNTIME_DIR as it was."""
    his(place / "run")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place / "run"))
    with temporary_mount([]) as mounted:
        assert not mounted.startswith(f"{place}/run")


def test_a_directory_of_his_is_not_mounted_in(place: Path, victim: Victim) -> None:
    his(place / "run")
    with (
        pytest.raises(PermissionDenied, match=f"{place}/run belongs to user {NOBODY}"),
        temporary_mount([], directory=place / "run"),
    ):
        pass


# Races.


def test_directories_that_he_exchanges_while_a_host_starts_lead_it_nowhere(
    place: Path, victim: Victim, tell: Callable[[str], None]
) -> None:
    """In his directory `d` is now root's and now a link to the victim."""
    his(place / "home")
    (place / "home/d").mkdir()
    (place / "home/d/root").mkdir(0o700)
    run_as_nobody('ln -s "$2" "$1"', place / "home/link", victim.directory)
    exchange = 'cd "$1"; mv -T d e; mv -T link d; mv -T d link; mv -T e d'
    count = rounds(20, 2_000)
    with deadline(600), looping_as_nobody(exchange, place / "home"):
        for _ in range(count):
            refusal(host_on(place, root=f"{place}/home/d/root"))
    tell(f"{count} starts beside exchanges of a directory, all refused")


def test_links_that_he_makes_and_removes_while_a_host_starts_lead_it_nowhere(
    place: Path, shared: Path, victim: Victim, tell: Callable[[str], None]
) -> None:
    """In a directory like /tmp he makes and removes a link in the place of root's directory."""
    count, refused = rounds(20, 2_000), 0
    with deadline(600), looping_as_nobody('ln -s "$2" "$1"; rm -f "$1"', shared / "root", victim.directory):
        for _ in range(count):
            try:
                use(host_on(place, root=f"{shared}/root"))
            except Error:
                refused += 1
            else:
                shutil.rmtree(shared / "root")
    tell(f"{count} starts beside links that come and go, {refused} refused, the others on root's own directory")
