"""What is found when somebody asks why things do not work."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, Self

import attrs

from lamina.plugin._context import C


class Verdict(enum.StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    """It works, and may not do so for long, or not as somebody may have meant it."""
    PROBLEM = "problem"
    """It does not work."""
    UNKNOWN = "unknown"
    """It could not be looked at."""


@attrs.frozen
class Repair:
    """A way to mend what was found that deletes nothing that any source names."""

    what: str
    """What is done, in the imperative: `move it to quarantine`."""
    run: Callable[[], object] = attrs.field(eq=False, repr=False)
    """Does it. Raises an OSError or one of `lamina.errdefs` where it cannot."""
    beside_host: bool = False
    """Whether it may be done while a host runs."""


@attrs.frozen
class Finding:
    """One thing that was looked at. `ok`, `warning`, `problem` and `unknown` make one."""

    check: str
    """What was looked at, in a word or two: `d_type`, `lock of the data root`."""
    status: Verdict
    found: str
    """What is there, in a sentence, with the values and paths that matter."""
    remedy: str = ""
    """What to do about it, best as commands to type; "" where the finding is OK."""
    repair: Repair | None = attrs.field(default=None, eq=False)
    """How `lamina doctor --repair` mends it; None where somebody has to decide."""

    @classmethod
    def ok(cls, check: str, found: str) -> Self:
        """It is as it should be."""
        return cls(check, Verdict.OK, found)

    @classmethod
    def warning(cls, check: str, found: str, remedy: str) -> Self:
        """See `Verdict.WARNING`."""
        return cls(check, Verdict.WARNING, found, remedy)

    @classmethod
    def problem(cls, check: str, found: str, remedy: str) -> Self:
        """See `Verdict.PROBLEM`."""
        return cls(check, Verdict.PROBLEM, found, remedy)

    @classmethod
    def unknown(cls, check: str, found: str, remedy: str) -> Self:
        """See `Verdict.UNKNOWN`; the remedy says how it can be looked at."""
        return cls(check, Verdict.UNKNOWN, found, remedy)

    def mended_by(self, repair: Repair) -> Self:
        """The same finding with a way to mend it."""
        return attrs.evolve(self, repair=repair)


@attrs.frozen(kw_only=True)
class DiagnoseContext(Generic[C]):
    """The circumstances in which a plugin is asked what is wrong with it.

    Nothing is initialised: there are no other plugins to look up, and a running host may be using all that the
    plugin has. So `Registration.diagnose` looks, and changes nothing that is there. It may make something of its
    own beside, if it takes it away again.
    """

    uri: str
    """The plugin's own URI."""
    config: C
    """As in `InitContext`."""
    root: Path
    """As in `InitContext`: `<root>/<URI>`, which may not exist yet."""
    state: Path
    """As in `InitContext`: `<state>/<URI>`, which may not exist yet."""
    host_pid: int | None = None
    """The process of the host that runs; None where none does that can be seen."""
    exports: Mapping[str, str] = attrs.field(factory=dict)
    """What the plugin exports in the host that runs, which may have another configuration; empty without one."""
