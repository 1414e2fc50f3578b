"""Progress bars for work on several blobs at a time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

from lamina.cli.terminal.output import one_line

if TYPE_CHECKING:
    from rich.progress import TaskID

    from lamina.images import Progress

_PATIENCE: Final = 0.5
"""Seconds after which bars are shown."""
_DIGITS: Final = 12
"""Digits of a digest that are shown."""


class Bars:
    """A bar on stderr for each blob that is being worked on, if that takes long and stderr is a terminal.

    The bars disappear at the end of the block.
    """

    def __init__(self) -> None:
        """Prepare the bars."""
        self._on_terminal = sys.stderr.isatty()
        self._since = time.monotonic()
        self._display: _Display | None = None

    def report(self, progress: Progress) -> None:
        """Show the progress of a blob. A blob that is finished disappears."""
        if not self._on_terminal or time.monotonic() < self._since + _PATIENCE:
            return
        if self._display is None:
            self._display = _Display()
        self._display.update(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._display is not None:
            self._display.close()


class _Display:
    """The bars on the terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Live

        from lamina.cli.terminal.columns import BytesColumn, RateColumn

        self._live = Live(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            BytesColumn(),
            RateColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._live.start()

    def update(self, progress: Progress) -> None:
        key = progress.what, progress.digest
        if progress.done >= progress.total and (progress.total or not progress.done):
            if (task := self._tasks.pop(key, None)) is not None:
                self._live.remove_task(task)
            return
        if key not in self._tasks:
            shown = one_line(progress.digest.removeprefix("sha256:")[:_DIGITS])
            self._tasks[key] = self._live.add_task(f"{progress.what} {shown}", total=progress.total or None)
        self._live.update(self._tasks[key], completed=progress.done)

    def close(self) -> None:
        self._live.stop()
