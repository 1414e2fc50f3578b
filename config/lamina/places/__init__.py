"""Default paths of a program's files and socket.

Separate from `lamina.config`: a client needs no configuration but the address.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lamina.errdefs import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM: Final = "lamina"
"""The default program."""
CONFIG: Final = "config.toml"
"""The name of the configuration file in its directory."""
SOCKET: Final = "lamina.sock"
"""The name of the socket in the state directory."""
LOCK: Final = "lamina.lock"
"""The name of the lock file in a directory, locked by the process that uses the directory."""


def default_root(
    environ: Mapping[str, str] = os.environ, uid: int | None = None, *, program: str = PROGRAM
) -> str:
    """Return the directory for persistent data: `/var/lib/<program>`, or `<program>` in the user's XDG one.

    Args:
        environ: Environment variables.
        uid: The user, by default the effective one.
        program: The program.
    """
    if _is_root(uid):
        return f"/var/lib/{program}"
    return f"{_xdg(environ, 'XDG_DATA_HOME') or _home(environ, program) + '/.local/share'}/{program}"


def default_state(
    environ: Mapping[str, str] = os.environ, uid: int | None = None, *, program: str = PROGRAM
) -> str:
    """Return the directory for sockets: `/run/<program>`, or `<program>` in the user's XDG runtime directory.

    A user without one gets `/tmp/<program>-<uid>`, which others can create first: check its owner.

    Args:
        environ: Environment variables.
        uid: The user, by default the effective one.
        program: The program.
    """
    if _is_root(uid):
        return f"/run/{program}"
    runtime = _xdg(environ, "XDG_RUNTIME_DIR")
    return f"{runtime}/{program}" if runtime else f"/tmp/{program}-{os.geteuid() if uid is None else uid}"  # noqa: S108 # the last resort, see above


def default_address(environ: Mapping[str, str] = os.environ, uid: int | None = None) -> str:
    """Return the default path of lamina's socket.

    Args:
        environ: Environment variables.
        uid: The user, by default the effective one.
    """
    return f"{default_state(environ, uid)}/{SOCKET}"


def default_config_path(
    environ: Mapping[str, str] = os.environ, uid: int | None = None, *, program: str = PROGRAM
) -> Path:
    """Return the default configuration file: `/etc/<program>/config.toml`, or the user's XDG one.

    Args:
        environ: Environment variables.
        uid: The user, by default the effective one.
        program: The program.
    """
    from pathlib import Path

    return Path(default_config_directory(environ, uid, program=program), CONFIG)


def default_config_directory(
    environ: Mapping[str, str] = os.environ, uid: int | None = None, *, program: str = PROGRAM
) -> str:
    """Return the directory of the default configuration file.

    Args:
        environ: Environment variables.
        uid: The user, by default the effective one.
        program: The program.
    """
    if _is_root(uid):
        return f"/etc/{program}"
    return f"{_xdg(environ, 'XDG_CONFIG_HOME') or _home(environ, program) + '/.config'}/{program}"


def default_drop_ins(
    environ: Mapping[str, str] = os.environ, uid: int | None = None, *, program: str = PROGRAM
) -> str:
    """Return the pattern of the files that override the default one: `conf.d/*.toml` beside it.

    Args:
        environ: Environment variables.
        uid: The user, by default the effective one.
        program: The program.
    """
    import glob

    return f"{glob.escape(default_config_directory(environ, uid, program=program))}/conf.d/*.toml"


def _is_root(uid: int | None) -> bool:
    return (os.geteuid() if uid is None else uid) == 0


def _xdg(environ: Mapping[str, str], name: str) -> str | None:
    """Return a directory of the XDG base directory specification, which says to ignore relative ones."""
    path = environ.get(name, "")
    return path if os.path.isabs(path) else None


def _home(environ: Mapping[str, str], program: str) -> str:
    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        raise ConfigError(f"no home directory for {program}'s files: set HOME, or root and state")
    return home
