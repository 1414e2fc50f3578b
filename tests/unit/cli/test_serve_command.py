"""`lamina serve` as a process, without built-in plugins: its output and signals."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.support.processes.hosts import Host
from tests.support.processes.workshops import SERVER, Workshop
from tests.support.waiting import wait_until

ALONE = 'disabled_distributions = ["lamina"]\n'
"""A host without any plugin."""


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
    """Return the text below the table of a host whose snapshots service has these exports."""
    serving = workshop.serve(
        'plugin("io.containerd.server.v1.grpc", config=Door)',
        'plugin("io.containerd.grpc.v1.snapshots", serve_snapshots)',
        code=ADDRESSED.format(exports=exports),
        arguments=("--address", str(address)),
    ).wait_ready()
    assert serving.stop() == 0
    return serving.stdout.split("\n\n", 1)[1]


def test_it_works_under_another_program_name(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # `lamina` is found there
    serving = workshop.serve(
        'plugin("io.containerd.server.v1.grpc", config=Door)',
        code=f"{ADDRESSED.format(exports={})}\n    import sys\n    sys.argv[0] = '/gone/lamina'\n",
        arguments=("--address", str(workshop.directory / "my.sock")),
    ).wait_ready()
    assert serving.stop() == 0


@pytest.mark.parametrize("name", ["lamina", "two words"])
def test_it_prints_the_socket_and_the_next_commands(workshop: Workshop, name: str) -> None:
    address = workshop.directory / "my.sock"
    steps = addressed(workshop, address, snapshotter=name)
    assert f"Serving on {address}\n" in steps
    assert f"  lamina plugins ls -a {address}\n" in steps
    assert f"  ctr -a {address} snapshots --snapshotter {shlex.quote(name)} ls\n" in steps
    assert f"  lamina containerd-config -a {address}\n" in steps


def test_without_a_working_snapshotter_none_is_suggested(workshop: Workshop) -> None:
    steps = addressed(workshop, workshop.directory / "my.sock")
    assert "  lamina plugins ls -a " in steps
    assert "ctr" not in steps
    assert "containerd-config" not in steps


def test_it_logs_how_long_the_start_took(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, arguments=("--log-level", "info")).wait_ready()
    assert serving.stop() == 0
    assert 'level=info msg="loading plugin" id=door type=io.containerd.server.v1' in serving.stderr
    assert re.search('level=info msg="loaded plugin" id=door milliseconds=[0-9.]+ status=ok type=', serving.stderr)
    assert re.search(r'msg="lamina successfully booted in \d+\.\d{6}s"', serving.stderr)


def test_the_log_level_is_the_configurations(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='[debug]\nlevel = "error"\n').wait_ready()
    assert serving.stop() == 0
    assert serving.stderr == ""


def test_an_unknown_variable_is_a_warning_in_the_log(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, environment={"LAMINA_LOGLEVEL": "debug"}).wait_ready()
    assert serving.stop() == 0
    (line,) = [line for line in serving.stderr.splitlines() if "LAMINA_LOGLEVEL" in line]
    assert "level=warning" in line
    assert "did you mean LAMINA_LOG_LEVEL?" in line


def test_with_the_format_json_every_line_of_the_log_is_an_object(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER, config='[debug]\nformat = "json"\n').wait_ready()
    assert serving.stop() == 0
    records = {record["msg"]: record for record in map(json.loads, serving.stderr.splitlines())}
    assert records["loaded plugin"]["status"] == "ok"
    assert isinstance(records["loaded plugin"]["milliseconds"], float)


def test_a_closed_stdout_does_not_end_the_host(workshop: Workshop) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with Host(workshop.directory, ALONE, stdout=writer).launched() as serving:
        os.close(writer)
        assert serving.wait_ready().stop() == 0
    assert "cannot print the plugins" in serving.stderr


def test_closed_standard_streams_are_not_reused_for_files(workshop: Workshop) -> None:
    """Otherwise the lock file would become standard output and receive the printed text."""
    host = Host(workshop.directory, ALONE, prefix=("sh", "-c", 'exec "$@" <&- >&- 2>&-', "-"))
    with host.running():
        assert (host.root / "lamina.lock").read_text() == f"{host.pid}\n"


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


def test_a_signal_during_an_init_cancels_the_start(workshop: Workshop) -> None:
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
    wait_until(lambda: "most recent call first" in serving.stderr, 60, "the stacks are written")
    assert serving.stop() == 0


def test_a_host_that_cannot_start_threads_stops_at_sigterm_after_sigusr1(workshop: Workshop) -> None:
    serving = workshop.serve(
        SERVER,
        'plugin("x.a.v1.greedy", take_all)',
        code="""
            def take_all(ic):
                start = threading.Thread.start
                def start_unless_stacks(thread):
                    if thread.name == "stacks":
                        raise RuntimeError("can't start new thread")
                    start(thread)
                threading.Thread.start = start_unless_stacks
                return object()
        """,
    )
    serving.wait_ready().send(signal.SIGUSR1)
    wait_until(lambda: "can't start new thread" in serving.stderr, 60, "the failure is logged")
    assert serving.stop() == 0


def test_a_host_that_can_receive_no_more_signals_stops(workshop: Workshop) -> None:
    serving = workshop.serve(
        SERVER,
        'plugin("x.a.v1.deaf", go_deaf)',
        code="""
            def go_deaf(ic):
                def fail(fd, length):
                    raise OSError(5, "Input/output error")
                os.read = fail
                return object()
        """,
    )
    assert serving.wait_ready().send(signal.SIGHUP).wait() == 0
    assert "can no longer receive signals: stopping" in serving.stderr


BUSY = """
    def work(depth=0):
        eval(f"sum(one for one in range({depth}))")  # code that is created and discarded
        for _ in range(2 if 0 < depth < 12 else 0):
            work(depth + 1)
        while depth == 0:
            work(1)
    def start_working(ic):
        threading.Thread(target=work, daemon=True).start()
        return object()
"""


def test_the_stacks_of_a_busy_host_can_be_dumped_repeatedly(workshop: Workshop) -> None:
    """Reading the frames of a running thread without care could crash the process."""
    serving = workshop.serve(SERVER, 'plugin("x.a.v1.busy", start_working)', code=BUSY).wait_ready()
    for number in range(1, 101):
        serving.send(signal.SIGUSR1)
        wait_until(lambda n=number: serving.stderr.count("in _read_signals") >= n, 60, f"dump {number}")
    assert serving.stop() == 0


def test_a_crash_writes_the_stack_of_every_thread(workshop: Workshop) -> None:
    serving = workshop.serve(SERVER).wait_ready()
    assert serving.send(signal.SIGABRT).wait() == -signal.SIGABRT
    assert serving.stderr.count("most recent call first") > 1
