"""Progress of what may take long."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

T = TypeVar("T")

_PATIENCE = 0.5
"""Seconds that something takes before it is worth a line."""


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass items on, and where it takes long count them on stderr, if that is a terminal.

    The line goes away when the items end.

    Args:
        items: What is worked on, one at a time.
        what: What is counted: `snapshots`.
        total: How many there will be, if that is known.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    counter = _Counter(what, total)
    timer = threading.Timer(_PATIENCE, counter.show)
    timer.daemon = True
    timer.start()
    try:
        for item in items:
            yield item
            counter.count += 1
    finally:
        timer.cancel()
        timer.join()
        counter.hide()


class _Counter:
    """A line that says how far the work is."""

    def __init__(self, what: str, total: int | None) -> None:
        self.count = 0
        self._what = what
        self._total = total
        self._live: Live | None = None

    def show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(
            console=Console(stderr=True),
            get_renderable=self._text,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def hide(self) -> None:
        if self._live is not None:
            self._live.stop()

    def _text(self) -> Text:
        from rich.text import Text

        of_total = "" if self._total is None else f" of {self._total:,}"
        return Text(f"{self.count:,}{of_total} {self._what}")
