"""`lamina serve` as a process: start, readiness, signals, and every way not to start. No built-in plugins."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from serving import COMMAND, Serving, short_directory
from waiting import wait_until

from lamina.config import from_document
from lamina.host import Host

PLUGINS = """
import os, socket, threading, time
from lamina.context import current
from lamina.plugin import Registration, SkipPlugin, hookimpl

def note(text):
    with open({log!r}, "a") as log:
        log.write(text + "\\n")

def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.connect("\\0" + os.environ["NOTIFY_SOCKET"][1:])
        manager.send(text.encode())

class Closable:
    def __init__(self, name):
        self.name = name
        note("init " + name)
    def start(self):
        note("start " + self.name)
    def close(self):
        note("close " + self.name)

def plugin(uri, init=None, **fields):
    type, _, id = uri.rpartition(".")
    return Registration(type=type, id=id, init=init or (lambda ic: Closable(id)), **fields)

def fail(ic):
    raise ValueError("cable cut")

def skip(ic):
    raise SkipPlugin("no tape here")

@hookimpl
def lamina_register():
    return [{registrations}]
"""

SERVER = 'plugin("io.containerd.server.v1.door")'
"""Without any server there is nothing to serve."""


class Workshop:
    """Starts hosts with plugins of the test's own, and keeps what they note."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "config.toml"
        self.started: list[Serving] = []

    def notes(self) -> list[str]:
        log = self.directory / "notes"
        return log.read_text().splitlines() if log.exists() else []

    def serve(
        self,
        *registrations: str,
        code: str = "",
        config: str = "",
        arguments: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Serving:
        """Start `lamina serve` with these registrations, each a Python expression."""
        source = PLUGINS.format(log=str(self.directory / "notes"), registrations=", ".join(registrations))
        (self.directory / "workshop_plugins.py").write_text(source + textwrap.dedent(code))
        self.configure(config)
        serving = Serving(
            self.directory,
            *("--config", str(self.file), "-p", "workshop_plugins", *arguments),
            environment={"PYTHONPATH": str(self.directory), **(environment or {})},
        )
        self.started.append(serving)
        return serving

    def configure(self, config: str) -> None:
        """Write the configuration file."""
        self.file.write_text(f'version = 4\ndisabled_distributions = ["lamina"]\n{config}')


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with short_directory() as directory:
        workshop = Workshop(directory)
        yield workshop
        for serving in workshop.started:
            serving.close()


def assert_refused(serving: Serving, *expected: str) -> None:
    """The process ends with status 1 and a message on one line, after which nothing comes."""
    assert serving.wait() == 1, serving.stderr
    message = serving.stderr.splitlines()[-1]
    assert message.startswith("lamina: ")
    for text in expected:
        assert text in message
    assert "\nTraceback" not in f"\n{serving.stderr}"
    assert f"\n{serving.stderr}".count("\nlamina: ") == 1
    assert serving.stdout == ""


def isolated(directory: Path) -> tuple[str, ...]:
    """Arguments for a host without any plugin."""
    file = directory / "config.toml"
    file.write_text('version = 4\ndisabled_distributions = ["lamina"]\n')
    return ("--config", str(file))


# What it says


def test_when_it_is_ready_the_plugins_have_been_printed_with_status_time_and_reason(workshop: Workshop) -> None:
    serving = workshop.serve(
        SERVER,
        'plugin("x.line.v1.cable", fail)',
        'plugin("x.tape.v1.tape", skip)',
        'plugin("x.user.v1.phone", requires=("x.line.v1",))',
    ).wait_ready()
    header, *rows = [line.split(None, 3) for line in serving.stdout.split("\n\n")[0].splitlines()]
    assert header == ["PLUGIN", "STATUS", "MS", "REASON"]
    assert [(row[0], row[1], *row[3:]) for row in rows] == [
        ("io.containerd.server.v1.door", "ok"),
        ("x.line.v1.cable", "failed", "ValueError: cable cut"),
        ("x.tape.v1.tape", "skipped", "no tape here"),
        ("x.user.v1.phone", "blocked", "blocked by x.line.v1.cable: ValueError: cable cut"),
    ]
    assert all(float(row[2]) >= 0 for row in rows)
    assert serving.stop() == 0


ADDRESSED = """
    import attrs
    @attrs.frozen
    class Door:
        address: str = ""
    class Service:
        service = None
    def serve_snapshots(ic):
        ic.meta.exports.update({exports})
        return Service()
"""
"""A listener and a snapshots service that do nothing."""


def addressed(workshop: Workshop, address: Path, **exports: str) -> str:
    """What is printed below the table of a host whose snapshots service exports that."""
    serving = workshop.serve(
        'plugin("io.containerd.server.v1.grpc", config=Door)',
        'plugin("io.containerd.grpc.v1.snapshots", serve_snapshots)',
        code=ADDRESSED.format(exports=exports),
        arguments=("--address", str(address)),
    ).wait_ready()
    assert serving.stop() == 0
    return serving.stdout.split("\n\n", 1)[1]


@pytest.mark.parametrize("name", ["lamina", "two words"])
def test_it_prints_the_socket_and_what_to_type_next(workshop: Workshop, name: str) -> None:
    address = workshop.directory / "my.sock"
    steps = addressed(workshop, address, snapshotter=name)
    assert f"Serving on {address}\n" in steps
    assert f"  lamina plugins ls -a {address}\n" in steps
    assert f"  ctr -a {address} snapshots --snapshotter {shlex.quote(name)} ls\n" in steps
    stanza = tomllib.loads(textwrap.dedent(steps[steps.index("  [proxy_plugins") :]))
    assert stanza == {"proxy_plugins": {name: {"type": "snapshot", "address": str(address)}}}


def test_where_no_snapshotter_has_a_name_that_works_nothing_is_told_of_them(workshop: Workshop) -> None:
    steps = addressed(workshop, workshop.directory / "my.sock")
    assert "  lamina plugins ls -a " in steps
    assert "ctr" not in steps
    assert "proxy_plugins" not in steps


def test_it_logs_how_long_the_start_took(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, arguments=("--log-level", "info")).wait_ready()
    assert serving.stop() == 0
    assert 'level=info msg="loading plugin" id=door type=io.containerd.server.v1' in serving.stderr
    assert re.search('level=info msg="loaded plugin" id=door milliseconds=[0-9.]+ status=ok type=', serving.stderr)
    assert 'msg="lamina successfully booted in 0.' in serving.stderr


def test_the_log_level_is_the_configurations(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='[debug]\nlevel = "error"\n').wait_ready()
    assert serving.stop() == 0
    assert serving.stderr == ""


def test_with_the_format_json_every_line_of_the_log_is_an_object(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='[debug]\nformat = "json"\n').wait_ready()
    assert serving.stop() == 0
    records = {record["msg"]: record for record in map(json.loads, serving.stderr.splitlines())}
    assert records["loaded plugin"]["status"] == "ok"
    assert isinstance(records["loaded plugin"]["milliseconds"], float)


def test_a_reader_of_stdout_that_went_away_does_not_end_the_host(workshop: Workshop) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    serving = Serving(workshop.directory, *isolated(workshop.directory), stdout=writer)
    os.close(writer)
    workshop.started.append(serving)
    serving.wait_ready()
    assert serving.stop() == 0
    assert "cannot print the plugins" in serving.stderr


def test_closed_standard_streams_are_not_taken_for_the_hosts_files(workshop: Workshop) -> None:
    """Where one is closed, the lock would become the standard output, and what is printed written into it."""
    serving = Serving(
        workshop.directory, *isolated(workshop.directory), prefix=("sh", "-c", 'exec "$@" <&- >&- 2>&-', "-")
    )
    workshop.started.append(serving)
    serving.wait_ready()
    assert (serving.root / "lamina.lock").read_text() == f"{serving.process.pid}\n"
    assert serving.stop() == 0


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_closes_the_plugins_in_reverse_order(
    workshop: Workshop, number: signal.Signals
) -> None:
    serving = workshop.serve('plugin("x.a.v1.roof", requires=("x.b.v1",))', 'plugin("x.b.v1.floor")', SERVER)
    serving.wait_ready().send(number).wait_for("STOPPING=1")
    assert serving.wait() == 0
    assert workshop.notes() == [
        "init floor", "init roof", "init door", "start door", "close door", "close roof", "close floor",
    ]  # fmt: skip


def test_a_signal_while_a_plugin_is_initialised_calls_the_start_off(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.floor")',
        'plugin("x.a.v1.slow", wait_until_cancelled)',
        SERVER,
        code="""
            def wait_until_cancelled(ic):
                tell("X_WAITING=1")
                while True:
                    current().check()
                    time.sleep(0.01)
        """,
    )
    serving.wait_for("X_WAITING=1").send(signal.SIGTERM)
    assert serving.wait() == 0
    assert workshop.notes() == ["init floor", "close floor"]
    assert not any("READY=1" in one for one in serving.notifications)


def test_a_second_signal_ends_it_at_once_even_if_a_plugin_never_returns(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.stuck", wait_for_ever)',
        code="""
            def wait_for_ever(ic):
                tell("X_WAITING=1")
                threading.Event().wait()
        """,
    )
    serving.wait_for("X_WAITING=1").send(signal.SIGINT).wait_for("STOPPING=1").send(signal.SIGTERM)
    assert serving.wait() == 128 + signal.SIGTERM


def test_a_second_signal_ends_it_at_once_while_a_plugin_is_closed(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.stuck", lambda ic: Stuck())',
        code="""
            class Stuck:
                def close(self):
                    tell("X_CLOSING=1")
                    threading.Event().wait()
        """,
    )
    serving.wait_ready().send(signal.SIGTERM).wait_for("X_CLOSING=1").send(signal.SIGTERM)
    assert serving.wait() == 128 + signal.SIGTERM


def test_it_exits_without_a_thread_that_a_plugin_left_running(workshop: Workshop) -> None:
    serving = workshop.serve(
        'plugin("x.a.v1.careless", start_thread)',
        code="""
            def start_thread(ic):
                threading.Thread(target=threading.Event().wait, name="forgotten", daemon=False).start()
                return object()
        """,
    )
    assert serving.wait_ready().stop() == 0
    assert "forgotten" in serving.stderr.splitlines()[-1]


def test_sigusr1_writes_the_stack_of_every_thread_and_stops_nothing(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER).wait_ready().send(signal.SIGUSR1)
    assert serving.stop() == 0
    assert "most recent call first" in serving.stderr


BUSY = """
    def work(depth=0):
        eval(f"sum(one for one in range({depth}))")  # code that is made and thrown away
        for _ in range(2 if 0 < depth < 12 else 0):
            work(depth + 1)
        while depth == 0:
            work(1)
    def start_working(ic):
        threading.Thread(target=work, daemon=True).start()
        return object()
"""


def test_the_stacks_of_a_busy_host_can_be_asked_for_again_and_again(workshop: Workshop) -> None:
    """Whoever reads the frames of a thread that runs reads what is just then changed: that would be a crash."""
    serving = workshop.serve(SERVER, 'plugin("x.a.v1.busy", start_working)', code=BUSY).wait_ready()
    for number in range(1, 101):
        serving.send(signal.SIGUSR1)
        wait_until(lambda n=number: serving.stderr.count("in _hear") >= n, 30, f"dump {number}")
    assert serving.stop() == 0


def test_a_crash_writes_the_stack_of_every_thread(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER).wait_ready()
    assert serving.send(signal.SIGABRT).wait() == -signal.SIGABRT
    assert serving.stderr.count("most recent call first") > 1


# Reload


LAMP = """
    import attrs
    @attrs.frozen
    class Lamp:
        level: int = 1
        socket: str = "E27"
    class Light:
        def __init__(self, ic):
            self.reconfigure(ic.config)
        def reconfigure(self, config):
            note("level " + str(config.level))
            {then}
"""
"""A plugin whose level can change."""

LIT = (SERVER, 'plugin("x.a.v1.lamp", Light, config=Lamp, live=("level",))')


def lamp(**settings: object) -> str:
    """The lamp's table."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(['[plugins."x.a.v1.lamp"]', *lines, ""])


def levels(workshop: Workshop) -> list[str]:
    """What the lamp was set to, one after the other."""
    return [note.removeprefix("level ") for note in workshop.notes() if note.startswith("level ")]


def reload(serving: Serving) -> None:
    """Send SIGHUP, and wait until the host is ready again."""
    serving.notifications.clear()
    serving.send(signal.SIGHUP).wait_ready()


def test_sighup_changes_what_is_live_and_tells_what_needs_a_restart_again_and_again(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="")).wait_ready()
    workshop.configure(lamp(level=2, socket="E14"))
    reload(serving)
    reloading, ready = serving.notifications
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=Reloading the configuration", reloading)
    assert ready == "READY=1\nSTATUS=Serving"
    reload(serving)
    assert serving.stop() == 0
    assert levels(workshop) == ["1", "2"]
    told = [line.partition(" level=")[2] for line in serving.stderr.splitlines() if "restart" in line]
    needs_restart = (
        r'warning msg="not changed while lamina runs: restart it to have it so"'
        r' key="plugins.\"x.a.v1.lamp\".socket"'
    )
    assert told == [needs_restart] * 2
    assert r'msg="reloaded configuration" changed="plugins.\"x.a.v1.lamp\".level"' in serving.stderr


def test_the_level_and_format_of_the_log_change_at_once(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='[debug]\nlevel = "error"\n').wait_ready()
    workshop.configure('[debug]\nlevel = "info"\nformat = "json"\n')
    reload(serving)
    assert serving.stop() == 0
    reloaded, *stopped = map(json.loads, serving.stderr.splitlines())
    assert (reloaded["msg"], reloaded["changed"]) == ("reloaded configuration", "debug.level, debug.format")
    assert "received signal" in {record["msg"] for record in stopped}


def test_options_and_variables_of_the_start_win_over_the_file_at_a_reload_too(workshop: Workshop) -> None:
    serving = workshop.serve(
        SERVER, arguments=("--state", str(workshop.directory / "state")), environment={"LAMINA_LOG_LEVEL": "info"}
    ).wait_ready()
    workshop.configure('state = "/elsewhere"\n[debug]\nlevel = "error"\n')
    reload(serving)
    assert serving.stop() == 0
    assert 'msg="reloaded configuration" changed=""\n' in serving.stderr
    assert "restart" not in serving.stderr


def test_a_wrong_file_changes_nothing_and_each_problem_is_a_line_of_the_log(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="")).wait_ready()
    workshop.configure('temp = 5\n[debug]\nlevel = "error"\n' + lamp(level="bright"))
    reload(serving)
    workshop.file.unlink()
    reload(serving)
    assert serving.stop() == 0
    errors = [line.partition(" error=")[2] for line in serving.stderr.splitlines() if "not reloaded" in line]
    assert len(errors) == 3
    for error, text in zip(errors, ("temp: ", "level: expected a whole number", "cannot be read"), strict=True):
        assert text in error
    assert "received signal" in serving.stderr, "the log level is the old one"
    assert levels(workshop) == ["1"]


def test_a_plugin_that_refuses_is_told_with_its_traceback_and_the_host_goes_on(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="config.level < 2 or fail(config)")).wait_ready()
    workshop.configure(lamp(level=2))
    reload(serving)
    assert serving.stop() == 0
    (line,) = [line for line in serving.stderr.splitlines() if "old configuration" in line]
    assert 'error="cable cut" plugin=x.a.v1.lamp traceback=' in line


WAITS_FOR_THE_TEST = """
    def wait_for_the_test(ic):
        tell("X_WAITING=1")
        while not (ic.state.parent / "go").exists():
            time.sleep(0.01)
        return object()
"""


def test_sighup_during_the_start_is_obeyed_when_that_has_ended(workshop: Workshop) -> None:
    serving = workshop.serve(
        *LIT, 'plugin("x.b.v1.slow", wait_for_the_test)', code=LAMP.format(then="") + WAITS_FOR_THE_TEST
    ).wait_for("X_WAITING=1")
    workshop.configure(lamp(level=2))
    serving.send(signal.SIGHUP)
    (serving.state / "go").touch()
    serving.wait_for("RELOADING=1")
    assert [one for one in serving.notifications if one.startswith("READY=1")] == ["READY=1\nSTATUS=Serving"]
    reload(serving)
    assert serving.stop() == 0
    assert levels(workshop) == ["1", "2"]


def test_many_signals_to_reload_do_no_harm_and_the_last_file_holds(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="")).wait_ready()
    for level in range(2, 50):
        workshop.configure(lamp(level=level))
        serving.send(signal.SIGHUP)
    while levels(workshop)[-1] != "49":
        reload(serving)
    assert serving.stop() == 0
    tokens = [one.split("=")[0] for one in serving.notifications]
    assert all(one != two for one, two in itertools.pairwise(tokens)), "RELOADING and READY take turns"


@pytest.mark.parametrize("where", ["the file is read", "a plugin is reconfigured"])
def test_a_signal_while_a_reload_hangs_stops_the_host(workshop: Workshop, where: str) -> None:
    stuck = 'config.level < 2 or (tell("X_STUCK=1"), threading.Event().wait())'
    timeouts = '[timeouts]\n"io.lamina.timeout.plugin.close" = "100ms"\n'
    serving = workshop.serve(*LIT, code=LAMP.format(then=stuck), config=timeouts).wait_ready()
    if where == "the file is read":
        workshop.file.unlink()
        os.mkfifo(workshop.file)
        serving.send(signal.SIGHUP).wait_for("RELOADING=1")
    else:
        workshop.configure(timeouts + lamp(level=2))
        serving.send(signal.SIGHUP).wait_for("X_STUCK=1")
    assert serving.stop() == 0
    assert workshop.notes()[-1] == "close door"


# The watchdog


def test_the_watchdog_is_told_from_the_moment_the_host_is_ready(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, environment={"WATCHDOG_USEC": "20000"}).wait_ready()
    assert "WATCHDOG=1" not in serving.notifications
    for _ in range(3):
        serving.notifications.clear()
        serving.wait_for("WATCHDOG=1")
    assert serving.stop() == 0


def test_the_watchdog_of_another_process_is_not_told(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, environment={"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).wait_ready()
    reload(serving)
    assert serving.send(signal.SIGTERM).wait_for("STOPPING=1").wait() == 0
    assert "WATCHDOG=1" not in serving.notifications


HOLDS_THE_LOCK = """
    import ctypes
    class Greedy:
        def reconfigure(self, config):
            usleep = ctypes.PyDLL(None).usleep  # calls of a PyDLL keep the lock
            tell("X_HOLDING=1")
            usleep(500_000)
            tell("X_HELD=1")
"""


def test_the_watchdog_is_not_told_while_something_holds_the_interpreter_lock(workshop: Workshop) -> None:
    serving = workshop.serve(
        SERVER,
        'plugin("x.a.v1.greedy", lambda ic: Greedy(), config=Lamp, live=("level",))',
        code=LAMP.format(then="") + HOLDS_THE_LOCK,
        environment={"WATCHDOG_USEC": "20000"},
    ).wait_ready()
    workshop.configure('[plugins."x.a.v1.greedy"]\nlevel = 2\n')
    serving.send(signal.SIGHUP).wait_for("X_HELD=1")
    tokens = serving.notifications
    between = tokens[tokens.index("X_HOLDING=1") + 1 : tokens.index("X_HELD=1")]
    assert between.count("WATCHDOG=1") <= 2, "one on each side, where the lock is not held yet, or not any more"
    serving.notifications.clear()
    serving.wait_for("WATCHDOG=1")
    assert serving.stop() == 0


# Ways not to start


def test_a_missing_configuration_file(workshop: Workshop) -> None:
    serving = workshop.serve(arguments=("--config", "/no/such/file.toml"))
    assert_refused(serving, "/no/such/file.toml", "No such file")


def test_a_configuration_file_that_is_not_toml(workshop: Workshop) -> None:
    assert_refused(workshop.serve(config="[debug\n"), f"{workshop.directory}/config.toml:3")


def test_a_value_of_the_wrong_kind(workshop: Workshop) -> None:
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


def test_a_flag_of_the_wrong_kind(workshop: Workshop) -> None:
    assert_refused(workshop.serve(arguments=("--log-level", "loud")), "--log-level", '"trace"', '"loud"')


def test_a_wrong_value_in_a_plugins_table(workshop: Workshop) -> None:
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


def test_a_required_plugin_that_is_not_installed(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='required_plugins = ["x.a.v1.b"]\n')
    assert_refused(serving, "required plugin x.a.v1.b is not installed")


def test_a_server_whose_address_is_in_use(workshop: Workshop) -> None:
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


def test_a_root_that_another_process_has_locked(workshop: Workshop) -> None:
    paths = {"root": str(workshop.directory / "root"), "state": str(workshop.directory / "other")}
    with Host(from_document({**paths, "disabled_distributions": ["lamina"]})):
        assert_refused(workshop.serve(SERVER), "root/lamina.lock", f"locked by process {os.getpid()}")


def test_a_root_that_may_not_be_made(workshop: Workshop) -> None:
    # Nobody may make a directory there, root included.
    serving = workshop.serve(SERVER, arguments=("--root", "/sys/lamina"))
    assert_refused(serving, "/sys/lamina", "run as root, or set another root")


def test_root_and_state_at_the_same_place(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, arguments=("--root", "/x", "--state", "/x"))
    assert_refused(serving, "root and state must be different paths")


def test_a_plugin_module_that_does_not_exist(workshop: Workshop) -> None:
    assert_refused(workshop.serve(SERVER, arguments=("-p", "no_such_module")), "no_such_module", "PYTHONPATH")


def test_an_argument_that_it_does_not_know_is_a_usage_error() -> None:
    done = subprocess.run([*COMMAND, "--frob"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--frob" in done.stderr
