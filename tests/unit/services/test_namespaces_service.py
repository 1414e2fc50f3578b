"""The namespaces service's methods, called without a transport."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from lamina.errdefs import NotFound, Unimplemented
from lamina.plugins.services.namespaces.plugin import namespaces_service

Ask = Callable[..., Any]
"""Calls a method."""


@pytest.fixture
def ask(call: Ask) -> Ask:
    return functools.partial(call, namespaces_service(lambda: ["default", "k8s.io"]))


def test_the_methods_are_those_of_the_protocol() -> None:
    service = namespaces_service(lambda: pytest.fail("not called"))
    assert service.name == "containerd.services.namespaces.v1.Namespaces"
    assert [method.name for method in service.methods] == ["Get", "List", "Create", "Update", "Delete"]


def test_namespaces_are_listed_and_found(ask: Ask) -> None:
    assert [found.name for found in ask("List").namespaces] == ["default", "k8s.io"]
    assert ask("Get", name="k8s.io").namespace.name == "k8s.io"
    with pytest.raises(NotFound, match="no namespace 'other'"):
        ask("Get", name="other")


@pytest.mark.parametrize("method", ["Create", "Update", "Delete"])
def test_namespaces_are_not_changed(ask: Ask, method: str) -> None:
    with pytest.raises(Unimplemented, match="each appears with its first image"):
        ask(method)
