"""SIGHUP and the watchdog of the service manager, without built-in plugins."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal

import pytest

from tests.support.processes.hosts import Host
from tests.support.processes.workshops import SERVER, Workshop

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
    """Return the successive settings of the lamp."""
    return [note.removeprefix("level ") for note in workshop.notes() if note.startswith("level ")]


def test_each_sighup_applies_live_settings_and_reports_the_others(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="")).wait_ready()
    workshop.configure(lamp(level=2, socket="E14"))
    serving.reload()
    reloading, ready = serving.notifications
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+\nSTATUS=Reloading the configuration", reloading)
    assert ready == "READY=1\nSTATUS=Serving"
    serving.reload()
    assert serving.stop() == 0
    assert levels(workshop) == ["1", "2"]
    told = [line.partition(" level=")[2] for line in serving.stderr.splitlines() if "restart" in line]
    needs_restart = (
        r'warning msg="setting requires a restart of lamina to take effect"'
        r' key="plugins.\"x.a.v1.lamp\".socket"'
    )
    assert told == [needs_restart] * 2
    assert r'msg="reloaded configuration" changed="plugins.\"x.a.v1.lamp\".level"' in serving.stderr


def test_the_level_and_format_of_the_log_change_at_once(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='[debug]\nlevel = "error"\n').wait_ready()
    workshop.configure('[debug]\nlevel = "info"\nformat = "json"\n')
    serving.reload()
    assert serving.stop() == 0
    reloaded, *stopped = map(json.loads, serving.stderr.splitlines())
    assert (reloaded["msg"], reloaded["changed"]) == ("reloaded configuration", "debug.level, debug.format")
    assert "received signal" in {record["msg"] for record in stopped}


def test_options_and_variables_override_the_file_at_a_reload_too(workshop: Workshop) -> None:
    serving = workshop.serve(
        SERVER, arguments=("--state", str(workshop.directory / "state")), environment={"LAMINA_LOG_LEVEL": "info"}
    ).wait_ready()
    workshop.configure('state = "/elsewhere"\n[debug]\nlevel = "error"\n')
    serving.reload()
    assert serving.stop() == 0
    assert 'msg="reloaded configuration" changed=""\n' in serving.stderr
    assert "restart" not in serving.stderr


def test_a_wrong_file_changes_nothing_and_each_problem_is_a_line_of_the_log(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="")).wait_ready()
    workshop.configure('temp = 5\n[debug]\nlevel = "error"\n' + lamp(level="bright"))
    serving.reload()
    workshop.file.unlink()
    serving.reload()
    assert serving.stop() == 0
    errors = [line.partition(" error=")[2] for line in serving.stderr.splitlines() if "not reloaded" in line]
    assert len(errors) == 3
    for error, text in zip(errors, ("temp: ", "level: expected a whole number", "cannot be read"), strict=True):
        assert text in error
    assert "received signal" in serving.stderr, "the log level is the old one"
    assert levels(workshop) == ["1"]


def test_a_plugin_that_fails_to_reconfigure_is_logged_and_the_host_continues(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="config.level < 2 or fail(config)")).wait_ready()
    workshop.configure(lamp(level=2))
    serving.reload()
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


def test_sighup_during_the_start_reloads_afterwards(workshop: Workshop) -> None:
    serving = workshop.serve(
        *LIT, 'plugin("x.b.v1.slow", wait_for_the_test)', code=LAMP.format(then="") + WAITS_FOR_THE_TEST
    ).wait_for("X_WAITING=1")
    workshop.configure(lamp(level=2))
    serving.send(signal.SIGHUP)
    (serving.state / "go").touch()
    serving.wait_for("RELOADING=1")
    assert [one for one in serving.notifications if one.startswith("READY=1")] == ["READY=1\nSTATUS=Serving"]
    serving.reload()
    assert serving.stop() == 0
    assert levels(workshop) == ["1", "2"]


def test_after_many_reload_signals_the_last_file_applies(workshop: Workshop) -> None:
    serving = workshop.serve(*LIT, code=LAMP.format(then="")).wait_ready()
    for level in range(2, 50):
        workshop.configure(lamp(level=level))
        serving.send(signal.SIGHUP)
    while levels(workshop)[-1] != "49":
        serving.reload()
    serving.send(signal.SIGTERM).wait_for("STOPPING=1")  # reads what waits in the socket, which has room for ten
    assert serving.wait() == 0
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


def stopped(serving: Host) -> int:
    """Stop a host, read its notifications, for which it would wait (unix(7)), and return its exit code."""
    return serving.send(signal.SIGTERM).wait_for("STOPPING=1").wait()


def test_the_watchdog_is_notified_once_the_host_is_ready(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, environment={"WATCHDOG_USEC": "20000"}).wait_ready()
    assert "WATCHDOG=1" not in serving.notifications
    for _ in range(3):
        serving.notifications.clear()
        serving.wait_for("WATCHDOG=1")
    assert stopped(serving) == 0


def test_the_watchdog_of_another_process_is_not_notified(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, environment={"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}).wait_ready()
    serving.reload()
    assert stopped(serving) == 0
    assert "WATCHDOG=1" not in serving.notifications


HOLDS_THE_LOCK = """
    import ctypes
    class Greedy:
        def reconfigure(self, config):
            usleep = ctypes.PyDLL(None).usleep  # calls of a PyDLL keep the lock
            tell("X_HOLDING=1")
            usleep(2_000_000)
            tell("X_HELD=1")
"""


def test_the_watchdog_is_not_notified_while_the_interpreter_lock_is_held(workshop: Workshop) -> None:
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
    # 200 would fit. A busy machine may add some on each side, where the lock is not held yet, or not any more.
    assert between.count("WATCHDOG=1") < 100
    serving.notifications.clear()
    serving.wait_for("WATCHDOG=1")
    assert stopped(serving) == 0
