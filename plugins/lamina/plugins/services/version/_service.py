"""`containerd.services.version.v1.Version`."""

from __future__ import annotations

import json

from lamina.api import Method, Service, encode
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.version_pb2 import VersionResponse
from lamina.plugin import Distribution, distribution


class VersionService:
    """Returns the version and revision of an installed distribution."""

    def __init__(self, name: str = "lamina") -> None:
        """Create the service for a distribution.

        Raises:
            NotFound: The distribution is not installed.
        """
        found = distribution(name)
        self._response = encode(VersionResponse, version=found.version, revision=_revision(found))
        self.service = Service(
            name="containerd.services.version.v1.Version",
            methods=(Method("Version", Empty, self._version),),
        )

    def _version(self, _request: Empty) -> VersionResponse:
        return self._response


def _revision(found: Distribution) -> str:
    """Return the commit of a distribution installed from a repository (PEP 610), or ""."""
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", ""))
