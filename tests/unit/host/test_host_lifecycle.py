"""Start and stop of a host with test plugins."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.context import CallContext, use
from lamina.errdefs import ConfigError, DeadlineExceeded, FailedPrecondition, SkipPlugin
from lamina.plugin import PROPERTY_GRPC_ADDRESS, SERVING_TYPES, InitContext, Plugin, PluginSet, PluginType
from tests.support.plugins.benches import Bench, statuses


def fail(ic: InitContext[Any]) -> object:
    raise ValueError("cable cut")


def skip(ic: InitContext[Any]) -> object:
    raise SkipPlugin("no tape here")


# Order


def test_plugins_are_initialised_after_their_requirements_and_closed_in_reverse(bench: Bench) -> None:
    bench.plugin("x.service.v1.roof", requires=("x.store.v1",))
    bench.plugin("x.store.v1.floor")
    with bench.host():
        assert bench.steps == ["init floor", "init roof"]
    assert bench.steps[2:] == ["close roof", "close floor"]


def test_servers_are_started_in_order_after_everything_is_initialised(bench: Bench) -> None:
    bench.plugin(f"{PluginType.SERVER}.one")
    bench.plugin(f"{PluginType.SERVER}.two")
    bench.plugin("x.late.v1.last")
    with bench.host():
        assert bench.steps == ["init one", "init two", "init last", "start one", "start two"]


def test_get_returns_a_working_instance(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor")
    with bench.host() as host:
        assert host.get("x.store.v1", "floor").name == "floor"


@pytest.mark.parametrize("type_", sorted(SERVING_TYPES))
def test_an_embedded_host_has_no_servers(bench: Bench, type_: str) -> None:
    bench.plugin(f"{type_}.one")
    bench.plugin("x.store.v1.floor")
    with bench.host(embedded=True, required_plugins=[f"{type_}.one"]) as host:
        assert statuses(host.plugins) == {"floor": "ok"}


def test_an_embedded_host_leaves_temporary_files_to_the_program(bench: Bench) -> None:
    before = tempfile.gettempdir()
    with bench.host(embedded=True, temp=str(bench.directory / "temp")):
        assert tempfile.gettempdir() == before


def test_plugins_are_available_only_while_the_host_runs(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor")
    host = bench.host()
    refusal = r"get x\.store\.v1\.floor: the host is not running"
    with pytest.raises(FailedPrecondition, match=refusal):
        host.get("x.store.v1", "floor")
    with host:
        assert host.get("x.store.v1", "floor")
    with pytest.raises(FailedPrecondition, match=refusal):
        host.get("x.store.v1", "floor")


def test_a_disabled_plugin_is_absent(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor")
    with bench.host(disabled_plugins=["x.store.v1.floor"]) as host:
        assert not host.plugins.get_all()
    assert bench.steps == []


def test_a_disabled_distribution_is_not_imported(tmp_path: Path) -> None:
    code = f"""
import sys
from lamina.config import from_document
from lamina.host import Host
paths = dict(root={str(tmp_path / "root")!r}, state={str(tmp_path / "state")!r})
with Host(from_document(dict(paths, disabled_distributions=["Lamina"]))):
    print([name for name in sys.modules if name.startswith("lamina.plugins.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_host_is_started_once(bench: Bench) -> None:
    with bench.host() as host, pytest.raises(FailedPrecondition, match="once"):
        host.start()


# Directories and lock


def test_the_root_is_the_users_alone_and_the_state_can_be_passed_through(bench: Bench) -> None:
    (bench.directory / "root").mkdir(mode=0o755)
    with bench.host():
        assert stat.S_IMODE((bench.directory / "root").stat().st_mode) == 0o700
        assert stat.S_IMODE((bench.directory / "state").stat().st_mode) == 0o711


def test_a_stopped_host_releases_its_root(bench: Bench) -> None:
    with bench.host():
        pass
    with bench.host():
        pass


def test_temporary_files_go_to_temp_while_the_host_runs(bench: Bench) -> None:
    before = tempfile.gettempdir(), os.environ.get("TMPDIR")
    temp = bench.directory / "temp"
    with bench.host(temp=str(temp)):
        with tempfile.NamedTemporaryFile() as file:
            assert Path(file.name).parent == temp
        assert os.environ["TMPDIR"] == str(temp)
        assert stat.S_IMODE(temp.stat().st_mode) == 0o700
    assert (tempfile.gettempdir(), os.environ.get("TMPDIR")) == before


# Plugins that do not work


def test_a_failed_plugin_is_shown_and_stops_no_other(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.plugin("x.line.v1.cable", fail)
    bench.plugin("x.tape.v1.tape", skip)
    bench.plugin("x.user.v1.phone", requires=("x.line.v1",))
    bench.plugin("x.store.v1.floor")
    caplog.set_level(logging.INFO)
    with bench.host() as host:
        assert statuses(host.plugins) == {"cable": "failed", "tape": "skipped", "phone": "blocked", "floor": "ok"}
    messages = [(record.msg, vars(record).get("id"), vars(record).get("error")) for record in caplog.records]
    assert messages == [
        ("loading plugin", "cable", None),
        ("failed to load plugin", "cable", "ValueError: cable cut"),
        ("loading plugin", "tape", None),
        ("skip loading plugin", "tape", "no tape here"),
        ("loading plugin", "phone", None),
        ("failed to load plugin", "phone", "blocked by x.line.v1.cable: ValueError: cable cut"),
        ("loading plugin", "floor", None),
        ("loaded plugin", "floor", None),
        ("nothing is served", None, "no plugins registered for io.containerd.server.v1"),
    ]


def test_each_plugins_outcome_is_one_log_line_with_its_status_and_milliseconds(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.plugin("x.line.v1.cable", fail)
    bench.plugin("x.tape.v1.tape", skip)
    bench.plugin("x.user.v1.phone", requires=("x.line.v1",))
    bench.plugin("x.store.v1.floor")
    caplog.set_level(logging.INFO)
    with bench.host() as host:
        expected = [(one.id, one.status, round(one.seconds * 1000, 1)) for one in host.plugins]
    logged = [vars(record) for record in caplog.records if "status" in vars(record)]
    assert [(one["id"], one["status"], one["milliseconds"]) for one in logged] == expected


# Configuration


@attrs.frozen
class FloorConfig:
    area: int = 10


def test_a_plugin_gets_its_decoded_table(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor", lambda ic: ic.config, config=FloorConfig)
    with bench.host(plugins={"x.store.v1.floor": {"area": 12}}) as host:
        assert host.get("x.store.v1", "floor") == FloorConfig(12)


def test_all_problems_of_plugin_tables_are_reported_before_any_init(bench: Bench) -> None:
    bench.plugin("x.store.v1.floor", config=FloorConfig)
    bench.plugin("x.store.v1.roof", config=FloorConfig)
    tables = {"x.store.v1.floor": {"area": "wide"}, "x.store.v1.roof": {"aria": 1}}
    with pytest.raises(ConfigError) as caught:
        bench.host(plugins=tables).start()
    assert 'the string "wide"' in str(caught.value)
    assert 'did you mean "area"?' in str(caught.value)
    assert bench.steps == []


def test_an_unused_table_is_a_warning(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with bench.host(plugins={"x.store.v1.cellar": {}}):
        pass
    assert any("x.store.v1.cellar" in record.getMessage() for record in caplog.records)


@attrs.frozen
class ListenerConfig:
    address: str = ""


@pytest.mark.parametrize(
    ("table", "address"),
    [({}, "{state}/lamina.sock"), ({"address": "/a.sock"}, "/a.sock"), ({"address": "unix:///a.sock"}, "/a.sock")],
)
def test_plugins_receive_the_grpc_address(bench: Bench, table: dict[str, str], address: str) -> None:
    bench.plugin("x.store.v1.floor", lambda ic: ic.properties[PROPERTY_GRPC_ADDRESS])
    bench.plugin(f"{PluginType.SERVER}.grpc", config=ListenerConfig)
    expected = address.format(state=bench.directory / "state")
    with bench.host(plugins={f"{PluginType.SERVER}.grpc": table}) as host:
        assert host.get("x.store.v1", "floor") == host.address == expected


# Readiness


def test_a_host_is_ready_when_every_plugin_is(bench: Bench) -> None:
    releases: list[Callable[[], None]] = []

    def init(ic: InitContext[None]) -> object:
        releases.append(ic.register_readiness())
        return object()

    bench.plugin("x.line.v1.cable", init)
    bench.hooks["lamina_host_ready"] = lambda plugins: bench.steps.append("ready")
    host = bench.host()
    host.start()
    context = CallContext(deadline=0)
    try:
        with use(context), pytest.raises(DeadlineExceeded):
            host.wait_ready()
        assert bench.steps == []
        threading.Timer(0.01, releases[0]).start()
        host.wait_ready()
        assert bench.steps == ["ready"]
    finally:
        host.stop()


# Hooks and stop


def test_hooks_are_called_for_each_plugin_and_the_host(bench: Bench) -> None:
    def note(event: str) -> Callable[[Plugin], None]:
        return lambda plugin: bench.steps.append(f"{event} {plugin.id}")

    def note_stopping(plugins: PluginSet) -> None:
        bench.steps.append(f"stopping {len(plugins)}")

    bench.hooks = {
        "lamina_initialised": note("initialised"),
        "lamina_skipped": note("skipped"),
        "lamina_failed": note("failed"),
        "lamina_host_ready": lambda plugins: bench.steps.append("ready"),
        "lamina_host_stopping": note_stopping,
    }
    bench.plugin("x.store.v1.floor")
    bench.plugin("x.line.v1.cable", fail)
    bench.plugin("x.tape.v1.tape", skip)
    host = bench.host()
    with host:
        pass
    host.stop()
    assert bench.steps == [
        "init floor", "initialised floor", "failed cable", "skipped tape", "ready", "stopping 3", "close floor",
    ]  # fmt: skip


def test_the_module_that_is_about_to_be_imported_is_named_in_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Importing has no deadline: the last of these lines says which package hangs."""
    caplog.set_level(logging.DEBUG)
    with bench.host():
        pass
    named = [vars(record)["entry_point"] for record in caplog.records if record.msg == "loading plugin module"]
    assert named == [bench.name]
