"""How long a daemon takes from exec to its first answer, and how much memory it then has.

Run with `python -m tests.benchmarks.start`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lamina.client import Client
from lamina.errdefs import Unavailable

UNITS = {"seconds_to_answer": ("exec to first answer", "ms", 1000), "resident": ("resident memory", "MiB", 2**-20)}
PATIENCE = 60
"""Seconds after which a daemon that has not answered is given up."""


@dataclass
class Figures:
    seconds_to_answer: float
    resident: int
    """Bytes, VmRSS of proc(5)."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the starts of lamina and containerd side by side.")
    parser.add_argument("--rounds", type=int, default=10, help="how often each is started (default 10)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args()
    run(options.rounds, options.json)


def run(rounds: int, json_file: Path | None = None) -> None:
    figures: dict[str, list[Figures]] = {name: [] for name in CONTENDERS}
    for name in CONTENDERS:  # caches of files and byte code: nobody's first start is measured
        measure(name)
    turns = [name for _ in range(rounds) for name in CONTENDERS]  # A B A B: noise hits both alike
    for name in track(turns, "starting", console=Console(stderr=True), disable=not sys.stderr.isatty()):
        figures[name].append(measure(name))

    Console().print(table(figures))
    if json_file:
        document = {name: [figure.__dict__ for figure in each] for name, each in figures.items()}
        json_file.write_text(json.dumps(document, indent=2) + "\n")


def table(figures: dict[str, list[Figures]]) -> Table:
    rounds = len(next(iter(figures.values())))
    table = Table(title=f"Whole processes, medians of {rounds} (least to most)")
    table.add_column("")
    for name in figures:
        table.add_column(name, justify="right")
    table.add_column("ratio", justify="right")
    for field, (title, unit, factor) in UNITS.items():
        columns = [[getattr(figure, field) * factor for figure in each] for each in figures.values()]
        medians = [statistics.median(column) for column in columns]
        cells = [
            f"{median:.0f} {unit} ({min(column):.0f} to {max(column):.0f})"
            for median, column in zip(medians, columns, strict=True)
        ]
        table.add_row(title, *cells, f"{medians[0] / medians[1]:.2f}")
    return table


def lamina(directory: Path) -> list[str]:
    executable = Path(sys.executable).with_name("lamina")
    return [str(executable), "serve", *_places(directory), "--address", str(directory / "socket")]


def containerd(directory: Path) -> list[str]:
    config = directory / "config.toml"
    config.write_text(
        "version = 2\n"
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[plugins."io.containerd.internal.v1.opt"]\npath = "{directory / "opt"}"\n'
        f'[ttrpc]\naddress = "{directory / "ttrpc"}"\n'
    )
    return [
        "containerd",
        "--config",
        str(config),
        *_places(directory),
        "--address",
        str(directory / "socket"),
    ]


def _places(directory: Path) -> list[str]:
    return ["--root", str(directory / "root"), "--state", str(directory / "state")]


CONTENDERS: dict[str, Callable[[Path], list[str]]] = {"lamina": lamina, "containerd": containerd}


def measure(name: str) -> Figures:
    """Start a daemon on empty directories, ask it for its version until it answers, and stop it."""
    directory = Path(tempfile.mkdtemp(prefix="lamina-bench-"))
    try:
        command = CONTENDERS[name](directory)
        with (directory / "log").open("wb") as log:
            started = time.perf_counter()
            with subprocess.Popen(command, stdout=log, stderr=log, env=_environment()) as daemon:
                try:
                    _first_answer(daemon, directory)
                    seconds = time.perf_counter() - started
                    return Figures(seconds, _resident(daemon.pid))
                finally:
                    daemon.send_signal(signal.SIGTERM)
                    daemon.wait(PATIENCE)
    finally:
        shutil.rmtree(directory)


def _environment() -> dict[str, str]:
    """As installed: a package has its byte code, and a source tree writes it when it is first run."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _first_answer(daemon: subprocess.Popen[bytes], directory: Path) -> None:
    socket = directory / "socket"
    deadline = time.monotonic() + PATIENCE
    while daemon.poll() is None and time.monotonic() < deadline:
        # A client of its own for each attempt: gRPC waits a second after a failed one.
        if socket.exists():
            with Client(str(socket), timeout=1) as client, contextlib.suppress(Unavailable):
                client.version()
                return
        time.sleep(0.001)
    raise SystemExit(f"{' '.join(map(str, daemon.args))} did not answer:\n{(directory / 'log').read_text()}")


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"process {pid} has no VmRSS")


if __name__ == "__main__":
    main()
