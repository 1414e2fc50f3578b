"""Findings of a diagnosis, and their repairs."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, Self

import attrs

from lamina.plugin.lifecycle._context import C


class Verdict(enum.StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    """It works, but possibly not as intended, or not for long."""
    PROBLEM = "problem"
    """It does not work."""
    UNKNOWN = "unknown"
    """It could not be checked."""


@attrs.frozen
class Repair:
    """A repair of a finding that deletes no referenced data."""

    what: str
    """The action, in the imperative: `move it to quarantine`."""
    run: Callable[[], object] = attrs.field(eq=False, repr=False)
    """Performs the action. Raises an OSError or an error of `lamina.errdefs` if it fails."""
    beside_host: bool = False
    """True if the repair is safe while a host runs."""


@attrs.frozen
class Finding:
    """The result of one check. Create it with `ok`, `warning`, `problem` or `unknown`."""

    check: str
    """The name of the check: `d_type`, `lock of the data root`."""
    status: Verdict
    found: str
    """The result in one sentence, with the relevant values and paths."""
    remedy: str = ""
    """The action to take, preferably as commands to type; "" if the finding is OK."""
    repair: Repair | None = attrs.field(default=None, eq=False)
    """The repair of `lamina doctor --repair`; None if the user has to decide."""

    @classmethod
    def ok(cls, check: str, found: str) -> Self:
        """Return a finding that everything is in order."""
        return cls(check, Verdict.OK, found)

    @classmethod
    def warning(cls, check: str, found: str, remedy: str) -> Self:
        """Return a finding with `Verdict.WARNING`."""
        return cls(check, Verdict.WARNING, found, remedy)

    @classmethod
    def problem(cls, check: str, found: str, remedy: str) -> Self:
        """Return a finding with `Verdict.PROBLEM`."""
        return cls(check, Verdict.PROBLEM, found, remedy)

    @classmethod
    def unknown(cls, check: str, found: str, remedy: str) -> Self:
        """Return a finding with `Verdict.UNKNOWN`; the remedy says how to perform the check."""
        return cls(check, Verdict.UNKNOWN, found, remedy)

    def with_repair(self, repair: Repair) -> Self:
        """Return a copy with a repair."""
        return attrs.evolve(self, repair=repair)


@attrs.frozen(kw_only=True)
class DiagnoseContext(Generic[C]):
    """The argument of `Registration.diagnose` and `Registration.examine`.

    No plugin is initialised, and a running host may be using the plugin's data. So a diagnosis reads and changes
    nothing. It may create temporary files, which it removes again.
    """

    uri: str
    """The URI of the plugin."""
    config: C
    """See `InitContext`."""
    root: Path
    """`<root>/<URI>`, which may not exist."""
    state: Path
    """`<state>/<URI>`, which may not exist."""
    host_pid: int | None = None
    """The process id of the running host, if it is known."""
    exports: Mapping[str, str] = attrs.field(factory=dict)
    """The exports of the plugin in the running host, which may have another configuration; empty without a
    host."""
