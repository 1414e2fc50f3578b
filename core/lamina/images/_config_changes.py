"""Changes to the configuration of an image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument

_PORT: Final = r"[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?"
"""A port, or several, and the protocol; tcp by default (OCI image spec, `config.md`, `ExposedPorts`)."""
_SIGNAL: Final = r"SIG[A-Z0-9]+([+-][0-9]+)?|[0-9]{1,3}"
"""A signal (OCI image spec, `config.md`, `StopSignal`)."""


@attrs.frozen
class ConfigChanges:
    """Changes to the configuration of an image (OCI image spec, `config.md`). None and empty ones change nothing.

    Raises:
        InvalidArgument: A value is malformed.
    """

    entrypoint: tuple[str, ...] | None = None
    """The beginning of the command line; () for none. Unless `cmd` is given, too, the present one is removed: it
    was meant for another program. Docker and buildah do the same."""
    cmd: tuple[str, ...] | None = None
    """The rest of the command line, which a user may replace; () for none."""
    env: Mapping[str, str] = attrs.field(factory=dict)
    """Environment variables to set."""
    unset_env: tuple[str, ...] = ()
    user: str | None = None
    """The user, and the group behind a colon, as names or numbers; "" for root."""
    working_dir: str | None = None
    """An absolute path; "" for the root directory."""
    labels: Mapping[str, str] = attrs.field(factory=dict)
    """Labels to set."""
    unset_labels: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    """Ports to add, such as `80` or `53/udp`."""
    unset_exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    """Absolute paths of volumes to add."""
    unset_volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    """Such as `SIGTERM`; "" for none."""
    author: str | None = None
    """The author of the image; "" for none."""

    def __attrs_post_init__(self) -> None:
        for name in (*self.env, *self.unset_env):
            _check(bool(name) and "=" not in name, "env", name, "a name that is not empty and has no '='")
        for label in (*self.labels, *self.unset_labels):
            _check(bool(label), "label", label, "a name that is not empty")
        for text in (*(self.entrypoint or ()), *(self.cmd or ()), *self.env.values(), *filter(None, (self.user,))):
            _check(True, "text", text, "text without NUL, which no program can get")
        for port in self.exposed_ports:
            _check(re.fullmatch(_PORT, port) is not None, "exposed port", port, "PORT[/PROTOCOL]: 80, 53/udp")
        for path in (*self.volumes, *filter(None, (self.working_dir,))):
            _check(path.startswith("/"), "directory", path, "an absolute path")
        if self.stop_signal:
            is_signal = re.fullmatch(_SIGNAL, self.stop_signal) is not None
            _check(is_signal, "stop signal", self.stop_signal, "the name of a signal: SIGTERM, SIGRTMIN+3")

    def __bool__(self) -> bool:
        """Return whether anything is to be changed."""
        return self != ConfigChanges()


def _check(is_right: bool, what: str, value: str, expected: str) -> None:
    if not is_right or "\0" in value:
        raise InvalidArgument(f"{what} {value[:80]!r}: expected {expected}")
