"""Contexts of parts of a call."""

from __future__ import annotations

import pytest

from lamina.context import CallContext, cancellable, use
from lamina.errdefs import Canceled, Unavailable


def test_a_part_ends_with_its_call_and_for_the_same_reason() -> None:
    call = CallContext(namespace="mine", deadline=1.0)
    with use(call), cancellable() as part:
        assert (part.namespace, part.deadline) == ("mine", 1.0)
        call.cancel(Unavailable("the host stops"))
    with pytest.raises(Unavailable, match="the host stops"):
        part.check()


def test_a_part_ends_alone() -> None:
    call = CallContext()
    with use(call), cancellable() as part:
        part.cancel()
    with pytest.raises(Canceled):
        part.check()
    call.check()
