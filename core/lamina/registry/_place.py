"""One repository of a registry, as requests name it."""

from __future__ import annotations

import re
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument
from lamina.registry._access import Limits
from lamina.registry._session import Session
from lamina.registry.authentication import Scopes
from lamina.registry.http import URL

_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
"""OCI distribution spec, "Pulling manifests": `<name>`."""
_MAX_PATH: Final = 255


@attrs.frozen(eq=False)
class Place:
    """A repository: what requests for its blobs and manifests have in common."""

    session: Session
    path: str = attrs.field()

    @path.validator
    def _check(self, _: object, path: str) -> None:
        if len(path) > _MAX_PATH or not _PATH.fullmatch(path):
            raise InvalidArgument(f"repository {path[:80]!r}: expected lower-case components between slashes")

    def at(self, path: str) -> Place:
        """Return another repository of the registry."""
        return Place(self.session, path)

    @property
    def pull(self) -> Scopes:
        """The scope that is needed to read."""
        return frozenset({f"repository:{self.path}:pull"})

    @property
    def push(self) -> Scopes:
        """The scope that is needed to write."""
        return frozenset({f"repository:{self.path}:pull,push"})

    @property
    def limits(self) -> Limits:
        """The limits of the session."""
        return self.session.limits

    def url(self, rest: str) -> URL:
        """Return the URL of something in the repository."""
        base = self.session.base
        return attrs.evolve(base, path=f"{base.path}{self.path}/{rest}")

    def subject(self, what: str) -> str:
        """Return the beginning of a message."""
        return f"registry {self.session.host}, repository {self.path}: {what}"
