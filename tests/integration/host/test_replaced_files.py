"""A process whose files are replaced, as by `pip install -U`, goes on with the code of its start, or refuses."""

from __future__ import annotations

import contextlib
import importlib.metadata
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import CommandFailed, environment
from tests.support.directories import short_directory
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import debian
from tests.support.listener.engines import open_channel
from tests.support.listener.methods import NO_ANSWER, failure, served_methods
from tests.support.metastores.changed import populate, set_aside
from tests.support.processes import scraping
from tests.support.processes.forked import printed
from tests.support.processes.hosts import Host
from tests.support.processes.installations import Environment, wheel
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

DEBUG = '[debug]\nlevel = "debug"\n'
ONE_PROCESS = '[plugins."io.containerd.differ.v1.walking"]\nprocesses = 0\n'
ONE_WORKER = '[plugins."io.containerd.differ.v1.walking"]\nprocesses = 1\n'
"""Of two workers, one may still be starting when the other one has done all work."""
OTHERS = '[plugins."io.containerd.grpc.v1.snapshots".aliases]\nother = "native"\n'
VERSION = importlib.metadata.version("lamina")
KEPT = "keeping the code of the start"
REPLACED = "lamina was replaced on disk after process "

LATE = {
    "late/__init__.py": "",
    "late/plugin.py": """
from lamina.plugin import Registration, hookimpl

class Late:
    def close(self):
        from late.closing import say
        say()

@hookimpl
def lamina_register():
    return [Registration(type="com.example.late.v1", id="late", init=lambda ic: Late())]
""",
    "late/closing.py": "import sys\n\ndef say():\n    print('closed with the old code', file=sys.stderr)\n",
}
"""A package whose plugin imports a module when it is closed."""

PROGRAM = """
import sys

from lamina.errdefs import FailedPrecondition
from lamina.host import Host
from lamina.lazy import keep_code
from lamina.plugin import PluginType

_, directory, image, processes, keeps = sys.argv
config = {"processes": int(processes)}
plugins = {"io.containerd.differ.v1.walking": config}
with Host.from_config({"root": f"{directory}/root", "state": f"{directory}/state", "plugins": plugins}) as host:
    transfer = host.get(PluginType.TRANSFER, "local")
    if keeps == "keeps":
        keep_code({"lamina"})
    else:
        transfer.import_(image, snapshotter="overlayfs")
    print("replace", flush=True)
    sys.stdin.readline()
    try:
        transfer.import_(image, snapshotter="native")
        print("imported")
    except FailedPrecondition as error:
        print(error)
"""
"""A program that imports an image with a host of its own, after its files were replaced."""

CHECK = """
import sys

from lamina.lazy import keep_code
from lamina.snapshots.storage import MetaStore
from lamina.store import _startup_checks

keep_code({"lamina"})
_startup_checks.SMALL = _startup_checks.LARGE = 0  # a child process checks each file
print("replace", flush=True)
sys.stdin.readline()
MetaStore.open(sys.argv[1]).close()
print("opened")
"""
"""A program that opens a metastore after its files were replaced."""

COMPARE = """
import contextlib, sys

from lamina.errdefs import FailedPrecondition
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount

written = []

def write(data):
    if not written:
        print("replace", flush=True)
        sys.stdin.readline()
    written.append(data)

lower, upper = ([Mount("bind", path, ("rbind", "ro"))] for path in sys.argv[1:])
with contextlib.closing(WorkerDiffer()) as differ:
    try:
        differ.compare(lower, upper, write)
    except FailedPrecondition as error:
        print(error)
"""
"""A program whose files are replaced while a worker process compares trees."""

UNKNOWN = "def main(*_):\n    print('a table of another version')\n    return 3\n"
"""A check to which the metastore is damaged."""


class Installation(Environment):
    """An installation of lamina whose modules can be replaced by others that note their import, and fail."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "venv", has_copy=True)
        self.log = directory / "imported"
        self.log.touch()

    def poison(self, *packages: str) -> None:
        """Replace all modules of packages, and the version of lamina."""
        source = (
            f"open({str(self.log)!r}, 'a').write(__name__ + '\\n')\nraise ImportError(f'{{__name__}} is new')\n"
        )
        for package in packages:
            self.replace(package, source)
        (metadata,) = self.packages.glob("lamina-*.dist-info/METADATA")
        metadata.write_text("Metadata-Version: 2.1\nName: lamina\nVersion: 9\n")

    @property
    def imported(self) -> list[str]:
        """The new modules that were imported."""
        return self.log.read_text().split()


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def installed(directory: Path) -> Installation:
    return Installation(directory)


@pytest.fixture
def image(directory: Path) -> Path:
    """A layout with an image of two layers."""
    layers = (layer({"etc": None, "etc/name": "base"}), layer({"top": "3"}))
    return write_directory(directory / "layout", debian(*layers))


@contextlib.contextmanager
def serving(directory: Path, installed: Installation, config: str) -> Iterator[Host]:
    """Run a host that has had the time to read its code."""
    with Host(directory / "host", DEBUG + config, lamina=installed.command).running() as host:
        wait_until(lambda: KEPT in host.stderr, 120, KEPT)
        yield host


def lamina(host: Host, *words: str | Path) -> str:
    """Run a command of the checkout against a host."""
    return printed(*words, env={"LAMINA_ADDRESS": host.address})


@pytest.mark.requires("docker-registry")
def test_a_host_answers_all_calls_with_the_code_of_its_start(
    directory: Path, installed: Installation, image: Path
) -> None:
    installed.install([wheel(directory, "late", LATE, "[lamina.plugins]\nlate = late.plugin\n")])
    (directory / "registry").mkdir()
    config = ONE_PROCESS + scraping.CONFIG
    with (
        DockerRegistry(directory / "registry").running() as registry,
        serving(directory, installed, config) as host,
    ):
        installed.poison("lamina", "late")
        lamina(host, "images", "import", image)
        lamina(host, "images", "push", "debian:12", f"{registry.host}/debian:12")
        lamina(host, "images", "pull", "--name", "copy", f"{registry.host}/debian:12")
        target = directory / "target"
        target.mkdir()
        lamina(host, "images", "mount", "--rw", "--key", "work", "debian:12", target)
        (target / "etc/name").write_text("changed")
        lamina(host, "images", "unmount", target)
        assert "etc/name" in lamina(host, "snapshots", "--snapshotter", "overlayfs/images/default", "diff", "work")
        lamina(host, "images", "commit", "work", "mine")
        lamina(host, "images", "config", "mine", "--as", "other", "--user", "nobody")
        lamina(host, "images", "export", "-o", directory / "mine.tar", "mine")
        lamina(host, "images", "unpack", "--snapshotter", "native", "mine")
        lamina(host, "leases", "create", "lease")
        lamina(host, "images", "df")
        lamina(host, "images", "why", "mine")
        lamina(host, "images", "rm", "mine")
        lamina(host, "images", "prune")
        lamina(host, "metastore", "backup", "--config", host.file, directory / "backup")
        with open_channel(host.address) as channel:
            failures = {(path, failure(channel, path, streams=streams)) for path, streams in served_methods()}
        assert [one for one in failures if one[1] and one[1][0] in NO_ANSWER] == []
        assert [*scraping.numbers(scraping.url_in(host.stderr), "lamina_build_info", "version")] == [(VERSION,)]
        host.configure(DEBUG + config + OTHERS)
        host.reload()
        lamina(host, "snapshots", "--snapshotter", "other", "ls")
        host.send(signal.SIGUSR1)
    assert "closed with the old code" in host.stderr
    assert (installed.imported, " is new" in host.stderr) == ([], False)


def test_a_host_asks_to_be_restarted_before_worker_processes_run_other_code_than_it(
    directory: Path, installed: Installation, image: Path
) -> None:
    with serving(directory, installed, ONE_WORKER) as host:
        lamina(host, "images", "import", image)  # leaves a worker, which may import more later
        installed.poison("lamina")
        with pytest.raises(CommandFailed, match=f"{REPLACED}{host.pid} had started.*restart process {host.pid}"):
            lamina(host, "images", "unpack", "--snapshotter", "native", "debian:12")
        assert host.stop() == 0
        installed.copy()
        host.start()
        lamina(host, "images", "unpack", "--snapshotter", "native", "debian:12")
    assert installed.imported == []


def printed_by(installed: Installation, program: str, *arguments: str | Path, source: str = "") -> str:
    """Run a program, and replace its files when it says so; returns what it printed then.

    Args:
        installed: What it runs.
        program: Its source.
        arguments: Its arguments.
        source: The source of the new modules; empty: they fail.
    """
    command = [installed.python, "-c", program, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "replace\n"
        if source:
            installed.replace("lamina", source)
        else:
            installed.poison("lamina")
        return process.communicate("\n", timeout=240)[0]


def test_a_program_that_keeps_the_code_goes_on_with_it(
    directory: Path, installed: Installation, image: Path
) -> None:
    assert printed_by(installed, PROGRAM, directory, image, "0", "keeps") == "imported\n"
    assert installed.imported == []


def test_a_program_is_asked_to_be_restarted_before_its_worker_processes_run_other_code(
    directory: Path, installed: Installation, image: Path
) -> None:
    assert REPLACED in printed_by(installed, PROGRAM, directory, image, "1", "does not")
    assert installed.imported == []


def test_the_answer_of_a_worker_process_that_may_have_imported_other_code_does_not_count(
    tmp_path: Path, installed: Installation
) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    upper.mkdir()
    (upper / "file").write_text("content")
    assert REPLACED in printed_by(installed, COMPARE, lower, upper)


def test_a_check_of_the_metastore_by_other_code_does_not_count(tmp_path: Path, installed: Installation) -> None:
    populate(tmp_path)
    assert printed_by(installed, CHECK, tmp_path / "metastore", source=UNKNOWN) == "opened\n"
    assert set_aside(tmp_path) == []
