"""Failures to start a host, with reason and remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lamina.config import from_document
from lamina.context import CallContext, use
from lamina.errdefs import (
    Canceled,
    FailedPrecondition,
    InvalidArgument,
    LockHeld,
    NoInstance,
    NotFound,
    PermissionDenied,
    PluginFailed,
    SkipPlugin,
)
from lamina.host import Host
from lamina.plugin import InitContext, PluginType
from tests.support.plugins.benches import Bench, Closable


def fail(ic: InitContext[Any]) -> object:
    raise ValueError("cable cut")


def skip(ic: InitContext[Any]) -> object:
    raise SkipPlugin("no tape here")


def test_a_second_host_on_the_same_root_learns_the_holder(bench: Bench) -> None:
    with bench.host(), pytest.raises(LockHeld, match=rf"lamina\.lock is locked by process {os.getpid()}"):
        bench.host().start()


def test_a_root_that_cannot_be_created_is_reported_with_the_remedy(bench: Bench) -> None:
    # Nobody may make a directory there, root included.
    with pytest.raises(
        PermissionDenied, match=r"root directory: /sys/lamina: .*; run as root, or set another root"
    ):
        bench.host(root="/sys/lamina").start()


def test_a_root_that_is_a_file_is_reported(bench: Bench) -> None:
    (bench.directory / "root").touch()
    with pytest.raises(FailedPrecondition, match=r"the root directory: .*/root: Not a directory"):
        bench.host().start()


@pytest.mark.parametrize(
    ("required", "message"),
    [
        ("x.line.v1.cable", "load required plugin x.line.v1.cable: ValueError: cable cut"),
        ("x.tape.v1.tape", "load required plugin x.tape.v1.tape: skipped: no tape here"),
        (
            "x.user.v1.phone",
            "load required plugin x.user.v1.phone: blocked by x.line.v1.cable: ValueError: cable cut",
        ),
    ],
)
def test_a_required_plugin_that_fails_is_fatal(bench: Bench, required: str, message: str) -> None:
    bench.plugin("x.store.v1.floor")
    bench.plugin("x.line.v1.cable", fail)
    bench.plugin("x.tape.v1.tape", skip)
    bench.plugin("x.user.v1.phone", requires=("x.line.v1",))
    with pytest.raises(PluginFailed) as caught:
        bench.host(required_plugins=[required]).start()
    assert str(caught.value) == message
    assert bench.steps == ["init floor", "close floor"]
    with bench.host():
        pass


def test_a_required_plugin_that_is_disabled_is_fatal_before_anything_is_initialised(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor")
    uris = ["x.store.v1.floor"]
    with pytest.raises(NoInstance, match="floor is disabled"):
        bench.host(required_plugins=uris, disabled_plugins=uris).start()
    assert bench.steps == []


def test_a_missing_required_plugin_is_fatal_and_the_nearest_is_named(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor")
    with pytest.raises(
        NoInstance, match=r"x\.store\.v1\.flor is not installed \(did you mean x\.store\.v1\.floor\?"
    ):
        bench.host(required_plugins=["x.store.v1.flor"]).start()
    assert bench.steps == []


def test_a_required_plugin_whose_package_fails_to_load_is_reported_with_the_reason(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "torn-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lamina.plugins]\nup = torn_apart_by_test\n")
    (tmp_path / "torn_apart_by_test.py").write_text("raise RuntimeError('in pieces')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NoInstance, match=r"x\.y\.z is not installed; could not be loaded: torn:up: .*in pieces"):
        bench.host(required_plugins=["x.y.z"]).start()


def test_a_module_that_does_not_exist_is_fatal(bench: Bench) -> None:
    document = {"root": str(bench.directory / "r"), "state": str(bench.directory / "s")}
    host = Host(from_document({**document, "disabled_distributions": ["lamina"]}), ["no_such_module"])
    with pytest.raises(NotFound, match="no_such_module"):
        host.start()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(98, "Address already in use"), "OSError: .*Address already in use"),
        (SystemExit(3), "SystemExit: 3"),
    ],
    ids=["error", "exit"],
)
def test_a_server_that_does_not_start_is_fatal_with_its_message(
    bench: Bench, error: BaseException, message: str
) -> None:
    class Deaf(Closable):
        def start(self) -> None:
            raise error

    bench.plugin("x.store.v1.floor")
    bench.plugin(f"{PluginType.SERVER}.deaf", lambda _: Deaf("deaf", bench.steps))
    with pytest.raises(PluginFailed, match=rf"start io\.containerd\.server\.v1\.deaf: {message}"):
        bench.host().start()
    assert bench.steps == ["init floor", "close deaf", "close floor"]


def test_a_host_without_a_working_server_is_fatal(bench: Bench) -> None:
    bench.plugin(f"{PluginType.SERVER}.line", fail)
    with pytest.raises(PluginFailed, match=r"no plugin of type io\.containerd\.server\.v1 works: .*cable cut"):
        bench.host().start()


def test_a_plugin_that_fails_after_it_registered_readiness_is_fatal(bench: Bench) -> None:
    def init(ic: InitContext[None]) -> object:
        ic.register_readiness()
        return fail(ic)

    bench.plugin("x.line.v1.cable", init)
    with pytest.raises(
        PluginFailed, match=r"plugin failed after registering readiness x\.line\.v1\.cable: .*cable cut"
    ):
        bench.host().start()


def test_a_cancelled_start_ends_before_the_next_plugin_and_closes_the_others(bench: Bench) -> None:
    context = CallContext()

    def cancel(ic: InitContext[None]) -> object:
        context.cancel()
        return Closable("second", bench.steps)

    bench.plugin("x.a.v1.first")
    bench.plugin("x.a.v1.second", cancel)
    bench.plugin("x.a.v1.third")
    with use(context), pytest.raises(Canceled):
        bench.host().start()
    assert bench.steps == ["init first", "close second", "close first"]


def test_an_invalid_registration_of_a_named_module_is_fatal(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor", requires=("x.store.v1",))
    with pytest.raises(InvalidArgument, match="cannot require its own type"):
        bench.host().start()
