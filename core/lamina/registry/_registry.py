"""The class `Registry`."""

from __future__ import annotations

from typing import Self

from lamina.registry._access import Access
from lamina.registry._repository import Repository
from lamina.registry._session import Session


class Registry:
    """A registry. Any thread may use it; connections and tokens are kept until `close`."""

    def __init__(self, host: str, access: Access | None = None) -> None:
        """Create the object; nothing is connected yet.

        Args:
            host: The registry, as in names of images: a name or an address, perhaps with a port. `docker.io` is
                known to be at `registry-1.docker.io`.
            access: The access to it; None: anonymous, with TLS.

        Raises:
            InvalidArgument: The host is malformed.
        """
        self._session = Session(host, access or Access())

    @property
    def host(self) -> str:
        """The host, as in names of images."""
        return self._session.host

    def repository(self, path: str) -> Repository:
        """Return one of its repositories, which need not exist.

        Args:
            path: Its name without the registry: `library/debian`.
        """
        return Repository(self._session, path)

    def close(self) -> None:
        """Close the connections. Closing twice does nothing."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
