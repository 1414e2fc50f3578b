"""`lamina containerd-config` against a running host."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import attrs
import pytest

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def say(directory: Path, text: str) -> None:
    """Put a `containerd` that prints that there."""
    program = directory / "containerd"
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)


def test_it_prints_toml_with_a_table_for_each_snapshotter_that_works(lamina):
    shown = lamina("containerd-config", "--containerd-version", "1.6")
    table = {"type": "snapshot", "address": lamina.address}
    assert tomllib.loads(shown)["proxy_plugins"].items() >= {"lamina": table, "lamina-native": table}.items()
    lines = shown.splitlines()
    assert lines[0] == "# For /etc/containerd/config.toml of containerd 1.6.0. Restart containerd afterwards."
    assert "# Without exports, which containerd reads since 1.6.32 and 1.7.16." in lines
    assert "# lamina's snapshotter overlayfs. Its other names: lamina-overlayfs." in lines


def test_a_broken_snapshotter_is_a_comment_with_the_reason(lamina):
    (plugin,) = json.loads(lamina("plugins", "ls", "--json", "id==btrfs"))
    if plugin["Status"] == "ok":
        pytest.skip("the directory for temporary files is on btrfs")
    reason = plugin["Error"]["Message"].removesuffix(": skip plugin")
    shown = lamina("containerd-config").splitlines()
    assert f"# lamina's snapshotter btrfs is left out: {reason}" in shown


def test_newer_containerds_get_capabilities_and_data_roots(lamina):
    (plugin,) = json.loads(lamina("plugins", "ls", "--json", "id==overlayfs"))
    shown = tomllib.loads(lamina("containerd-config", "--containerd-version", "2.1", "lamina-overlayfs"))
    table = {
        "type": "snapshot",
        "address": lamina.address,
        "capabilities": plugin["Capabilities"],
        "exports": {"root": plugin["Exports"]["root"]},
    }
    assert shown == {"proxy_plugins": {"lamina-overlayfs": table}}


def test_a_containerd_without_id_mapping_gets_no_such_capability(lamina):
    shown = lamina("containerd-config", "--containerd-version", "1.7.24", "lamina")
    table = tomllib.loads(shown)["proxy_plugins"]["lamina"]
    assert table["capabilities"] == ["rebase"]
    told = "# Without remap-ids and only-remap-ids: containerd 1.7.24 cannot make id-mapped mounts."
    assert told in shown.splitlines()


def test_unpack_config_is_printed_for_containerds_with_a_transfer_service(lamina):
    lines = lamina("containerd-config", "--containerd-version", "2.1", "lamina").splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("# ")]
    start = comments.index('[[plugins."io.containerd.transfer.v1.local".unpack_config]]')
    tables = tomllib.loads("\n".join(comments[start:]))["plugins"]["io.containerd.transfer.v1.local"]
    assert [table["snapshotter"] for table in tables["unpack_config"]] == ["overlayfs", "lamina"]
    assert "unpack_config" not in lamina("containerd-config", "--containerd-version", "1.7.24")


def test_json_has_the_tables_and_all_names(lamina):
    document = json.loads(lamina("containerd-config", "--containerd-version", "1.6", "--json", "lamina"))
    assert document["ContainerdVersion"] == "1.6.0"
    assert document["ProxyPlugins"] == {"lamina": {"type": "snapshot", "address": lamina.address}}
    assert document["Snapshotters"] == [{"ID": "overlayfs", "Names": ["lamina", "lamina-overlayfs"]}]


def test_a_relative_address_is_printed_as_absolute(lamina, monkeypatch):
    monkeypatch.chdir(Path(lamina.address).parent)
    relative = attrs.evolve(lamina, address=os.path.basename(lamina.address))
    shown = tomllib.loads(relative("containerd-config"))
    assert shown["proxy_plugins"]["lamina"]["address"] == lamina.address


def test_the_containerd_on_path_decides_the_format_and_is_named(lamina, path):
    say(path, "containerd github.com/containerd/containerd 1.7.16~x 5d8f")
    first, *_ = shown = lamina("containerd-config").splitlines()
    assert "of containerd 1.7.16, as reported by `containerd --version`." in first
    assert set(tomllib.loads("\n".join(shown))["proxy_plugins"]["lamina"]) == {"type", "address", "exports"}


def test_without_a_containerd_on_path_the_newest_format_is_printed(lamina, path):
    first, *_ = shown = lamina("containerd-config").splitlines()
    assert "the newest known, because containerd is not on PATH" in first
    assert "capabilities" in tomllib.loads("\n".join(shown))["proxy_plugins"]["lamina"]


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("containerd github.com/containerd/containerd v1.1.8 af", "containerd 1.1.8 has no proxy plugins"),
        ("containerd", "'' is not a version of containerd"),
    ],
)
def test_an_unusable_containerd_on_path_is_refused_with_the_remedy(lamina, path, says, message):
    say(path, says)
    refusal = lamina("containerd-config", code=1)
    assert message in refusal
    assert "use --containerd-version to name another version" in refusal


def test_a_version_that_cannot_have_proxy_plugins_is_refused(lamina):
    refusal = lamina("containerd-config", "--containerd-version", "1.1", code=1)
    assert refusal == "lamina: containerd 1.1.0 has no proxy plugins: they were added in 1.2.0\n"
