"""`lamina serve` with stdout and stderr on one terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re

import pytest

from tests.support.processes.workshops import SERVER, Workshop

PLUGINS = (SERVER, 'plugin("x.line.v1.cable", fail)', 'plugin("x.tape.v1.tape", skip)')
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def shown(workshop: Workshop, config: str = "", **environment: str) -> str:
    """All that a host with `PLUGINS` shows from its start to its end."""
    terminal, theirs = pty.openpty()
    with open(terminal, "rb", buffering=0) as screen:
        try:
            variables = {"TERM": "xterm", "NO_COLOR": "", **environment}
            serving = workshop.serve(*PLUGINS, config=config, environment=variables, terminal=theirs)
        finally:
            os.close(theirs)
        assert serving.wait_ready().stop() == 0
        text = b""
        with contextlib.suppress(OSError):  # EIO: the host has ended
            while data := screen.read(4096):
                text += data
    return text.decode().replace("\r\n", "\n")


def test_plugins_are_counted_and_failed_ones_reported_once_with_the_reason(workshop: Workshop) -> None:
    lines = COLOUR.sub("", shown(workshop)).splitlines()
    assert lines[lines.index("3 plugins: 1 ok, 1 failed, 1 skipped") + 1 :][:2] == [
        "  failed   x.line.v1.cable: ValueError: cable cut",
        "  skipped  x.tape.v1.tape: no tape here",
    ]
    assert len([line for line in lines if "tape" in line]) == 1


def test_the_traceback_of_a_plugin_that_failed_is_logged(workshop: Workshop) -> None:
    lines = COLOUR.sub("", shown(workshop)).splitlines()
    (line,) = [number for number, line in enumerate(lines) if "warning failed to load plugin" in line]
    assert lines[line + 1] == "    Traceback (most recent call last):"


def test_the_last_line_reports_the_stop(workshop: Workshop) -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    stopped", COLOUR.sub("", shown(workshop)).splitlines()[-1])


def test_the_status_of_failed_plugins_is_coloured(workshop: Workshop) -> None:
    assert "\x1b[31mfailed  \x1b[0m x.line" in shown(workshop)


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours_nothing_is_coloured(workshop: Workshop, variables: dict[str, str]) -> None:
    assert "\x1b" not in shown(workshop, **variables)


def test_with_more_to_log_plugins_are_logged_too(workshop: Workshop) -> None:
    assert "loaded plugin" in shown(workshop, '[debug]\nlevel = "debug"\n')
