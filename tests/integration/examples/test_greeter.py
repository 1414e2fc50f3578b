"""The greeter example, installed without the dependencies of snapshotters."""

from __future__ import annotations

import ast
import os
import re
import shutil
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.support.commands import environment, run
from tests.support.ports import reserved_port
from tests.support.processes.daemons import Daemon

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "examples/greeter"
NEEDED = ("attrs", "pluggy", "tomli")
"""The dependencies of lamina's plugin runtime."""
NOT_NEEDED = ("grpc", "pygrpc_native", "google.protobuf", "lmdb", "re2", "click", "rich", "tomlkit", "tomli_w")
SECONDS = 60

pytestmark = [
    pytest.mark.requires("package-index", "curl"),
    pytest.mark.timeout(900),  # one of them fetches packages for all
]


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with only lamina, the greeter and their dependencies."""
    directory = tmp_path_factory.mktemp("greeter")
    source, wheels, made = (directory / name for name in ("source", "wheels", "environment"))
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))  # which other tests write
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT, source)
    venv.create(made, symlinks=True)
    install = (*pip, "--python", made / "bin/python", "install")
    run(*install, "--no-deps", *wheels.iterdir())
    run(*install, *NEEDED, "pytest")
    return made / "bin"


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


class GreeterDaemon(Daemon):
    """`greeter serve` with an additional plugin module."""

    def __init__(self, directory: Path, binaries: Path, port: int, module: str = "") -> None:
        file = directory / "greeter.toml"
        file.write_text(
            f'version = 4\nroot = "{directory}/root"\nstate = "{directory}/state"\n'
            f'[plugins."io.containerd.server.v1.http"]\nport = {port}\n'
        )
        (directory / "more.py").write_text(module)
        super().__init__(directory, binaries / "greeter", "serve", *(("-p", "more") if module else ()), file)


def test_the_wheel_of_lamina_contains_unit_file_and_configuration(binaries: Path) -> None:
    for example in ("systemd/lamina.service", "config.toml"):
        installed = binaries.parent / "share/lamina" / Path(example).name
        assert installed.read_text() == (ROOT / "examples" / example).read_text()


def test_it_runs_without_grpc_and_lmdb(binaries: Path) -> None:
    code = f"""
import importlib
for name in {NOT_NEEDED}:
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    print(name)
"""
    assert run(binaries / "python", "-c", code) == ""


def test_it_uses_only_three_packages_of_lamina() -> None:
    tree = ast.parse((PACKAGE / "greeter.py").read_text())
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    used = {module for module in modules if module.startswith("lamina")}
    assert used == {"lamina.config", "lamina.host", "lamina.plugin"}


def test_its_own_tests_pass(binaries: Path, tmp_path: Path) -> None:
    command = (binaries / "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/temporary")
    assert " 3 passed" in run(*command, f"--rootdir={PACKAGE}", PACKAGE / "tests")


def test_the_commands_of_its_readme_work(binaries: Path, tmp_path: Path, port: int) -> None:
    with Session(binaries, tmp_path) as session:
        for command, expected in console((PACKAGE / "README.md").read_text(), tmp_path, port):
            session.type(command, expected)


def test_plugins_are_closed_in_reverse_order(
    binaries: Path, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module = """
from lamina.plugin import PluginType, Registration, hookimpl

class Closing(str):
    def start(self):
        print(f"{self} is started", flush=True)
    def close(self):
        print(f"{self} is closed", flush=True)

@hookimpl
def lamina_register():
    for type, *requires in ((PluginType.SERVER, "guest.v1"), ("guest.v1", "com.example.greeter.v1"),
                            ("com.example.greeting.v1",)):
        init = lambda ic, type=type: Closing(type)
        yield Registration(type=type, id="closing", requires=tuple(requires), init=init)
"""
    with GreeterDaemon(tmp_path, binaries, port, module).running() as daemon:
        assert run("curl", "-s", f"http://127.0.0.1:{port}/Ada?closing") == "com.example.greeting.v1\n"
    steps = [line for line in daemon.stdout.splitlines() if "is started" in line or "is closed" in line]
    server, guest, greeting = "io.containerd.server.v1", "guest.v1", "com.example.greeting.v1"
    assert steps == [f"{server} is started", *(f"{name} is closed" for name in (server, guest, greeting))]


def test_it_hosts_only_its_own_plugins(binaries: Path, tmp_path: Path, port: int) -> None:
    with GreeterDaemon(tmp_path, binaries, port).running() as daemon:
        assert sorted(os.listdir(tmp_path / "root")) == ["lamina.lock"]
    loaded = re.findall(r'msg="loaded plugin" id=(\S+)', daemon.stderr)
    assert sorted(loaded) == ["english", "french", "greeter", "http"]
    assert 'msg="greeter successfully booted in ' in daemon.stderr


def test_a_port_in_use_is_reported_in_one_line(binaries: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon = GreeterDaemon(tmp_path, binaries, taken.getsockname()[1])
        with pytest.raises(ChildProcessError, match="exit code 1"), daemon.running():
            pass
    last = daemon.stderr.splitlines()[-1]
    assert re.fullmatch(r"greeter: start io\.containerd\.server\.v1\.http: OSError: .*in use.*", last)


def console(readme: str, directory: Path, port: int) -> Iterator[tuple[str, str]]:
    """Yield each command of the README and its output, adapted to a directory and a port."""
    readme = readme.replace("8080", str(port)).replace("/tmp/greeter", str(directory))
    for block in re.findall(r"^```console\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            typed = re.match(r".*<<'END'\n[\s\S]*?\nEND\n|.*\n", step)
            assert typed
            if not typed[0].startswith("pip "):  # was done, with less
                yield typed[0].strip(), step[typed.end() :]


class Session:
    """A shell session with at most one background command."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self._directory = directory
        self._environment = environment() | {"PATH": f"{binaries}:{os.environ['PATH']}"}
        self._background: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._background:
            self._background.kill()
            self._background.communicate()

    def type(self, command: str, expected: str) -> None:
        """Type a command and check its output."""
        if command == "kill %1":
            assert self._background
            self._background.terminate()
            output, _ = self._background.communicate(timeout=SECONDS)
            assert (self._background.returncode, output) == (0, expected)
        elif command.endswith("&"):
            self._background = self._start(f"exec env {command.removesuffix('&')}")
            assert self._background.stdout
            assert self._background.stdout.readline() == expected
        else:
            output, _ = self._start(command.replace("curl ", "curl -s ")).communicate(timeout=SECONDS)
            assert output == expected, command

    def _start(self, command: str) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(
            ["bash", "-c", command], cwd=self._directory, env=self._environment, text=True, **pipes
        )
