"""The socket path of a `Listener`, whose engine here is a plain socket."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys

import attrs
import pytest

from lamina.errdefs import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    LockHeld,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from lamina.fs import Lock
from lamina.plugins.servers.grpc._address import MAX_PATH
from lamina.plugins.servers.grpc._listener import Listener


@attrs.define
class PlainEngine:
    """Listens and answers nothing."""

    events: list[str] = attrs.field(factory=list)
    refuses: bool = False
    entered_by: int = 0
    _socket: socket.socket | None = None

    def bind(self, path):
        self.entered_by = stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()

    def start(self, services):
        if self.refuses:
            raise Unavailable("engine refuses")
        self.events.append("started")

    def drain(self, grace):
        self.events.append(f"drained within {grace:g}")

    def stop(self, grace):
        self.events.append(f"stopped within {round(grace, -2):g}")  # some of it may have passed
        if self._socket is not None:
            self._socket.close()


@pytest.fixture
def engine():
    return PlainEngine()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.sock"


@pytest.fixture
def listener(path, engine):
    listener = Listener(str(path), engine, grace=1000)
    yield listener
    listener.close()


def connect(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_the_socket_is_for_its_owner_and_group(listener, path):
    listener.start()
    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o660
    connect(path)


def test_other_users_cannot_reach_the_socket_before_its_mode_is_set(listener, engine):
    before = os.umask(0)
    try:
        listener.start()
    finally:
        os.umask(before)
    assert engine.entered_by == 0o700


def test_clients_can_connect_before_the_start(listener, engine, path):
    listener.listen()
    connect(path)
    assert engine.events == []
    listener.start()
    assert engine.events == ["started"]


def test_a_listener_that_never_starts_leaves_the_address_free(listener, engine, path):
    listener.listen()
    listener.close()
    assert engine.events == ["stopped within 1000"]
    assert os.listdir(path.parent) == ["x.sock.lock"]


def test_nothing_but_the_socket_and_its_lock_is_there_and_only_the_lock_stays(listener, path):
    listener.start()
    assert sorted(os.listdir(path.parent)) == ["x.sock", "x.sock.lock"]
    listener.close()
    assert os.listdir(path.parent) == ["x.sock.lock"]


def test_close_announces_itself_then_drains_calls_and_may_be_repeated(path, engine):
    told = engine.events
    stopping = [lambda: told.append(f"stopping, {path.exists()}")]
    listener = Listener(str(path), engine, stopping=stopping, grace=1000)
    listener.start()
    listener.close()
    listener.close()
    assert told == ["started", "stopping, True", "drained within 1000", "stopped within 1000"]


def test_an_address_may_be_a_unix_url(path, engine):
    listener = Listener(f"unix://{path}", engine)
    listener.start()
    connect(path)
    listener.close()


def test_it_can_be_started_again(path, listener):
    listener.start()
    listener.close()
    again = Listener(str(path), PlainEngine())
    again.start()
    connect(path)
    again.close()


@pytest.mark.parametrize("umask", [0o077, 0])
def test_a_missing_directory_is_created_for_owner_and_group_whatever_the_umask(tmp_path, engine, umask):
    before = os.umask(umask)
    try:
        listener = Listener(str(tmp_path / "a" / "b" / "x.sock"), engine)
        listener.start()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o770
    assert stat.S_IMODE((tmp_path / "a" / "b" / "x.sock").stat().st_mode) == 0o660
    listener.close()


def test_a_directory_that_is_there_keeps_its_mode(listener, path):
    path.parent.chmod(0o711)
    listener.start()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o711


def test_a_stale_socket_is_replaced(listener, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{path}~")
    listener.start()
    connect(path)


@pytest.mark.parametrize("backlog", [8, 0])
def test_an_address_with_a_busy_listener_is_in_use(listener, path, backlog):
    with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as client:
        other.bind(str(path))
        other.listen(backlog)
        client.connect(str(path))
        with pytest.raises(FailedPrecondition, match=f"address in use: a process listens on {path}"):
            listener.start()
        assert path.exists()


def test_the_holder_of_an_address_is_named_before_anything_is_touched(listener, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with (
        Lock.acquire(f"{path}.lock"),
        pytest.raises(LockHeld, match=f"address in use: .* is locked by process {os.getpid()}"),
    ):
        listener.start()
    assert path.exists()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_files_other_than_sockets_are_never_removed(listener, path, kind):
    match kind:
        case "file":
            path.touch()
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to("nowhere")
    before = path.lstat().st_ino
    with pytest.raises(AlreadyExists, match="is not a socket: move it away"):
        listener.start()
    assert path.lstat().st_ino == before
    assert os.listdir(path.parent) == [path.name]


def test_foreign_files_at_the_temporary_socket_path_are_not_removed(listener, path):
    path.with_name("x.sock~").write_text("precious")
    with pytest.raises(AlreadyExists, match="~ is in the way"):
        listener.start()
    assert path.with_name("x.sock~").read_text() == "precious"


def test_leftovers_of_a_killed_host_are_removed(listener, path):
    left = path.with_name("x.sock~")
    left.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left / "s"))
    listener.start()
    assert sorted(os.listdir(path.parent)) == ["x.sock", "x.sock.lock"]


def test_a_directory_in_which_others_could_put_a_socket_is_refused(listener, path):
    path.parent.chmod(0o777)
    with pytest.raises(PermissionDenied, match=f"{path.parent} .mode 0777. can be written to by every user"):
        listener.start()
    assert os.listdir(path.parent) == []


def test_a_path_of_the_greatest_length_works_and_one_byte_more_is_refused_with_its_length(tmp_path):
    directory = tmp_path / "d"
    longest = str(directory / ("x" * (MAX_PATH - len(os.fsencode(directory)) - 1)))
    listener = Listener(longest, PlainEngine())
    listener.start()
    connect(longest)
    listener.close()
    with pytest.raises(InvalidArgument, match="can have 104 bytes, and this one has 105"):
        Listener(f"{longest}x", PlainEngine()).start()


@pytest.mark.parametrize("address", ["", "lamina.sock", "tcp://localhost:1", "/run/a\0b"])
def test_an_address_is_an_absolute_path(address, engine):
    with pytest.raises(InvalidArgument, match="expected the absolute path of a unix socket"):
        Listener(address, engine).start()


def test_a_directory_that_cannot_be_created_is_reported_with_the_errno(tmp_path, engine):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x.sock"
    with pytest.raises(FailedPrecondition, match=f"listen on {path}: {tmp_path}/file: Not a directory"):
        Listener(str(path), engine).start()


def test_a_socket_that_cannot_be_created_is_reported_with_the_errno(engine):
    with pytest.raises(NotFound, match=r"lock file: /proc/lamina\.sock\.lock: No such file or directory"):
        Listener("/proc/lamina.sock", engine).start()


def test_a_start_that_fails_leaves_the_address_free(path):
    engine = PlainEngine(refuses=True)
    with pytest.raises(Unavailable, match="engine refuses"):
        Listener(str(path), engine).start()
    assert engine.events[0].startswith("stopped")
    assert os.listdir(path.parent) == ["x.sock.lock"]
    Lock.acquire(f"{path}.lock").close()


def test_a_socket_that_now_belongs_to_another_host_is_kept(listener, path):
    listener.start()
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        listener.close()
        assert path.exists()


def test_a_removed_socket_is_not_an_error(listener, path):
    listener.start()
    path.unlink()
    listener.close()


def test_finding_the_plugins_imports_neither_grpc_nor_protobuf():
    modules = [
        "servers.grpc",
        *(f"services.{name}" for name in ("health", "introspection", "snapshots", "version")),
    ]
    program = "; ".join(
        [f"import lamina.plugins.{module}.plugin" for module in modules]
        + ["import sys", "print(sorted({'grpc', 'google.protobuf', 'lamina.api'} & set(sys.modules)))"]
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
