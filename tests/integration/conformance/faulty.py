"""The conformance suite on faulty snapshotters, which must fail. `test_faults.py` runs it."""

from __future__ import annotations

from lamina.testing import Conformance
from tests.support.conformance.faults import FAULTS, SOUND


class TestFaulty(Conformance):
    factories = tuple(fault.factory for fault in (*FAULTS, *SOUND))
