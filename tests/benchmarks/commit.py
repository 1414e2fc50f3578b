"""Time commands that make layers and images of changes: `python -m tests.benchmarks commit`.

Each tool has the same image of 100,000 files unpacked, on an ext4 with a journal of its own. In each round, some
files get new content, and then each tool writes what changed. lamina's image is durable when its command ends; the
others sync nothing, and a column says how long they take with a sync.
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
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table

from lamina.client import Client
from tests.benchmarks.file_systems import file_system, require_disk
from tests.benchmarks.image_inputs import NAME, TAG, archived, many
from tests.benchmarks.sides import CONTAINERD, LAMINA, running
from tests.support.commands import run

PATIENCE: Final = 600
"""Seconds that a command may take."""
FILES: Final = 100_000
"""Files of the image, in 20 layers."""


@attrs.frozen
class Container:
    """A root file system that can be written to, and the commands that turn its changes into something."""

    root: Path
    """The directory on which it is mounted while files are changed."""
    commands: dict[str, Callable[[str], object]]
    """The commands to measure, by their names in the table; each takes a word that no other call has."""
    mount: Sequence[str | Path] = ()
    """Mounts it; empty if it is always there."""
    unmount: Sequence[str | Path] = ()


Tool = Callable[[Path, Path, Path], contextlib.AbstractContextManager[Container]]
"""Unpacks the archive, or the layout, below a directory."""


def process(*command: str | Path) -> Callable[[str], object]:
    """Return what runs a command, in which `{word}` stands for the word."""

    def start(word: str) -> None:
        words = [str(part).replace("{word}", word) for part in command]
        subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE)

    return start


@contextlib.contextmanager
def lamina(archive: Path, _layout: Path, directory: Path) -> Iterator[Container]:
    """Fork the image in a host of lamina."""
    root = directory / "root"
    root.mkdir()
    program = (sys.executable, "-m", "lamina")
    with running([LAMINA], directory) as (side,), Client(side.socket.as_posix()) as client:
        images = (*program, "images", "-a", side.socket)
        run(*images, "import", archive, seconds=PATIENCE)
        mount = (*images, "mount", "--rw", "--key", "fork", NAME, root)
        unmount = (*images, "unmount", root)
        run(*mount)
        run(*unmount)
        layer = directory / "layer-{word}.tar.gz"
        diff = (*program, "snapshots", "-a", side.socket, "--snapshotter", "overlayfs/images/default", "diff")
        commands = {
            "lamina images commit": process(*images, "commit", "fork", "bench.test/changed:{word}"),
            "the same call of a program": lambda word: client.transfer().commit(
                "fork", f"bench.test/called:{word}"
            ),
            "lamina snapshots diff": process(*diff, "fork", "-o", layer),
        }
        yield Container(root, commands, mount, unmount)


@contextlib.contextmanager
def ctr(archive: Path, _layout: Path, directory: Path) -> Iterator[Container]:
    """Prepare a snapshot on the image in containerd."""
    root = directory / "root"
    root.mkdir()
    with running([CONTAINERD], directory) as (side,):
        program = ("ctr", "-a", side.socket)
        snapshots = (*program, "snapshots", "--snapshotter", "overlayfs")
        run(*program, "images", "import", "--snapshotter", "overlayfs", archive, seconds=PATIENCE)
        rows = [line.split() for line in run(*snapshots, "ls").splitlines()[1:]]
        (top,) = {row[0] for row in rows} - {row[1] for row in rows}
        command = run(*snapshots, "prepare", "--target", root, "fork", top)
        yield Container(
            root, {"ctr snapshots diff": process(*snapshots, "diff", "fork")}, command.split(), ("umount", root)
        )


@contextlib.contextmanager
def umoci(_archive: Path, layout: Path, directory: Path) -> Iterator[Container]:
    """Unpack the image into a bundle."""
    shutil.copytree(layout, directory / "layout")
    bundle = directory / "bundle"
    run("umoci", "unpack", "--image", f"{directory / 'layout'}:{TAG}", bundle, seconds=PATIENCE)
    repack = process("umoci", "repack", "--image", f"{directory / 'layout'}:changed-{{word}}", bundle)
    yield Container(bundle / "rootfs", {"umoci repack": repack})


@contextlib.contextmanager
def buildah(archive: Path, _layout: Path, directory: Path) -> Iterator[Container]:
    """Make a container of the image, in storage of its own."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="buildah-") as state:
        program = ("buildah", "--root", directory / "storage", "--runroot", state, "--storage-driver", "overlay")
        name = run(*program, "from", "--pull-never", f"oci-archive:{archive}", seconds=PATIENCE).strip()
        root = Path(run(*program, "mount", name).strip())
        try:
            commit = process(*program, "commit", "--quiet", name, "bench.test/changed:{word}")
            yield Container(
                root, {"buildah commit": commit}, (*program, "mount", name), (*program, "umount", name)
            )
        finally:
            run(*program, "rm", name)


TOOLS: Final[dict[str, Tool]] = {"lamina": lamina, "ctr": ctr, "umoci": umoci, "buildah": buildah}


@attrs.frozen
class Taken:
    """The time that one command took."""

    seconds: float
    synced: float
    """Seconds with a sync of the file system after it."""


def change(container: Container, count: int, number: int) -> None:
    """Give files new content, spread over all layers.

    Args:
        container: Where.
        count: The number of files.
        number: The number of the round, by which contents differ.
    """
    if container.mount:
        subprocess.run(container.mount, check=True, capture_output=True)
    try:
        for chosen in range(count):
            layer, file = chosen % 20, chosen // 20 * (FILES // max(count, 20))
            path = container.root / f"layer{layer}/{file // 100}/{file}"
            path.write_bytes(f"changed {number} {chosen}\n".encode() * 100)
    finally:
        if container.unmount:
            subprocess.run(container.unmount, check=True, capture_output=True)


def measure(command: Callable[[str], object], word: str, root: Path) -> Taken:
    """Run what is measured once, on the file system that is mounted at `root`."""
    os.sync()
    began = time.perf_counter()
    command(word)
    ended = time.perf_counter()
    subprocess.run(["sync", "--file-system", root], check=True)
    return Taken(ended - began, time.perf_counter() - began)


def table(count: int, taken: dict[str, list[Taken]]) -> Table:
    """Medians, and the ratio to the fastest of the others."""
    shown = Table("command", "seconds", "range", "with a sync", "times the first")
    shown.title = f"{count:,} files changed, of {FILES:,}"
    own = statistics.median(one.seconds for one in next(iter(taken.values())))
    for name, rounds in taken.items():
        seconds = [one.seconds for one in rounds]
        middle, synced = statistics.median(seconds), statistics.median(one.synced for one in rounds)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        shown.add_row(name, f"{middle:.2f}", spread, f"{synced:.2f}", f"{middle / own:.2f}")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table for each number of changed files."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks commit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: %(default)s)")
    parser.add_argument("--directory", type=Path, help="where everything is made (default: of temporary files)")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="measure this one (default: all installed)")
    parser.add_argument("--files", type=int, action="append", help="change so many (default: 10, and 10,000)")
    options = parser.parse_args(arguments)
    require_disk(options.directory)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    chosen = [name for name in options.tool or TOOLS if name == "lamina" or shutil.which(name)]
    with contextlib.ExitStack() as stack:
        made = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=options.directory, prefix="lamina-images-"))
        )
        layout = many(made)
        archive = archived(layout, made / "image.tar")
        containers = []
        for name in chosen:
            directory = stack.enter_context(file_system("ext4", options.directory, gigabytes=8))
            containers.append((directory, stack.enter_context(TOOLS[name](archive, layout, directory))))
        for count in options.files or (10, 10_000):
            taken: dict[str, list[Taken]] = {}
            for number in range(options.rounds):
                for directory, container in containers:
                    change(container, count, number)
                    for name, command in container.commands.items():
                        taken.setdefault(name, []).append(measure(command, f"{count}-{number}", directory))
            Console().print(table(count, taken))


if __name__ == "__main__":
    main()
