"""The version service, with an answer of a test's."""

from __future__ import annotations

from lamina.api import Method, Service
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.version_pb2 import VersionResponse

VERSION = "containerd.services.version.v1.Version"


def version_service(handler):
    """Make the service of a handler of its only method."""
    return Service(VERSION, (Method("Version", Empty, handler),))


def answer(_):
    """Answer with a version and a revision."""
    return VersionResponse(version="1.2.3", revision="abc")
