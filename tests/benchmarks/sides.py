"""The two that are compared, as processes with directories and a socket of their own."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PATIENCE = 120
"""Seconds in which a daemon has to do what it was asked."""
SYNC_CALLS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "msync")
_TRACE = ("strace", "-f", "-e", f"trace={','.join(SYNC_CALLS)}", "-o")
_WITHOUT_SYNCS = (*_TRACE, "/dev/null", "-D", "--seccomp-bpf", "-e", f"inject={','.join(SYNC_CALLS)}:retval=0")


_CRI = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
"""containerd's CRI plugin: the first until 1.7, all from 2.0 on."""


def lamina(directory: Path, socket: Path, config: str = "") -> list[str]:
    file = directory / "config.toml"
    file.write_text(f"version = 4\n{config}")
    executable = Path(sys.executable).with_name("lamina")
    return [str(executable), "serve", "--config", str(file), *_places(directory, socket)]


def lamina_without_sync_fs(directory: Path, socket: Path) -> list[str]:
    snapshotters = ("overlayfs", "native", "btrfs")
    tables = (f'[plugins."io.containerd.snapshotter.v1.{name}"]\nsync_fs = false\n' for name in snapshotters)
    return lamina(directory, socket, "".join(tables))


def containerd(directory: Path, socket: Path) -> list[str]:
    config = directory / "config.toml"
    config.write_text(
        "version = 2\n"
        f"disabled_plugins = {_CRI}\n"
        f'[plugins."io.containerd.internal.v1.opt"]\npath = "{directory / "opt"}"\n'
        f'[ttrpc]\naddress = "{socket}.ttrpc"\n'
    )
    return ["containerd", "--config", str(config), *_places(directory, socket)]


def _places(directory: Path, socket: Path) -> list[str]:
    places = {"root": directory / "root", "state": directory / "state", "address": socket}
    return [word for name, path in places.items() for word in (f"--{name}", str(path))]


LAMINA, UNSYNCED, CONTAINERD = "lamina", "lamina, sync_fs = false", "containerd"
COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    LAMINA: lamina,
    UNSYNCED: lamina_without_sync_fs,
    CONTAINERD: containerd,
}


class Side:
    """One daemon. Started again, it finds what it had."""

    def __init__(self, name: str, directory: Path, address: Path) -> None:
        """Prepare it, with everything it keeps in `directory`, which is made, and its socket at `address`."""
        directory.mkdir()
        self.name = name
        self.socket = address
        self.directory = directory
        self._command = COMMANDS[name](directory, address)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process, f"{self.name} is not running"
        return self._process

    @property
    def pid(self) -> int:
        """The process."""
        return self._running.pid

    def start(self, *, syncs: bool = True) -> None:
        """Start it, and wait for nothing.

        Args:
            syncs: False: its sync calls do nothing. So it is filled in a fraction of the time, unmeasured.
        """
        self.socket.unlink(missing_ok=True)
        command = self._command if syncs else [*_WITHOUT_SYNCS, *self._command]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())

    def wait_until_ready(self) -> None:
        """Wait until it takes connections."""
        deadline = time.monotonic() + PATIENCE
        while not self._accepts():
            if self._running.poll() is not None or time.monotonic() > deadline:
                log = (self.directory / "log").read_text()
                raise SystemExit(f"{' '.join(self._command)} did not answer:\n{log}")
            time.sleep(0.005)  # a socket announces itself to nobody

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def stop(self) -> None:
        """Have it end by itself; kill it if it does not."""
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Have it end in the midst of what it does."""
        self._running.kill()
        self._running.wait()
        self._process = None

    def has_children(self) -> bool:
        """Whether a process that it started runs."""
        for file in Path(f"/proc/{self._running.pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
                if file.read_text():
                    return True
        return False

    @property
    def resident(self) -> int:
        """Bytes of its memory that are in RAM: VmRSS of proc(5), with shared pages and mapped files."""
        status = Path(f"/proc/{self._running.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, f"{self.name} has no VmRSS"
        return int(found[1]) * 1024

    def settle(self, calm: float) -> None:
        """Wait until it does nothing for `calm` seconds: its background work must not disturb others."""
        deadline = time.monotonic() + PATIENCE
        before, now = -1, self._ticks()
        while now != before and time.monotonic() < deadline:
            time.sleep(calm)  # the time in which it must have done nothing
            before, now = now, self._ticks()

    def _ticks(self) -> int:
        """Its CPU time so far: fields 14 and 15 of /proc/PID/stat, proc(5)."""
        fields = Path(f"/proc/{self._running.pid}/stat").read_text().rpartition(") ")[2].split()
        return int(fields[11]) + int(fields[12])

    @contextlib.contextmanager
    def counting_syncs(self) -> Iterator[Callable[[], int]]:
        """Count its sync calls in the block, slowing it down much. What is yielded tells the number afterwards."""
        file = self.directory / "strace"
        command = (*_TRACE, str(file), "-c", "-p", str(self._running.pid))
        with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
            assert tracer.stderr
            try:
                ready, _, _ = select.select([tracer.stderr], [], [], PATIENCE)
                if not ready or b"attached" not in os.read(tracer.stderr.fileno(), 4096):
                    raise SystemExit(f"strace cannot attach to {self.name}")
                yield lambda: _total(file.read_text())
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate()


def _total(summary: str) -> int:
    """The calls in a table of `strace -c`: lines of share, seconds, µs a call, calls, maybe errors, and name."""
    lines = [line.split() for line in summary.splitlines()]
    return sum(int(fields[3]) for fields in lines if fields and fields[-1] in SYNC_CALLS)


def _environment() -> dict[str, str]:
    """As installed: a package has its byte code. Nobody else's settings."""
    others = ("CONTAINERD_", "LAMINA_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}


@contextlib.contextmanager
def running(names: Sequence[str], root: Path, *, started: bool = True) -> Iterator[list[Side]]:
    """Daemons on new directories below `root`, running in the block; what they keep goes with the file system."""
    directory = Path(tempfile.mkdtemp(dir=root, prefix="sides-"))
    with contextlib.ExitStack() as stack:
        # Not below `root`: unix(7) allows a socket's name 107 bytes.
        sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp", prefix="lamina-bench-")))
        sides = [Side(name, directory / f"{n}", sockets / f"{n}") for n, name in enumerate(names)]
        for side in sides:
            stack.callback(side.stop)
            if started:
                side.start()
                side.wait_until_ready()
        yield sides
