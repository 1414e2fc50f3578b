"""Runs the diagnosis of one plugin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.errdefs import LeftBehind, describe
from lamina.plugin._registration import Registration
from lamina.plugin.findings._finding import DiagnoseContext, Finding
from lamina.plugin.lifecycle._deadline import call_within
from lamina.plugin.lifecycle._location import Location, Owner


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
    """Call `diagnose` of a plugin. Its exceptions become findings, except KeyboardInterrupt.

    Args:
        registration: The plugin. A plugin without `diagnose` has no findings.
        config: Its decoded configuration, or None if the registration has no `config`.
        root: The host's root directory.
        state: The host's state directory.
        host_pid: The process id of the running host, or None.
        exports: The exports of the plugin in the running host.
        seconds: The deadline, in seconds. None: no deadline, in this thread.
        whole: Call `examine` instead of `diagnose`.

    Returns:
        The findings. If the call failed or missed its deadline, the last one says so, with the line of code.
    """
    step = "examine" if whole else "diagnose"
    ask = registration.examine if whole else registration.diagnose
    if ask is None:
        return []
    uri = registration.uri
    context = DiagnoseContext(
        uri=uri, config=config, root=root / uri, state=state / uri, host_pid=host_pid, exports=exports or {}
    )
    found: list[Finding] = []  # findings before a failure are kept

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
        remedy = "check whether a disk or a network file system hangs: dmesg -T | tail"
        return [*found, Finding.problem("time", f"{error}{_at(owner.running(error.thread))}", remedy)]
    except BaseException as error:  # noqa: BLE001 - plugins may raise anything, even SystemExit
        failure = f"its {step} failed: {describe(error)}{_at(owner.raised(error))}"
        remedy = f"report this to the authors of {registration.distribution or uri}"
        return [*found, Finding.unknown("everything else", failure, remedy)]
    return found


def _at(location: Location | None) -> str:
    return "" if location is None else f", at {location}"
