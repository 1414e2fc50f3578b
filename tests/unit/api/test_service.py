"""The description of a service."""

from lamina.api import Method, Service
from lamina.api.messages.empty_pb2 import Empty
from lamina.api.messages.version_pb2 import VersionResponse


def test_a_service_returns_the_path_of_a_method():
    version = Method("Version", Empty, lambda _: VersionResponse(version="1"))
    service = Service("containerd.services.version.v1.Version", (version,))
    assert service.path(version) == "/containerd.services.version.v1.Version/Version"
    assert (version.streams, version.slow) == (False, False)
