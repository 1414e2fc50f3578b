"""Configurations of a real containerd are read without errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.support.commands import run

pytestmark = pytest.mark.requires("containerd")

PROGRAM = Path(sys.executable).with_name("lamina")
DEBIANS = Path("/etc/containerd/config.toml")
OVERLAY = "io.containerd.snapshotter.v1.overlayfs"


def keys_by_use(path: Path) -> dict[str, list[str]]:
    """The keys of a configuration by what lamina would make of them."""
    found = json.loads(run(PROGRAM, "config", "check", "--containerd", path, "--json"))
    keys: dict[str, list[str]] = {}
    for setting in found["Settings"]:
        keys.setdefault(setting["Use"], []).append(setting["Key"])
    return keys


@pytest.mark.skipif(not DEBIANS.exists(), reason=f"there is no {DEBIANS}")
def test_the_installed_configuration_is_accepted() -> None:
    assert keys_by_use(DEBIANS)


def test_containerds_own_default_is_accepted_and_sorted(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(run("containerd", "config", "default"))
    keys = keys_by_use(path)
    same = keys["means the same in lamina"]
    assert f'plugins."{OVERLAY}".upperdir_label' in same
    own = keys["is specific to containerd: lamina needs a value of its own"]
    assert own[:2] == ["root", "state"]
    assert 'plugins."io.containerd.grpc.v1.cri"' in keys["ignored"]
    assert "leads to this lamina" not in keys


def test_the_proxy_table_of_lamina_is_recognised(tmp_path: Path) -> None:
    path, mine = tmp_path / "config.toml", tmp_path / "lamina.toml"
    mine.write_text(f'version = 4\nstate = "{tmp_path}"\n')
    stanza = f'[proxy_plugins.lamina]\ntype = "snapshot"\naddress = "{tmp_path}/lamina.sock"\n'
    path.write_text(f"version = 2\n{stanza}")
    run("containerd", "--config", path, "config", "dump")  # containerd itself takes it
    text = run(PROGRAM, "config", "check", mine, "--containerd", path)
    assert "Leads to this lamina:" in text
    assert "config.toml:2    proxy_plugins.lamina    (2 settings)    snapshotter overlayfs" in text
