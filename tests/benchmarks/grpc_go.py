"""The client that containerd has: `load.go`, with grpc-go as Debian packages it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.load import Call, Load

PACKAGES = "golang-go golang-google-grpc-dev"
_SOURCES = Path("/usr/share/gocode")
"""Where Debian's packages of Go libraries put their sources."""


class GrpcGo(Load):
    """Makes clients with all callers on one connection, as containerd's snapshotters share one."""

    @property
    def _command(self) -> tuple[str | Path, ...]:
        return (self._program,)

    def _shared_out(self, scripts: Sequence[Sequence[Call]]) -> Sequence[Sequence[Sequence[Call]]]:
        return [scripts]

    @property
    def version(self) -> str:
        """The release of grpc-go."""
        return subprocess.run(
            (self._program, "version"), check=True, capture_output=True, text=True
        ).stdout.strip()


def is_installed() -> bool:
    """Whether it can be compiled."""
    return bool(shutil.which("go")) and (_SOURCES / "src/google.golang.org/grpc").is_dir()


@contextlib.contextmanager
def compiled(directory: Path) -> Iterator[GrpcGo]:
    """As `load.compiled`."""
    directory.mkdir()
    try:
        program = directory / "load-go"
        source = Path(__file__).with_name("load.go")
        settings = {"GO111MODULE": "off", "GOPATH": str(_SOURCES)}
        subprocess.run(["go", "build", "-o", program, source], check=True, env={**os.environ, **settings})
        yield GrpcGo(program)
    finally:
        shutil.rmtree(directory)
