"""Formatting of log records."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lamina.context import CallContext, use
from lamina.host._logging import JsonFormatter, TerminalFormatter, TextFormatter


@pytest.fixture
def logger(request: pytest.FixtureRequest) -> Iterator[logging.Logger]:
    logger = logging.getLogger(request.node.nodeid)
    logger.propagate = False
    logger.setLevel(1)
    yield logger
    logger.handlers.clear()


def lines(logger: logging.Logger, formatter: logging.Formatter) -> io.StringIO:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.handlers[:] = [handler]
    return stream


def fields_after_time(line: str) -> str:
    return line.split(" ", 1)[1].rstrip("\n")


def test_a_text_line_has_time_level_message_and_then_its_fields_by_name(logger: logging.Logger) -> None:
    stream = lines(logger, TextFormatter())
    logger.info("loading plugin", extra={"type": "io.containerd.grpc.v1", "id": "snapshots"})
    assert fields_after_time(stream.getvalue()) == (
        'level=info msg="loading plugin" id=snapshots type=io.containerd.grpc.v1'
    )


def test_a_line_on_a_terminal_has_the_time_of_day_level_message_and_fields(logger: logging.Logger) -> None:
    stream = lines(logger, TerminalFormatter(colour=False))
    logger.warning("odd\x1b[31m", extra={"key": "a b", "number": 5})
    assert re.fullmatch(r'\d\d:\d\d:\d\d warning odd\\u001b\[31m key="a b" number=5\n', stream.getvalue()), (
        stream.getvalue()
    )


def test_in_colour_the_level_and_the_names_of_fields_stand_out(logger: logging.Logger) -> None:
    stream = lines(logger, TerminalFormatter(colour=True))
    logger.error("no", extra={"key": "v"})
    assert stream.getvalue().endswith(" \x1b[31merror  \x1b[0m no \x1b[2mkey=\x1b[0mv\n")


def test_a_traceback_on_a_terminal_follows_its_line(logger: logging.Logger) -> None:
    stream = lines(logger, TerminalFormatter(colour=False))
    logger.error("odd", exc_info=ValueError("cable cut"))
    first, second = stream.getvalue().splitlines()
    assert first.endswith(' error   odd error="cable cut"')
    assert second == "    ValueError: cable cut"


def test_the_time_is_rfc_3339_with_nine_digits(logger: logging.Logger) -> None:
    stream = lines(logger, TextFormatter())
    logger.info("x")
    assert re.match(r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)" ', stream.getvalue()), (
        stream.getvalue()
    )


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC0", "1970-01-01T00:00:01.500000000Z"), ("XYZ-05:30", "1970-01-01T05:30:01.500000000+05:30")],
)
def test_the_time_is_that_of_the_local_zone(zone: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.makeLogRecord({"created": 1.5, "levelno": 20})
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        line = TextFormatter().format(record)
    time.tzset()
    assert line.startswith(f'time="{shown}"')


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (5, "trace"),
        (10, "debug"),
        (20, "info"),
        (25, "info"),
        (30, "warning"),
        (40, "error"),
        (50, "fatal"),
        (60, "panic"),
    ],
)
def test_levels_have_containerds_names(logger: logging.Logger, level: int, name: str) -> None:
    stream = lines(logger, TextFormatter())
    logger.log(level, "x")
    assert f" level={name} " in stream.getvalue()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/run/lamina.sock", "/run/lamina.sock"),
        ("two words", '"two words"'),
        ("", '""'),
        ('say "so"', r'"say \"so\""'),
        ("line\nbreak", r'"line\nbreak"'),
        ("\x1b[31m\x9b\u2028", r'"\u001b[31m\u009b\u2028"'),
        ("Größe", '"Größe"'),
        (12, "12"),
        (True, "true"),
        (None, "None"),
    ],
)
def test_a_value_is_quoted_where_it_must_be(logger: logging.Logger, value: object, shown: str) -> None:
    stream = lines(logger, TextFormatter())
    logger.info("x", extra={"value": value})
    assert fields_after_time(stream.getvalue()) == f"level=info msg=x value={shown}"


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_is_a_field_of_one_line(logger: logging.Logger, formatter: logging.Formatter) -> None:
    stream = lines(logger, formatter)
    try:
        int("wrong\nin two lines")
    except ValueError:
        logger.exception("it failed")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert r"wrong\\nin two lines" in line
    assert "Traceback (most recent call last)" in line


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_an_exception_whose_text_cannot_be_read_is_logged(
    logger: logging.Logger, formatter: logging.Formatter
) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    stream = lines(logger, formatter)
    logger.error("it failed", exc_info=Mute())
    assert "<Mute whose text cannot be read>" in stream.getvalue()


def test_a_json_line_keeps_the_types_of_fields(logger: logging.Logger) -> None:
    stream = lines(logger, JsonFormatter())
    logger.warning("%d mounts", 3, extra={"seconds": 1.5, "ok": True, "path": ValueError("text"), "odd": "\udcff"})
    record = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-.*", record.pop("time"))
    assert record == {
        "level": "warning", "msg": "3 mounts", "seconds": 1.5, "ok": True, "path": "text", "odd": "\udcff",
    }  # fmt: skip


def test_a_field_with_a_reserved_name_is_renamed(logger: logging.Logger) -> None:
    stream = lines(logger, JsonFormatter())
    logger.info("x", extra={"time": "later", "level": "high"})
    record = json.loads(stream.getvalue())
    assert (record["level"], record["fields.level"], record["fields.time"]) == ("info", "high", "later")


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_line_of_a_call_has_its_trace_id(logger: logging.Logger, formatter: logging.Formatter) -> None:
    stream = lines(logger, formatter)
    with use(CallContext(trace_id="ab" * 16)):
        logger.info("x")
        logger.info("x", extra={"trace_id": "cd" * 16})
    logger.info("x")
    call, named, other = stream.getvalue().splitlines()
    assert "ab" * 16 in call
    assert "cd" * 16 in named
    assert "ab" * 16 not in named
    assert "trace_id" not in other


def run_configured(code: str, *arguments: str) -> list[dict[str, str]]:
    """The JSON log lines of a process."""
    program = f"import logging, lamina.host; lamina.host.configure_logging('warn', 'json')\n{code}"
    done = subprocess.run([sys.executable, *arguments, "-c", program], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_records_below_the_level_are_not_written() -> None:
    (record,) = run_configured("logging.info('no'); logging.warning('yes')")
    assert record["msg"] == "yes"


def test_an_exception_that_ends_a_thread_is_a_log_line() -> None:
    code = "import threading; t = threading.Thread(target=lambda: 1 / 0, name='worker'); t.start(); t.join()"
    (record,) = run_configured(code)
    assert (record["level"], record["thread_name"], record["error"]) == ("error", "worker", "division by zero")


def test_an_exception_that_cannot_be_raised_is_logged() -> None:
    (record,) = run_configured("class A:\n def __del__(self): 1 / 0\nA()")
    assert record["level"] == "error"
    assert "A.__del__" in record["where"]


def test_a_warning_is_a_log_line() -> None:
    (record,) = run_configured("import warnings; warnings.warn('old')", "-W", "always")
    assert "UserWarning: old" in record["msg"]


def test_importing_the_host_configures_nothing() -> None:
    code = "import logging, sys, threading, lamina.host, lamina.cli.serve; print(logging.root.handlers)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
