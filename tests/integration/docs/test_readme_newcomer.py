"""What the README has a newcomer type: its own blocks, letter by letter, at the paths that it names.

Host and commands share a mount namespace where `/run` and `/var/lib` are empty: nothing of this machine's is seen
or touched, and what is mounted on `/mnt` goes with the last process.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.processes.daemons import Daemon

README = (Path(__file__).parents[3] / "README.md").read_text()
EMPTY_PLACES = "mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib"

pytestmark = pytest.mark.requires("root", "overlay", "ctr")

Type = Callable[[str], str]
"""Types a block in the second terminal; returns what it printed."""


@pytest.fixture
def tree() -> Iterator[Path]:
    """What stands for the newcomer's clone after `make run`: a directory with lamina in `.venv`."""
    with short_directory() as directory:
        (directory / ".venv").symlink_to(sys.prefix)
        (directory / "config.toml").write_text("version = 4\n")
        yield directory


def test_a_plugin_of_ones_own_answers_ctr(tree: Path) -> None:
    plugin, serve, ask = blocks("Write a snapshotter")
    (tree / "copies.py").write_text(plugin)
    with served(tree, serve) as type_:
        shown = type_(ask)
    assert re.search(r"^io\.containerd\.snapshotter\.v1 +copies +\S+ +ok$", shown, re.MULTILINE)
    (mounted,) = re.findall(r"^mount -t bind (\S+) /mnt -o rbind,rw$", shown, re.MULTILINE)
    assert mounted.startswith("/var/lib/lamina/io.containerd.snapshotter.v1.copies/")
    assert shown.endswith(" base\n  \\_ next\n")


def test_the_command_line_and_ctr_see_the_same_snapshots(tree: Path) -> None:
    commands = blocks("Use it from containerd")[-1]
    with served(tree, ".venv/bin/lamina serve") as type_:
        shown = type_(commands)
    assert shown.endswith(2 * " base\n  \\_ next\n")


def blocks(section: str) -> list[str]:
    """The code blocks of a section of the README."""
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@contextmanager
def served(tree: Path, serve: str) -> Iterator[Type]:
    """Type a command that serves in the first terminal, and be in the second during the block."""
    place = f"cd {tree}; export LAMINA_CONFIG={tree}/config.toml"
    first = f"{EMPTY_PLACES}; {place}; exec env {serve}"
    host = Daemon(tree, "unshare", "--mount", "--propagation", "private", "sh", "-ec", first)
    (path,) = re.findall(r'^export PATH=.*"', README, re.MULTILINE)
    with host.running():

        def type_(block: str) -> str:
            second = f"{place}; {path}\n{block}"
            return run("nsenter", f"--mount=/proc/{host.pid}/ns/mnt", "sh", "-ec", second)

        yield type_
