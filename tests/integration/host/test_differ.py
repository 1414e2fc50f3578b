"""The differ `walking` of an embedded host."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import ConfigError
from lamina.host import Host
from lamina.layers import Applier, LocalDiffer
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount
from lamina.plugin import PluginType
from lamina.plugins.differ.plugin import lamina_contracts
from tests.support import leftovers
from tests.support.blobs import blob_in_file
from tests.support.images.built import layer


def apply(applier: Applier, directory: Path) -> None:
    target = directory / "target"
    target.mkdir()
    with blob_in_file(directory / "blob", layer({"file": "1"})) as blob:
        applier.apply(blob, [Mount("bind", str(target), ("rbind", "rw"))])
    assert (target / "file").read_text() == "1"


def config(directory: Path, processes: int) -> dict[str, object]:
    return {
        "version": 4,
        "root": f"{directory}/root",
        "state": f"{directory}/state",
        "plugins": {"io.containerd.differ.v1.walking": {"processes": processes}},
    }


@pytest.mark.requires("root")
@pytest.mark.parametrize(("processes", "kind"), [(1, WorkerDiffer), (0, LocalDiffer)])
def test_a_host_applies_layers_in_as_many_processes_as_configured(
    tmp_path: Path, processes: int, kind: type[Applier]
) -> None:
    before = leftovers.children()
    with Host.from_config(config(tmp_path, processes)) as host:
        applier = host.get(PluginType.DIFF, "walking")
        assert isinstance(applier, kind)
        apply(applier, tmp_path)
        assert len(leftovers.children() - before) == processes
    assert leftovers.children() == before


def test_the_number_of_processes_is_checked(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="expected a number from 0 to 64, found -1"),
        Host.from_config(config(tmp_path, -1)),
    ):
        pass


def test_a_differ_need_not_compare() -> None:
    """The contract asks plugins for `apply` alone."""
    (contract,) = lamina_contracts()
    assert (contract.type, contract.members) == (PluginType.DIFF, ("apply",))
