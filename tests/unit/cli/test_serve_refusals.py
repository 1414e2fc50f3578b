"""Start failures of `lamina serve`, without built-in plugins."""

from __future__ import annotations

import os
import subprocess

import pytest

from lamina.config import from_document
from lamina.host import Host
from tests.support.processes.daemons import Daemon
from tests.support.processes.hosts import LAMINA
from tests.support.processes.workshops import SERVER, Workshop


def assert_refused(serving: Daemon, *expected: str) -> None:
    """Check that the process ends with status 1 and a message in one last line."""
    assert serving.wait() == 1, serving.stderr
    message = serving.stderr.splitlines()[-1]
    assert message.startswith("lamina: ")
    for text in expected:
        assert text in message
    assert "\nTraceback" not in f"\n{serving.stderr}"
    assert f"\n{serving.stderr}".count("\nlamina: ") == 1
    assert serving.stdout == ""


def test_a_missing_configuration_file_is_refused(workshop: Workshop) -> None:
    serving = workshop.serve(arguments=("--config", "/no/such/file.toml"))
    assert_refused(serving, "/no/such/file.toml", "No such file")


def test_a_configuration_file_that_is_not_toml_is_refused_with_its_line(workshop: Workshop) -> None:
    assert_refused(workshop.serve(config="[debug\n"), f"{workshop.directory}/config.toml:3")


def test_a_value_of_the_wrong_kind_is_refused_with_its_line(workshop: Workshop) -> None:
    assert_refused(workshop.serve(config="imports = 5\n"), "config.toml:3: imports: expected an array")


def test_each_problem_of_a_configuration_is_on_a_line_of_its_own(workshop: Workshop) -> None:
    serving = workshop.serve(config='temp = 5\n[debug]\nlevel = "loud"\n')
    assert serving.wait() == 1
    assert [line.split(": ")[:3] for line in serving.stderr.splitlines()] == [
        ["lamina", f"{workshop.directory}/config.toml:3", "temp"],
        ["lamina", f"{workshop.directory}/config.toml:5", "debug.level"],
    ]


FLOOR = "import attrs\n@attrs.frozen\nclass Floor:\n    area: int = 1\n"


def test_mistakes_of_the_top_level_do_not_hide_those_in_plugins_tables_and_nothing_is_made(
    workshop: Workshop,
) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.floor", config=Floor)',
        code=FLOOR,
        config='temp = 5\n[plugins."x.a.v1.floor"]\narea = "wide"\n',
        arguments=("--log-level", "loud"),
    )
    assert serving.wait() == 1
    assert [line.split(": ")[1:3] for line in serving.stderr.splitlines()] == [
        [f"{workshop.directory}/config.toml:3", "temp"],
        [f"{workshop.directory}/config.toml:5", 'plugins."x.a.v1.floor".area'],
        ["--log-level", "debug.level"],
    ]
    assert not serving.root.exists()
    assert not serving.state.exists()


def test_a_flag_of_the_wrong_kind_is_refused(workshop: Workshop) -> None:
    assert_refused(workshop.serve(arguments=("--log-level", "loud")), "--log-level", '"trace"', '"loud"')


def test_a_wrong_value_in_a_plugins_table_is_refused_with_its_line(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.floor", config=Floor)',
        code=FLOOR,
        config='[plugins."x.a.v1.floor"]\narea = "wide"\n',
    )
    assert_refused(serving, 'config.toml:4: plugins."x.a.v1.floor".area: expected a whole number')


def test_a_required_plugin_that_fails_closes_the_others(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.floor")',
        'plugin("x.line.v1.cable", fail)',
        'plugin("x.user.v1.phone", requires=("x.line.v1",))',
        config='required_plugins = ["x.user.v1.phone"]\n',
    )
    assert_refused(
        serving, "load required plugin x.user.v1.phone: blocked by x.line.v1.cable: ValueError: cable cut"
    )
    assert workshop.notes() == ["init floor", "close floor"]


def test_a_required_plugin_that_is_not_installed_ends_the_start(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='required_plugins = ["x.a.v1.b"]\n')
    assert_refused(serving, "required plugin x.a.v1.b is not installed")


def test_a_server_whose_address_is_in_use_ends_the_start(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("io.containerd.server.v1.door", lambda ic: Door("door"))',
        code="""
            class Door(Closable):
                def start(self):
                    raise OSError(98, "Address already in use", "/run/door.sock")
        """,
    )
    assert_refused(serving, "start io.containerd.server.v1.door: ", "Address already in use")
    assert workshop.notes() == ["init door", "close door"]


def test_a_root_that_another_process_has_locked_is_refused(workshop: Workshop) -> None:
    paths = {"root": str(workshop.directory / "root"), "state": str(workshop.directory / "other")}
    with Host(from_document({**paths, "disabled_distributions": ["lamina"]})):
        assert_refused(workshop.serve(SERVER), "root/lamina.lock", f"locked by process {os.getpid()}")


def test_a_root_that_cannot_be_created(workshop: Workshop) -> None:
    # Nobody may make a directory there, root included.
    serving = workshop.serve(SERVER, arguments=("--root", "/sys/lamina"))
    assert_refused(serving, "/sys/lamina", "run as root, or set another root")


@pytest.mark.parametrize("name", ["root", "state"])
def test_a_directory_that_is_a_file(workshop: Workshop, name: str) -> None:
    (workshop.directory / "file").touch()
    serving = workshop.serve(SERVER, arguments=(f"--{name}", f"{workshop.directory}/file"))
    assert_refused(serving, f"make the {name} directory: ", f"file: Not a directory; set another {name}")


def test_root_and_state_in_the_same_directory(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, arguments=("--root", "/x", "--state", "/x"))
    assert_refused(serving, "root and state must be different paths")


def test_a_plugin_module_that_does_not_exist_is_refused_with_the_remedy(workshop: Workshop) -> None:
    assert_refused(workshop.serve(SERVER, arguments=("-p", "no_such_module")), "no_such_module", "PYTHONPATH")


def test_an_unknown_argument_is_a_usage_error() -> None:
    done = subprocess.run([*LAMINA, "serve", "--frob"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--frob" in done.stderr
