"""How long images take to be imported and unpacked: `python -m tests.benchmarks images`.

Each tool imports the same archive (umoci: the same layout) on a new ext4 with a journal, in turns. lamina's data
is durable when its command ends; the others sync nothing, and a column says how long they take with a sync.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Self

import attrs
from rich.console import Console
from rich.table import Table

from tests.benchmarks.file_systems import file_system, require_disk
from tests.benchmarks.image_inputs import IMAGES, TAG, archived
from tests.benchmarks.sides import CONTAINERD, LAMINA, running
from tests.support.interop.releases import SUITES, release

PATIENCE: Final = 600
"""Seconds that a command may take."""
_SAMPLE: Final = 0.05
"""Seconds between two looks at the memory."""


@attrs.frozen
class Taken:
    """What one import took."""

    seconds: float
    synced: float
    """Seconds with a sync of the file system after it."""
    memory: int
    """The most bytes of all processes together at once: Pss of proc(5), with shares of what they share."""


@attrs.frozen
class Input:
    """An image, in the two forms."""

    layout: Path
    archive: Path


Tool = Callable[[Input, Path], contextlib.AbstractContextManager[tuple[Sequence[str | Path], int]]]
"""Yields the command, and the process of its daemon, 0 for none."""


@contextlib.contextmanager
def lamina(image: Input, root: Path) -> Iterator[tuple[Sequence[str | Path], int]]:
    """Import into a host of lamina."""
    with running([LAMINA], root) as (side,):
        command = (sys.executable, "-m", "lamina", "images", "-a", side.socket, "import", image.archive)
        yield command, side.pid


@contextlib.contextmanager
def ctr(image: Input, root: Path) -> Iterator[tuple[Sequence[str | Path], int]]:
    """Import into containerd with its own overlayfs."""
    with running([CONTAINERD], root) as (side,):
        yield ("ctr", "-a", side.socket, *_IMPORT, image.archive), side.pid


_IMPORT: Final = ("images", "import", "--snapshotter", "overlayfs")


def ctr_of(suite: str) -> Tool:
    """Return the tool that imports into the containerd of a Debian suite."""
    programs = release(suite).programs

    @contextlib.contextmanager
    def tool(image: Input, root: Path) -> Iterator[tuple[Sequence[str | Path], int]]:
        with _on_path(programs), running([CONTAINERD], root) as (side,):
            yield (programs / "ctr", "-a", side.socket, *_IMPORT, image.archive), side.pid

    return tool


@contextlib.contextmanager
def umoci(image: Input, root: Path) -> Iterator[tuple[Sequence[str | Path], int]]:
    """Unpack into a bundle; umoci stores no blobs and makes no snapshots."""
    yield ("umoci", "unpack", "--image", f"{image.layout}:{TAG}", root / "bundle"), 0


@contextlib.contextmanager
def podman(image: Input, root: Path) -> Iterator[tuple[Sequence[str | Path], int]]:
    """Load into storage of its own, by its overlay driver."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="podman-") as run:  # podman allows 50 characters
        places = ("--root", root / "storage", "--runroot", run, "--storage-driver", "overlay")
        yield ("podman", *places, "load", "--quiet", "--input", image.archive), 0


def tools(suite: str) -> dict[str, Tool]:
    """Return the tools of this machine, by what the table calls them."""
    found: dict[str, Tool] = {"lamina": lamina}
    if shutil.which("ctr"):
        found["ctr"] = ctr
    if suite:
        found[f"ctr {release(suite).upstream}"] = ctr_of(suite)
    return found | {name: tool for name, tool in (("umoci", umoci), ("podman", podman)) if shutil.which(name)}


def measure(tool: Tool, image: Input, directory: Path | None, *, cold: bool) -> Taken:
    """Import an image once, on a new file system."""
    with file_system("ext4", directory, gigabytes=16) as root, tool(image, root) as (command, daemon):
        os.sync()
        if cold:
            Path("/proc/sys/vm/drop_caches").write_text("3")  # proc_sys_vm(5)
        else:
            _read(image)
        with (root / "output").open("wb") as output, Memory(daemon) as memory:
            began = time.perf_counter()
            with subprocess.Popen(command, stdout=output, stderr=output, env=_environment()) as process:
                memory.add(process.pid)
                code = process.wait(PATIENCE)
            ended = time.perf_counter()
        subprocess.run(["sync", "--file-system", root], check=True)
        synced = time.perf_counter()
        if code:
            raise SystemExit(f"{' '.join(map(str, command))}: {(root / 'output').read_text()}")
    return Taken(ended - began, synced - began, memory.most)


class Memory:
    """Looks, from a thread, at the memory of processes and their children until the end of the block."""

    def __init__(self, daemon: int) -> None:
        """Look at a daemon, if there is one."""
        self._pids = {daemon} if daemon else set()
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def add(self, pid: int) -> None:
        """Look at one more process."""
        self._pids.add(pid)

    def _look(self) -> None:
        while not self._ended.wait(_SAMPLE):
            self.most = max(self.most, sum(map(_memory_of, tuple(self._pids))))


def _memory_of(pid: int) -> int:
    """Return the bytes of a process and its children."""
    total = 0
    with contextlib.suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            total += sum(map(_memory_of, map(int, file.read_text().split())))
    return total


def _read(image: Input) -> None:
    for path in (image.archive, *image.layout.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 20):
                    pass


@contextlib.contextmanager
def _on_path(programs: Path) -> Iterator[None]:
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{programs}:{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def table(name: str, taken: dict[str, list[Taken]], *, cold: bool) -> Table:
    """Medians, and the ratio to lamina's."""
    shown = Table("tool", "seconds", "range", "times lamina's", "with a sync", "memory, MiB")
    shown.title = f"{name}, {'cold' if cold else 'warm'} cache"
    own = statistics.median(one.seconds for one in next(iter(taken.values())))
    for tool, rounds in taken.items():
        seconds = [one.seconds for one in rounds]
        middle, synced = statistics.median(seconds), statistics.median(one.synced for one in rounds)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        memory = max(one.memory for one in rounds) >> 20
        shown.add_row(tool, f"{middle:.2f}", spread, f"{middle / own:.2f}", f"{synced:.2f}", str(memory))
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table for each image."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks images", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: %(default)s)")
    parser.add_argument("--directory", type=Path, help="where everything is made (default: of temporary files)")
    parser.add_argument("--image", choices=IMAGES, action="append", help="measure this one (default: all)")
    parser.add_argument("--tool", action="append", help="measure this one (default: all that are installed)")
    parser.add_argument("--containerd", choices=SUITES, default="", help="and the containerd of a Debian suite")
    parser.add_argument("--cold", action="store_true", help="drop the page cache before each")
    options = parser.parse_args(arguments)
    require_disk(options.directory)
    chosen = {name: tool for name, tool in tools(options.containerd).items() if name in (options.tool or [name])}
    for name in options.image or IMAGES:
        with tempfile.TemporaryDirectory(dir=options.directory, prefix="lamina-images-") as directory:
            layout = IMAGES[name](Path(directory))
            image = Input(layout, archived(layout, Path(directory, "image.tar")))
            taken: dict[str, list[Taken]] = {tool: [] for tool in chosen}
            for _ in range(options.rounds):
                for tool, run_tool in chosen.items():
                    taken[tool].append(measure(run_tool, image, options.directory, cold=options.cold))
        Console().print(table(name, taken, cold=options.cold))


if __name__ == "__main__":
    main()
