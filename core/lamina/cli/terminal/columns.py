"""The columns of progress bars. Import this module where a bar is shown: rich is slow to import."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task  # noqa: TID253 - imported in functions only
from rich.text import Text  # noqa: TID253 - as above

from lamina.cli.terminal.output import binary_size


class BytesColumn(ProgressColumn):
    """The bytes done, and their total."""

    def render(self, task: Task) -> Text:
        """Return the text of a bar."""
        total = "" if task.total is None else f" of {binary_size(int(task.total))}"
        return Text(f"{binary_size(int(task.completed))}{total}", style="progress.download")


class RateColumn(ProgressColumn):
    """The bytes done per second."""

    def render(self, task: Task) -> Text:
        """Return the text of a bar; empty until the rate is known."""
        return Text("" if task.speed is None else f"{binary_size(int(task.speed))}/s", style="progress.data.speed")
