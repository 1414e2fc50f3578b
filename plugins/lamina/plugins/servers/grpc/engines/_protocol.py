"""`Engine`: what a listener requires of the library that speaks gRPC."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from lamina.api import Service
from lamina.metrics import Metric


class Engine(Protocol):
    """A gRPC server on a unix socket."""

    def bind(self, path: str) -> None:
        """Create a socket at a path that does not exist, and listen.

        Raises:
            Unavailable: The socket cannot be created.
        """

    def start(self, services: Iterable[Service]) -> None:
        """Answer calls, those that have arrived since `bind` included.

        Args:
            services: Services to serve. Of two methods with one path, the first is served.
        """

    def drain(self, grace: float) -> None:
        """Wait until the calls that are in flight now have ended, while answering others.

        Args:
            grace: Seconds after which to return anyway.
        """

    def metrics(self) -> Iterable[Metric]:
        """Return the metrics of its calls."""

    def stop(self, grace: float) -> None:
        """Refuse new calls, wait until those in flight have ended, and close the socket.

        Args:
            grace: Seconds after which calls in flight are cancelled.
        """


@runtime_checkable
class Extensible(Protocol):
    """An engine that can serve more services after its start."""

    def add(self, services: Iterable[Service]) -> None:
        """Serve more services. Paths that are served already keep their methods."""
