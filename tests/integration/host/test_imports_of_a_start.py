"""A start imports what answers calls, and leaves the rest to the calls that need it."""

from __future__ import annotations

import pytest

from tests.support.directories import short_directory
from tests.support.processes.hosts import LAMINA, Host

pytestmark = pytest.mark.requires("root", "overlay")

SPY = """
import os
import sys
from lamina.plugin import hookimpl

@hookimpl
def lamina_register():
    return []

@hookimpl
def lamina_host_stopping(plugins):
    with open(os.environ["IMPORTED"], "w") as file:  # in a line of the log, it could be cut by another one
        file.write(" ".join(sys.modules))
"""

NEEDED_LATER = {
    *("grpc", "hashlib", "importlib.metadata", "pathlib", "random", "rich", "shutil", "subprocess", "tempfile"),
    "lamina.config.reading._positions",
    *(
        "lamina.api._content",
        "lamina.api._convert",
        "lamina.api._time",
        "lamina.api._images",
        "lamina.api._leases",
        "lamina.api._plugins",
    ),
    *("lamina.client", "lamina.filters", "lamina.fs._copy", "lamina.registry", "lamina.snapshots.recovery"),
    *("lamina.images._results", "lamina.images.archive", "lamina.images.building", "lamina.images.documents"),
    *("lamina.images.unpack._destination", "lamina.plugins.servers.metrics._address"),
    *("lamina.layers.applying", "lamina.layers.comparing", "lamina.layers.tar", "lamina.layers.workers._worker"),
    *("lamina.metadata._leases", "lamina.metadata._images", "lamina.metadata.collection._collector"),
    *("lamina.plugins.services.content._service", "lamina.plugins.services.images._service"),
    *("lamina.plugins.services.introspection._service", "lamina.plugins.services.leases._service"),
    *("lamina.plugins.services.namespaces._service", "lamina.plugins.metastore._service"),
    *("lamina.plugins.gc._service", "lamina.plugins.transfer._service", "lamina.api.messages.transfer_pb2"),
}
"""Modules that only some calls import."""


def test_a_start_leaves_to_calls_what_only_some_of_them_import() -> None:
    with short_directory() as directory:
        (directory / "spy.py").write_text(SPY)
        imported = directory / "imported"
        environment = {"PYTHONPATH": str(directory), "IMPORTED": str(imported)}
        host = Host(directory, "", ("-p", "spy"), lamina=LAMINA, environment=environment)
        with host.launched() as serving:
            serving.wait_ready()
            assert serving.stop() == 0
        modules = set(imported.read_text().split())
    assert "lamina.plugins.snapshots.overlay._backend" in modules
    assert not modules & NEEDED_LATER
