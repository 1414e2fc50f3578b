"""Log lines in containerd's format, as text or JSON: one line for each event, with named fields."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from typing import Any, Final, TextIO

from lamina.context import current
from lamina.errdefs import message
from lamina.host._log_writer import LogHandler

_LEVELS: Final = {
    "trace": logging.DEBUG // 2,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL + 10,
}
"""The levels by their names in the configuration (logrus `ParseLevel`), least severe first."""

_FAINT: Final = "2"
_COLOURS: Final = {
    "trace": _FAINT,
    "debug": _FAINT,
    "info": "36",
    "warning": "33",
    "error": "31",
    "fatal": "31",
    "panic": "31",
}
"""SGR parameters (ECMA-48 8.3.117): faint, cyan, yellow, red."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The attributes of every record. All others are fields of the event."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9\-._/@^+]+")
"""Text that logrus writes without quotes (`TextFormatter.needsQuoting`)."""


def configure_logging(level: str, format: str, stream: TextIO | None = None) -> None:  # noqa: A002 # the setting's name
    """Write every log record, warning and unhandled exception of this process as one line.

    On a terminal, text is shorter and coloured, and tracebacks have separate lines. Callers never wait for a slow
    reader (`LogHandler`).

    Args:
        level: The least severe level to write: trace, debug, info, warn, error, fatal or panic.
        format: text or json.
        stream: The stream to write to; None: standard error.
    """
    handler = _handler(sys.stderr if stream is None else stream)
    is_terminal = handler.stream.isatty()
    text = TerminalFormatter(colour=takes_colour(handler.stream)) if is_terminal else TextFormatter()
    handler.setFormatter(JsonFormatter() if format == "json" else text)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(_LEVELS[level])
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_exception_of_thread
    sys.unraisablehook = _log_unraisable


def _handler(stream: TextIO) -> LogHandler:
    """Return the handler that already writes to a stream, with its queued lines, or a new one."""
    ours = (one for one in logging.root.handlers if isinstance(one, LogHandler) and one.stream is stream)
    return next(ours, None) or LogHandler(stream)


def takes_colour(stream: TextIO) -> bool:
    """Return whether a stream is a terminal and colours are not disabled (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class TextFormatter(logging.Formatter):
    """Formats `time="…" level=info msg="…" key=value`: logfmt, as logrus writes to files."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return " ".join(f"{key}={_logfmt(value)}" for key, value in _fields(record).items())


class TerminalFormatter(logging.Formatter):
    """Formats `15:04:05 warning message key=value`, for terminals."""

    def __init__(self, *, colour: bool) -> None:
        """Create a formatter."""
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, followed by the lines of its traceback."""
        fields = _fields(record)
        level, text = fields.pop("level"), fields.pop("msg")
        del fields["time"]
        below = [f"    {_printable(line)}" for line in fields.pop("traceback", "").splitlines()]
        words = [
            time.strftime("%H:%M:%S", time.localtime(record.created)),
            self._painted(f"{level:<7}", _COLOURS.get(level, "")),
            _printable(text),
            *(f"{self._painted(f'{key}=', _FAINT)}{_logfmt(value)}" for key, value in fields.items()),
        ]
        return "\n".join([" ".join(words), *below])

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour and colour else text


class JsonFormatter(logging.Formatter):
    """Formats `{"time": "…", "level": "info", "msg": "…", "key": value}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        return json.dumps(_fields(record), default=str)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return time, level and message, then the fields of the event by name, including the trace id."""
    own = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[1] is not None:
        own.setdefault("error", message(record.exc_info[1]))
        own["traceback"] = _FORMATTER.formatException(record.exc_info)
    trace_id = current().trace_id
    if trace_id:
        own.setdefault("trace_id", trace_id)
    if record.stack_info:
        own["stack"] = record.stack_info
    fields = {"time": _rfc3339(record.created), "level": _level(record.levelno), "msg": record.getMessage()}
    for key in sorted(own):
        # Fields with one of these three names get a prefix, as in logrus.
        fields[f"fields.{key}" if key in fields else key] = own[key]
    return fields


_FORMATTER: Final = logging.Formatter()


def _level(number: int) -> str:
    """Return containerd's name of a level. A level between two named ones has the name of the less severe."""
    name = next((name for name, least in reversed(_LEVELS.items()) if number >= least), "trace")
    return "warning" if name == "warn" else name


def _rfc3339(seconds: float) -> str:
    """Return a time in the local time zone with nine fractional digits, as in containerd."""
    moment = time.localtime(seconds)
    offset = time.strftime("%z", moment)
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{int(seconds % 1 * 10**9):09d}{zone}"


def _logfmt(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if _PLAIN.fullmatch(text):
        return text
    # Control characters are escaped: terminals and log readers may interpret them.
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _log_exception_of_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is None or isinstance(arguments.exc_value, SystemExit):
        return
    name = arguments.thread.name if arguments.thread else ""
    logging.getLogger(__name__).error(
        "unexpected exception in a thread", extra={"thread_name": name}, exc_info=arguments.exc_value
    )


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    where = f"{unraisable.err_msg or 'exception ignored in'}: {unraisable.object!r}"
    logging.getLogger(__name__).error(
        "unexpected exception", extra={"where": where}, exc_info=unraisable.exc_value
    )
