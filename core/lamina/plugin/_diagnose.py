"""Asking one plugin what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.errdefs import LeftBehind
from lamina.plugin._deadline import call_within
from lamina.plugin._finding import DiagnoseContext, Finding
from lamina.plugin._location import Location, Owner
from lamina.plugin._plugins import describe
from lamina.plugin._registration import Registration


def diagnose(
    registration: Registration[Any],
    *,
    config: object,
    root: Path,
    state: Path,
    host_pid: int | None = None,
    exports: Mapping[str, str] | None = None,
    seconds: float | None = None,
    whole: bool = False,
) -> list[Finding]:
    """Ask a plugin. Whatever its `diagnose` does, the outcome is findings; only KeyboardInterrupt passes.

    Args:
        registration: Whom to ask. One that has no `diagnose` has nothing to tell.
        config: Its decoded configuration, or None where it has no `config`.
        root: The host's root directory.
        state: The host's state directory.
        host_pid: The process of the host that runs; None where none does.
        exports: What the plugin exports in that host.
        seconds: How long it may take. None: as long as it takes, in the calling thread.
        whole: Whether its `examine` is asked instead.

    Returns:
        What it found; last, where it failed or did not end in time, that it did, and at which line.
    """
    step = "examine" if whole else "diagnose"
    ask = registration.examine if whole else registration.diagnose
    if ask is None:
        return []
    uri = registration.uri
    context = DiagnoseContext(
        uri=uri, config=config, root=root / uri, state=state / uri, host_pid=host_pid, exports=exports or {}
    )
    found: list[Finding] = []  # what comes before a failure is kept

    def look() -> None:
        for finding in ask(context):
            if not isinstance(finding, Finding):
                raise TypeError(f"{step} gave {finding!r}: not a Finding")
            found.append(finding)

    owner = Owner(registration.distribution, registration.module)
    try:
        call_within(seconds, step, uri, look)
    except KeyboardInterrupt:
        raise
    except LeftBehind as error:
        remedy = "see whether a disk or a network file system hangs: dmesg -T | tail"
        return [*found, Finding.problem("time", f"{error}{_at(owner.running(error.thread))}", remedy)]
    except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes, SystemExit too
        said = f"its {step} failed: {describe(error)}{_at(owner.raised(error))}"
        remedy = f"tell those who make {registration.distribution or uri}"
        return [*found, Finding.unknown("everything else", said, remedy)]
    return found


def _at(location: Location | None) -> str:
    return "" if location is None else f", at {location}"
