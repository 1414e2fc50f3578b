"""Each of lamina's snapshotters goes through the conformance suite."""

from __future__ import annotations

from lamina.testing import Conformance
from tests.support.snapshotters.backends import BACKENDS


class TestConformance(Conformance):
    factories = BACKENDS
