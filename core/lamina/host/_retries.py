"""Plugins whose init failed for a cause that may go, and those that they block, tried again while a host runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

from lamina.context import CallContext, use
from lamina.host._launcher import Launcher, names
from lamina.plugin import Plugin, Registration, Status

_log = logging.getLogger(__name__)

FIRST_SECONDS: Final = 1.0
"""How long a host waits before it tries again what failed at its start, or after something has come up."""
LONGEST_SECONDS: Final = 60.0
"""How long it waits at most. Each wait is twice as long as the one before."""


class Retries:
    """Tries plugins again (`Plugin.retrying`) in a thread of its own, which ends when none is left to be tried.

    They are tried in the order of the plan, those that are blocked only when something before them has changed.
    The record of one that comes up stands where it would stand if it had come up at the start.
    """

    def __init__(self, order: Sequence[Registration[Any]], launcher: Launcher, turn: threading.Lock) -> None:
        """Nothing is tried before `start`.

        Args:
            order: The plugins in the order in which they were initialised.
            launcher: What brings them up.
            turn: Held while they are tried, so that nothing else changes then.
        """
        self._order = order
        self._launcher = launcher
        self._plugins = launcher.plugins
        self._turn = turn
        self._context = CallContext()
        self._wake = threading.Event()
        self._placing = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        """Begin, if there is anything to be tried."""
        if self._any_left():
            threading.Thread(target=self._run, name="retries", daemon=True).start()

    def hurry(self) -> None:
        """Try at once what there is to be tried, and begin anew with short waits."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no attempt any more, and have one that is under way give up if it looks at its call context.

        What an attempt brings up from now on is closed by it, and reaches nobody.
        """
        with self._placing:
            self._stopped = True
        self._context.cancel()
        self._wake.set()

    def _any_left(self) -> bool:
        return not self._stopped and any(plugin.retrying for plugin in self._plugins)

    def _run(self) -> None:
        seconds = FIRST_SECONDS
        while self._any_left():
            hurried = self._wake.wait(seconds)
            self._wake.clear()
            with self._turn, use(self._context):
                changed = self._try_all()
            seconds = next_wait(seconds, anew=hurried or changed)

    def _try_all(self) -> bool:
        """Try each plugin once; returns whether something has come of it."""
        changed = False
        for registration in self._order:
            (before,) = (one for one in self._plugins.of_type(registration.type) if one.id == registration.id)
            if self._stopped:
                break
            if before.retrying and (before.status is Status.FAILED or changed):
                changed |= self._try(registration, before)
        return changed

    def _try(self, registration: Registration[Any], before: Plugin) -> bool:
        """Try a plugin; returns whether it works now, or fails for another kind of cause."""
        plugin = self._launcher.try_again(registration)
        with self._placing:
            too_late = self._stopped and plugin.instance is not None
            if not too_late:
                self._plugins.replace(plugin)
        if too_late:
            self._launcher.close([plugin])
        if self._stopped:
            return False
        if _kind(plugin) == _kind(before):
            _log.debug("plugin does not work yet", extra={**names(plugin), "error": plugin.problem})
            return False
        self._launcher.tell(plugin)
        return True


def _kind(plugin: Plugin) -> tuple[Status, type[BaseException | None], bool]:
    """What became of a plugin, apart from the message of its error, which may name another file each time."""
    return plugin.status, type(plugin.error), plugin.retrying


def next_wait(seconds: float, *, anew: bool) -> float:
    """How long to wait after a wait of so many seconds: twice as long, or as at first."""
    return FIRST_SECONDS if anew else min(2 * seconds, LONGEST_SECONDS)
