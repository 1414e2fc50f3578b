"""The command line in real processes against a real host."""

from __future__ import annotations

import contextlib
import os
import pty
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from lamina.cli.snapshots.tree import tree
from lamina.client import Client
from lamina.mount import temporary_mount
from lamina.snapshots import Snapshotter
from tests.support.commands import environment
from tests.support.processes import forked
from tests.support.processes.hosts import Host

PROGRAM = Path(sys.executable).with_name("lamina")


@attrs.frozen
class Lamina:
    """Runs `lamina` against a host."""

    address: str

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        """Run a command that ends with `code`; returns what it printed, on stderr where it failed."""
        done = forked.run(*words, env=self.environment())
        assert done.returncode == code, done.stderr
        failed, silent = (done.stderr, done.stdout) if code else (done.stdout, done.stderr)
        assert silent == ""
        return failed

    def on_terminal(self, *words: str | Path, columns: int = 80, code: int = 0) -> str:
        """Run a command with stdout and stderr on a terminal; returns what that shows."""
        terminal, theirs = pty.openpty()
        with open(terminal, "rb", buffering=0) as shown:
            try:
                termios.tcsetwinsize(theirs, (24, columns))
                process = forked.Forked(words, self.environment(), stdout=theirs, stderr=theirs)
            finally:
                os.close(theirs)
            text = b""
            with contextlib.suppress(OSError):  # EIO: the other side is closed
                while data := shown.read(4096):
                    text += data
        assert process.wait(60) == code, text
        return text.decode().replace("\r\n", "\n")

    def environment(self) -> dict[str, str]:
        variables = {key: value for key, value in environment().items() if key not in {"COLUMNS", "LINES"}}
        return {**variables, "LAMINA_ADDRESS": self.address, "TERM": "xterm"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running host."""
    with Host(tmp_path_factory.mktemp("module") / "h").running() as host:
        yield host.address


@pytest.fixture
def snapshotter(host: str) -> Iterator[Snapshotter]:
    """The host's snapshotter, empty, for what is only there to be looked at."""
    with Client(host, timeout=120) as client:
        found = client.snapshotter("overlayfs")
        yield found
        for node in reversed(list(tree(found.walk()))):
            found.remove(node.key)


@pytest.fixture
def lamina(host: str, snapshotter: Snapshotter) -> Lamina:
    """Runs `lamina` against a host without snapshots."""
    return Lamina(host)


@pytest.fixture
def layer(snapshotter: Snapshotter) -> Callable[..., None]:
    """Return `layer(name, parent, file=content, …)`, which commits a snapshot with those files."""

    def make(name: str, parent: str = "", **files: str) -> None:
        key = f"{name}-active"
        with temporary_mount(snapshotter.prepare(key, parent)) as root:
            for file, content in files.items():
                (Path(root) / file).write_text(content)
        snapshotter.commit(name, key)

    return make
