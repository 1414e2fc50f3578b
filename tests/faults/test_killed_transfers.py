"""Processes that import and unpack images are killed, and what repeats the command finishes the work.

The tests of each part kill at its own steps; these kill at any moment of the whole, the start of a host included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import attrs
import pytest

from lamina.content import ContentStore
from lamina.errdefs import Canceled, Unavailable
from lamina.host import Host as EmbeddedHost
from lamina.images import Transfer
from lamina.mount import mountinfo, temporary_mount
from lamina.plugin import PluginType
from lamina.snapshots import Kind, Snapshotter
from lamina.testing import Tree, differences, read_tree
from tests.support.commands import environment, run
from tests.support.directories import short_directory
from tests.support.interop.images import IMAGE, make_image
from tests.support.processes.hosts import LAMINA, Host
from tests.support.rounds import rounds
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "umoci", "skopeo", "busybox-static")

ROUNDS = rounds(5, 50)
HOST_ROUNDS = rounds(3, 100)
FILES = 500
SECONDS = 60.0
MOMENT = 0.1
"""Seconds after a step within which a process is killed."""
SNAPSHOTTER: Final = "overlayfs/images/default"
MARK: Final = "TEST_KILLED_TRANSFERS"
"""The environment variable that all processes of a round have."""


@attrs.frozen
class Expected:
    """An image, and what is there after an import that nothing has disturbed."""

    archive: Path
    blobs: frozenset[str]
    trees: dict[str, Tree]
    """The trees of all snapshots by name."""
    top: Tree
    """That of the uppermost one."""
    steps: int
    """How many steps the import tells."""
    seconds: float
    """How long it takes."""

    def check(self, transfer: Transfer, content: ContentStore, snapshotter: Snapshotter) -> None:
        """Check that all of it is there, and nothing else."""
        assert [one for one in transfer.verify() if one.problem] == []
        assert {info.digest for info in content.walk()} == self.blobs
        assert list(content.statuses()) == []
        assert {(info.name, info.kind) for info in snapshotter.walk()} == {
            (name, Kind.COMMITTED) for name in self.trees
        }
        for name, tree in trees_of(snapshotter).items():
            assert (name, differences(tree, self.trees[name])) == (name, [])


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """An image of umoci, whose uppermost snapshot has the tree that umoci unpacks."""
    directory = tmp_path_factory.mktemp("expected")
    (directory / "files").mkdir()
    for number in range(FILES):
        (directory / "files" / str(number)).write_text(f"{number}\n")
    archive = make_image(directory, directory / "files")
    steps = [0]

    def count(_: object) -> None:
        steps[0] += 1

    with embedded(directory) as host:
        transfer: Transfer = host.get(PluginType.TRANSFER, "local")
        begin = time.monotonic()
        (unpacked,) = transfer.import_(str(archive), progress=count).unpacked
        seconds = time.monotonic() - begin
        content: ContentStore = host.get(PluginType.CONTENT, "content")
        blobs = frozenset(info.digest for info in content.walk())
        trees = trees_of(host.get(PluginType.SNAPSHOTTER, "overlayfs").keyspace("images/default"))
    run("umoci", "raw", "unpack", "--image", f"{directory}/layout:latest", directory / "unpacked")
    top = trees[unpacked.chain_id]
    assert differences(without_times(top), read_tree(directory / "unpacked", times=False)) == []
    return Expected(archive, blobs, trees, top, steps[0], seconds)


def without_times(tree: Tree) -> Tree:
    return {path: attrs.evolve(entry, mtime=0) for path, entry in tree.items()}


def embedded(directory: Path) -> EmbeddedHost:
    return EmbeddedHost.from_config({"root": f"{directory}/root", "state": f"{directory}/state"})


def trees_of(snapshotter: Snapshotter) -> dict[str, Tree]:
    """The trees of all snapshots, with no time of the root: no layer of the image brings it."""
    found = {}
    for info in list(snapshotter.walk()):
        with temporary_mount(snapshotter.view("look", info.name), read_only=True) as root:
            tree = read_tree(root)
        snapshotter.remove("look")
        found[info.name] = {**tree, ".": attrs.evolve(tree["."], mtime=0)}
    return found


def is_gone(mark: str) -> bool:
    """Whether no process of a round is left."""
    wanted = f"{MARK}={mark}".encode()
    for name in os.listdir("/proc"):
        with suppress(OSError):  # it is no process, or has ended
            if wanted in Path("/proc", name, "environ").read_bytes().split(b"\0"):
                return False
    return True


def check_gone(directory: Path) -> None:
    """Check that workers end with their process, and that nothing is mounted.

    A worker that was just being started has the descriptors of its owner, until it is executed.
    """
    wait_until(lambda: is_gone(str(directory)), SECONDS, "the end of all processes")
    assert [info for info in mountinfo() if str(directory) in f"{info.mount_point} {info.super_options}"] == []


def check_data(root: Path, snapshots: int) -> None:
    """Check that the overlay snapshotter keeps the data of its snapshots alone.

    The start before did not remove what a kill during the very first call had left: while the metastore has no
    snapshots, it may have lost them.
    """
    data = root / "io.containerd.snapshotter.v1.overlayfs"

    def kept() -> tuple[int, int]:
        return len(os.listdir(data / "snapshots")), len(os.listdir(data / "trash"))

    wait_until(lambda: kept() == (snapshots, 0), SECONDS, "removed data is deleted")


def kill_import(directory: Path, archive: Path, steps: int, random: Random) -> None:
    """Import in a process of its own, and kill it a moment after any of its steps."""
    command = (sys.executable, "-m", "tests.support.images.importing", directory, archive)
    marked = environment() | {MARK: str(directory)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=marked) as process:
        assert process.stdout
        for _ in range(random.randint(0, steps)):
            process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(random.uniform(0, MOMENT))
        process.kill()
    check_gone(directory)


def test_an_import_into_a_host_of_its_own_is_finished_after_kills(expected: Expected, tmp_path: Path) -> None:
    random = Random(14)
    for number in range(ROUNDS):
        directory = tmp_path / str(number)
        directory.mkdir()
        for _ in range(2):
            kill_import(directory, expected.archive, expected.steps, random)
        with embedded(directory) as host:
            transfer: Transfer = host.get(PluginType.TRANSFER, "local")
            transfer.import_(str(expected.archive))
            snapshotter = host.get(PluginType.SNAPSHOTTER, "overlayfs").keyspace("images/default")
            expected.check(transfer, host.get(PluginType.CONTENT, "content"), snapshotter)
        with embedded(directory):
            check_data(directory / "root", len(expected.trees))
        check_gone(directory)


def kill_host(host: Host, archive: Path, seconds: float, random: Random) -> bool:
    """Import with a client, and kill the host within some seconds; return whether the import had not ended."""
    ended = threading.Event()

    def kill() -> None:
        ended.wait(random.uniform(0, seconds))
        host.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with host.client() as client:
            client.transfer().import_(str(archive))
    except (Unavailable, Canceled):
        is_cut = True
    else:
        is_cut = False
    ended.set()
    killer.join()
    check_gone(host.directory)
    return is_cut


def test_an_import_that_a_client_asks_for_is_finished_after_its_host_was_killed(
    expected: Expected, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """The command is repeated as a user types it, and the image mounted."""
    random, cut = Random(14), 0
    target = tmp_path / "target"
    target.mkdir()
    with short_directory() as short:
        for number in range(HOST_ROUNDS):
            directory = short / str(number)
            host = Host(directory, lamina=LAMINA, environment={MARK: str(directory)})
            with host.running():
                cut += kill_host(host, expected.archive, expected.seconds, random)
                host.start()
                finish(host, expected, target)
            check_gone(directory)
    tell(f"{cut} of {HOST_ROUNDS} imports were cut off by the end of the host")


def finish(host: Host, expected: Expected, target: Path) -> None:
    """Repeat the import, mount the image, and check what is there."""
    host.lamina("images", "import", str(expected.archive))
    host.lamina("images", "mount", IMAGE, str(target))
    mounted = without_times(read_tree(target))
    host.lamina("images", "unmount", str(target))
    assert mounted == without_times(expected.top)
    with host.client() as client:
        expected.check(client.transfer(), client.content(), client.snapshotter(SNAPSHOTTER))
    host.stop()
    host.start()
    check_data(host.root, len(expected.trees))
