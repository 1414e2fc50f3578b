"""Progress counters for long operations."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Self, TypeVar

from lamina.cli.terminal.output import binary_size

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
    of_total = "" if total is None else f" of {total:,}"
    with _Line(lambda count: f"{count:,}{of_total} {what}") as line:
        for item in items:
            yield item
            line.count += 1


@contextlib.contextmanager
def byte_progress(begin: str, what: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows a number of bytes on stderr, if the block takes long and stderr is a terminal.

    Args:
        begin: The line to show until there are bytes, such as `comparing …`.
        what: The rest of the line behind the number of bytes, such as `read`.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with _Line(lambda count: f"{binary_size(count)} {what}" if count else begin) as line:

        def report(done: int) -> None:
            line.count = done

        yield report


class _Line:
    """A line that shows a number, for the duration of a block that takes long."""

    def __init__(self, describe: Callable[[int], str]) -> None:
        self.count = 0
        self._describe = describe
        self._live: Live | None = None
        self._timer = threading.Timer(_PATIENCE, self._show)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._live is not None:
            self._live.stop()

    def _show(self) -> None:
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

    def _text(self) -> Text:
        from rich.text import Text

        return Text(self._describe(self.count))
