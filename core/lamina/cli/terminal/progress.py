"""A progress counter for long operations."""

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
"""Seconds after which progress is shown."""


def progress(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield items, and count them on stderr if they take long and stderr is a terminal.

    The counter disappears after the last item.

    Args:
        items: The items to yield.
        what: The plural noun of the items: `snapshots`.
        total: The number of items, if known.
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
    """A line that shows the number of items so far."""

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
