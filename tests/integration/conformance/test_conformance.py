"""Each of lamina's snapshotters goes through the conformance suite."""

from __future__ import annotations

from backends import BACKENDS

from lamina.testing import Conformance


class TestConformance(Conformance):
    factories = BACKENDS
