"""A real containerd as a process of a test, and its command line."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar

from tests.support import leftovers
from tests.support.commands import CommandFailed, environment, run
from tests.support.interop.releases import Release
from tests.support.processes.daemons import SECONDS, Daemon

# Nothing of it is outside its directory, except the shims' sockets in /run/containerd/s, which have no setting.
CONFIG = """\
version = {1}
root = "{0}/root"
state = "{0}/state"
disabled_plugins = {2}
[grpc]
address = "{0}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{0}/opt"
"""

PROXY = """\
[proxy_plugins.{0}]
type = "snapshot"
address = "{1}"
"""

_SECONDS_TO_CONNECT = 120
_T = TypeVar("_T")

PRINTED = "/printed"
"""Where containers have a directory of the host for what they print: `ctr` 1.6 may lose the end of it."""


class Containerd(Daemon):
    """`containerd`, with root, state and socket of its own. Use `running()`."""

    def __init__(
        self,
        directory: Path,
        snapshotters: dict[str, str] | None = None,
        *,
        stanzas: str = "",
        release: Release | None = None,
        cri: bool = False,
        programs: Path | None = None,
    ) -> None:
        """Prepare a containerd.

        Args:
            directory: Where it has everything, made here. A short path: sockets have a limit.
            snapshotters: Its proxy plugins: name to socket.
            stanzas: What else stands at the end of its configuration.
            release: Whose programs it, `ctr`, its shim and `runc` are; None: the machine's.
            cri: Whether it has its CRI plugin.
            programs: A directory of programs that it runs in place of the machine's.
        """
        directory.mkdir()
        self._release = release
        self._printed = directory / "printed"
        self._printed.mkdir()
        self._printed.chmod(0o777)  # a container's user may be any
        file = directory / "config.toml"
        proxies = "".join(PROXY.format(name, address) for name, address in (snapshotters or {}).items())
        version = 3 if release and release.version >= (2, 0) else 2
        disabled = ["io.containerd.nri.v1.nri", *([] if cri else ["io.containerd.grpc.v1.cri"])]
        file.write_text(CONFIG.format(directory, version, disabled) + proxies + stanzas)
        directories = [programs, release and release.programs, os.environ.get("PATH", os.defpath)]
        self.environment = {"PATH": ":".join(str(one) for one in directories if one)}
        """Where its programs are found before the machine's."""
        super().__init__(directory, "env", f"PATH={self.environment['PATH']}", "containerd", "--config", file)
        self.address = f"{directory}/containerd.sock"

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """As `Daemon.running`. Its containers, shims and mounts are gone afterwards too."""
        with contextlib.ExitStack() as stack:
            stack.callback(leftovers.remove_mounts, self.directory)
            stack.callback(self._end_shims)
            yield stack.enter_context(super().running())

    def ctr(self, *arguments: str | Path) -> str:
        """Run `ctr` against it; returns what it printed."""
        return run("env", "ctr", "--address", self.address, *arguments, env=self.environment)

    def import_image(self, archive: Path, snapshotter: str) -> None:
        """Import an image and unpack it."""
        self.ctr("images", "import", "--snapshotter", snapshotter, archive)

    @contextlib.contextmanager
    def importing(self, archive: Path, snapshotter: str) -> Iterator[subprocess.Popen[bytes]]:
        """Import an image beside the block, at the end of which `ctr` has ended."""
        arguments = ("images", "import", "--snapshotter", snapshotter, archive)
        process = self._start_ctr(*arguments)
        try:
            yield process
            process.wait(SECONDS)
        finally:
            process.kill()
            process.communicate()

    @contextlib.contextmanager
    def mounted_image(self, image: str, snapshotter: str, target: Path) -> Iterator[None]:
        """Mount an image, as it is unpacked by a snapshotter, at a new directory until the end of the block.

        `ctr` 1.6 mounts images of containerd's default snapshotter only, whatever its options.
        """
        target.mkdir()
        if self._release and self._release.version < (1, 7):
            listed = self.ctr("snapshots", "--snapshotter", snapshotter, "ls").splitlines()
            layers = [line.split() for line in listed if line.rstrip().endswith("Committed")]
            (top,) = {layer[0] for layer in layers} - {layer[1] for layer in layers}
            self.ctr("snapshots", "--snapshotter", snapshotter, "prepare", target, top)
            run("sh", "-ec", self.ctr("snapshots", "--snapshotter", snapshotter, "mounts", target, target))
        else:
            self.ctr("images", "mount", "--snapshotter", snapshotter, image, target)
        try:
            yield
        finally:
            self.ctr("images", "unmount", target)
            self.ctr("snapshots", "--snapshotter", snapshotter, "rm", target)

    def remove_image(self, image: str) -> None:
        """Remove an image and have garbage collected at once.

        Unasked, containerd forgets what is deleted while a collection runs, until something else is deleted.
        """
        self.ctr("images", "rm", "--sync", image)

    def remove_leases(self) -> None:
        """Remove the leases of clients that died."""
        if leases := self.ctr("leases", "ls", "--quiet").split():
            self.ctr("leases", "delete", *leases)

    def run(self, image: str, snapshotter: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """Run a container to its end and remove it; returns what it printed.

        Args:
            image: The image.
            snapshotter: Whose snapshot it runs on.
            command: What it runs.
            options: More of `ctr run`.
        """
        container = _new_id("container")
        printing = _printing_to(container, command)
        self.ctr("run", "--rm", *self._options(snapshotter), *options, image, container, *printing)
        return (self._printed / container).read_text()

    def start_container(self, image: str, snapshotter: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """Run a container in the background, with more options of `ctr run`; returns its id."""
        container = _new_id("container")
        self.ctr("run", "--detach", *self._options(snapshotter), *options, image, container, *command)
        return container

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a running container; returns what it printed."""
        execution = _new_id("exec")
        options = ["--fifo-dir", f"{self.directory}/fifo", "--exec-id", execution]
        self.ctr("tasks", "exec", *options, container, *_printing_to(execution, command))
        return (self._printed / execution).read_text()

    def diff(self, container: str, snapshotter: str) -> bytes:
        """What a container changed, as a layer (tar, gzipped)."""
        with self._start_ctr("snapshots", "--snapshotter", snapshotter, "diff", container) as process:
            layer, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        return layer

    def remove_container(self, container: str) -> None:
        """Kill a container and remove it, with its snapshot."""
        self.ctr("tasks", "rm", "--force", container)
        self.ctr("containers", "rm", container)

    def _start_ctr(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        command = ("env", "ctr", "--address", self.address, *arguments)
        return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment() | self.environment)

    def _options(self, snapshotter: str) -> list[str]:
        """Options of `ctr run`. Without a cgroup, a container needs none of the machine's cgroup versions."""
        directories = [f"--fifo-dir={self.directory}/fifo", f"--runc-root={self.directory}/runc"]
        printed = f"--mount=type=bind,src={self._printed},dst={PRINTED},options=rbind:rw"
        return ["--snapshotter", snapshotter, "--cgroup", "", *directories, printed]

    def _end_shims(self) -> None:
        """Kill the shims, which outlive their containerd, and their containers."""
        for shim in _processes_with(self.address):
            for pid in (shim, *leftovers.children_of(shim)):
                _kill(pid)
        for address in self.directory.glob("state/io.containerd.runtime.v2.task/*/*/address"):
            Path(address.read_text().removeprefix("unix://")).unlink(missing_ok=True)


def once_connected(call: Callable[[], _T]) -> _T:
    """Call until containerd has connected to a lamina that was started; return the result of the call.

    containerd waits for up to three seconds between two attempts. Meanwhile calls fail with the message of the
    last attempt, and those of version 2 without its code.

    Raises:
        CommandFailed: The call failed for another reason, or there was no connection in two minutes.
    """
    deadline = time.monotonic() + _SECONDS_TO_CONNECT
    while True:
        is_late = time.monotonic() >= deadline  # before the call, which may have taken long
        try:
            return call()
        except CommandFailed as error:
            said = str(error).lower()
            if is_late or not ("unavailable" in said or "connection" in said):
                raise


def ctr(address: str, *arguments: str | Path) -> str:
    """Run `ctr` against the containerd, or whoever else is at that socket; returns what it printed."""
    return run("ctr", "--address", address, *arguments)


def _printing_to(name: str, command: tuple[str, ...]) -> list[str]:
    """A command that prints into a file of that name."""
    return ["sh", "-c", f'exec "$@" > {PRINTED}/{name}', "sh", *command]


def _new_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"


def _processes_with(argument: str) -> Iterator[int]:
    """Processes with a word on their command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if argument.encode() in file.read_bytes().split(b"\0"):
                yield int(file.parts[2])


def _kill(pid: int) -> None:
    """Kill a process that is no child of this one, and wait until it has ended."""
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            poll = select.poll()
            poll.register(process, select.POLLIN)
            assert poll.poll(SECONDS * 1000), f"process {pid} does not end"
        finally:
            os.close(process)
