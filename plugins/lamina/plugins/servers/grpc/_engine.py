"""What a listener asks of the library that speaks gRPC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from lamina.api import Service
from lamina.metrics import Metric


class Engine(Protocol):
    """What speaks gRPC on a socket."""

    def bind(self, path: str) -> None:
        """Make a socket at a path where nothing is, and listen.

        Raises:
            Unavailable: That does not work.
        """

    def start(self, services: Iterable[Service]) -> None:
        """Answer what has come and what comes.

        Args:
            services: What to serve. Of two methods with one path, the first is.
        """

    def drain(self, grace: float) -> None:
        """Return when the calls under way now have ended. Others are answered in the meantime.

        Args:
            grace: Seconds after which to return anyway.
        """

    def metrics(self) -> Iterable[Metric]:
        """What it counts of its calls."""

    def stop(self, grace: float) -> None:
        """Take no more calls, close the socket, and return when the calls under way have ended.

        Args:
            grace: Seconds after which they are cancelled.
        """


@runtime_checkable
class Extensible(Protocol):
    """An engine that can serve more after its start."""

    def add(self, services: Iterable[Service]) -> None:
        """Serve more services from now on. A path that is served already stays as it is."""
