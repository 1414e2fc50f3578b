"""Contracts, which the package that defines a type states for its plugins."""

from __future__ import annotations

import abc
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest

from lamina.config import from_document
from lamina.errdefs import InvalidRegistration
from lamina.host import Host
from lamina.plugin import Contract, PluginType, Registration, Registry, hookimpl
from tests.support.plugins.distributions import GOOD, Site, source

TAPE = "com.example.tape.v1"


class Tape(abc.ABC):
    @abc.abstractmethod
    def rewind(self) -> None: ...

    @abc.abstractmethod
    def read(self) -> bytes: ...

    def label(self) -> str:
        return ""


class Labelled(Protocol):
    @property
    @abc.abstractmethod
    def label(self) -> str: ...


class LongTape(Tape):
    @abc.abstractmethod
    def length(self) -> int: ...


class Reel:
    def rewind(self) -> None: ...

    def read(self) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("interface", "members"),
    [(Tape, ("rewind", "read")), (Labelled, ("label",)), (LongTape, ("rewind", "read", "length"))],
)
def test_the_abstract_members_of_an_interface_are_required(interface: type, members: tuple[str, ...]) -> None:
    assert Contract(TAPE, interface).members == members


@pytest.mark.parametrize(
    ("contract", "message"),
    [
        (Contract(5, Tape), "contract: type must be a UTF-8 string, not 5"),
        (Contract(TAPE, Reel), f"contract of {TAPE}: expected an abstract base class or a protocol"),
        (Contract(TAPE, "Tape"), f"contract of {TAPE}: expected .* found 'Tape'"),
        (Contract(PluginType.SERVER, Tape), "io.containerd.server.v1: the type already has a contract"),
    ],
)
def test_a_malformed_or_second_contract_is_refused(contract: Contract, message: str) -> None:
    with pytest.raises(InvalidRegistration, match=message):
        Registry().add_contract(contract)


def test_a_distribution_set_aside_loses_its_contracts() -> None:
    registry = Registry().add_contract(Contract(TAPE, Tape, distribution="tapes"))
    assert registry.without("others").contract(TAPE) is not None
    assert registry.without("tapes").contract(TAPE) is None


def test_a_package_with_a_malformed_contract_is_a_failed_plugin(tmp_path: Path) -> None:
    hook = "@hookimpl\ndef lamina_contracts():\n    return [int]\n"
    site = Site(tmp_path / "site")
    site.install("bad", {"bad": source("plugin('x')", more=hook)})
    site.install("good", {"good": GOOD})
    found = site.discover()
    assert found["registry"] == {"good.x": "good"}
    problem = "bad:bad: lamina_contracts gave <class 'int'>: not a Contract"
    assert found["failed"] == {"io.lamina.entry-point.v1.bad:bad": ["bad", "failed", problem]}


def test_the_plugins_of_one_package_must_fulfil_the_contract_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inits: dict[str, Callable[[Any], object]] = {"reel": lambda _: Reel(), "number": lambda _: 5}
    drives = [Registration(type=TAPE, id=id_, init=init) for id_, init in inits.items()]
    hooks = {
        "lamina_register": hookimpl(lambda: drives[:0]),
        "lamina_contracts": hookimpl(lambda: [Contract(TAPE, Tape)]),
    }
    modules = {"tapes": hooks, "drives": {"lamina_register": hookimpl(lambda: drives)}}
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    paths = {"root": f"{tmp_path}/root", "state": f"{tmp_path}/state"}
    with Host(from_document({"disabled_distributions": ["lamina"], **paths}), ["drives", "tapes"]) as host:
        problems = {plugin.id: plugin.problem for plugin in host.plugins}
    assert problems == {"reel": "", "number": "init returned the wrong type: int lacks rewind, read"}
