"""The complete conformance suite."""

from __future__ import annotations

from lamina.testing._checks.calls import CallChecks
from lamina.testing._checks.closing import ClosingChecks
from lamina.testing._checks.concurrency import ConcurrencyChecks
from lamina.testing._checks.errors import ErrorChecks
from lamina.testing._checks.fidelity import ContentChecks
from lamina.testing._checks.keys import KeyChecks
from lamina.testing._checks.keyspaces import KeyspaceChecks, RebaseChecks
from lamina.testing._checks.labels import LabelChecks
from lamina.testing._checks.layers import LayerChecks
from lamina.testing._checks.lifecycle import LifecycleChecks
from lamina.testing._checks.unpacking import UnpackChecks
from lamina.testing._checks.usage import UsageChecks
from lamina.testing._checks.walks import WalkChecks


class Conformance(
    LifecycleChecks,
    UsageChecks,
    ClosingChecks,
    ErrorChecks,
    KeyChecks,
    LabelChecks,
    WalkChecks,
    ConcurrencyChecks,
    CallChecks,
    KeyspaceChecks,
    RebaseChecks,
    ContentChecks,
    LayerChecks,
    UnpackChecks,
):
    """All checks of the contract. Subclass it as `Test…` and set `factories`."""
