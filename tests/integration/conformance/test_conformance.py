"""The conformance suite on each of lamina's snapshotters."""

from __future__ import annotations

from lamina.testing import Conformance
from tests.support.snapshotters.backends import BACKENDS


class TestConformance(Conformance):
    factories = BACKENDS
