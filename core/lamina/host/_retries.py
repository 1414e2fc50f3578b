"""Retries of plugins that failed with a temporary error, and of the plugins that they block."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

from lamina.context import CallContext, use
from lamina.host._launcher import Launcher, log_fields
from lamina.plugin import Plugin, Registration, Status

_log = logging.getLogger(__name__)

FIRST_SECONDS: Final = 1.0
"""Seconds before the first retry, and before the next one after a plugin has come up."""
LONGEST_SECONDS: Final = 60.0
"""Maximum seconds between retries. Each interval is twice the one before."""


class Retries:
    """Retries plugins (`Plugin.retrying`) in a thread, which ends when no plugin is left to retry.

    Plugins are retried in the order of the plan; blocked ones only after a change to a plugin before them. The
    record of a plugin that comes up keeps its place in the order.
    """

    def __init__(self, order: Sequence[Registration[Any]], launcher: Launcher, changing: threading.Lock) -> None:
        """Create the object; `start` starts the thread.

        Args:
            order: The plugins in the order of their initialisation.
            launcher: Brings the plugins up.
            changing: A lock to hold during retries.
        """
        self._order = order
        self._launcher = launcher
        self._plugins = launcher.plugins
        self._changing = changing
        self._context = CallContext()
        self._wake = threading.Event()
        self._placing = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        """Start the thread, if there is a plugin to retry."""
        if self._any_left():
            threading.Thread(target=self._run, name="retries", daemon=True).start()

    def retry_now(self) -> None:
        """Retry now, and start again with the shortest interval."""
        self._wake.set()

    def stop(self) -> None:
        """Stop retrying, and cancel the call context of a retry in progress.

        An instance that it still creates is closed and not used.
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
            woken = self._wake.wait(seconds)
            self._wake.clear()
            with self._changing, use(self._context), self._launcher.worker:
                changed = self._retry_all()
            seconds = next_wait(seconds, anew=woken or changed)

    def _retry_all(self) -> bool:
        """Retry each plugin once; return whether the outcome of any has changed."""
        changed = False
        for registration in self._order:
            (before,) = (one for one in self._plugins.of_type(registration.type) if one.id == registration.id)
            if self._stopped:
                break
            if before.retrying and (before.status is Status.FAILED or changed):
                changed |= self._retry(registration, before)
        return changed

    def _retry(self, registration: Registration[Any], before: Plugin) -> bool:
        """Retry a plugin; return whether it works now, or fails with another kind of error."""
        plugin = self._launcher.retry(registration)
        with self._placing:
            too_late = self._stopped and plugin.instance is not None
            if not too_late:
                self._plugins.replace(plugin)
        if too_late:
            self._launcher.close([plugin])
        if self._stopped:
            return False
        if _kind(plugin) == _kind(before):
            _log.debug("plugin does not work yet", extra={**log_fields(plugin), "error": plugin.problem})
            return False
        self._launcher.report(plugin)
        return True


def _kind(plugin: Plugin) -> tuple[Status, type[BaseException | None], bool]:
    """Return the outcome of a plugin without the message of its error, which may differ each time."""
    return plugin.status, type(plugin.error), plugin.retrying


def next_wait(seconds: float, *, anew: bool) -> float:
    """Return the interval that follows one of this length: twice as long, or the first one if `anew`."""
    return FIRST_SECONDS if anew else min(2 * seconds, LONGEST_SECONDS)
