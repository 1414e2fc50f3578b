"""`containerd.services.version.v1.Version`."""

from __future__ import annotations

import json

from lamina.api import Method, Service, encode
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.version_pb2 import VersionResponse
from lamina.plugin import Distribution, distribution


class VersionService:
    """Tells what an installed distribution was built from."""

    def __init__(self, name: str = "lamina") -> None:
        """Look the distribution up.

        Raises:
            NotFound: It is not installed.
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
    """The commit that it was installed from, or "" where it was not installed from a repository (PEP 610)."""
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    return str(origin.get("vcs_info", {}).get("commit_id", ""))
