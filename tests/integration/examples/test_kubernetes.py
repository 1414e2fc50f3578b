"""The Kubernetes examples, as far as they work without a cluster."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.commands import environment, run
from tests.support.directories import short_directory
from tests.support.interop import releases
from tests.support.processes.hosts import Host

DIRECTORY = Path(__file__).parents[3] / "examples/kubernetes"

pytestmark = pytest.mark.requires("root", "overlay")


def manifest(kind: str) -> dict:
    found = [one for one in yaml.safe_load_all((DIRECTORY / "lamina.yaml").read_text()) if one["kind"] == kind]
    return found[0]


@pytest.fixture(scope="module")
def serving() -> Iterator[Host]:
    """A host with the configuration of the ConfigMap in other directories."""
    with short_directory() as directory:
        config = manifest("ConfigMap")["data"]["config.toml"]
        moved = config.replace("/var/lib/lamina", f"{directory}/root").replace("/run/lamina", f"{directory}/state")
        host = Host(directory)
        host.file.write_text(moved)
        with host.running():
            yield host


@pytest.mark.parametrize(("file", "version"), [("containerd-1.7.toml", "1.7.16"), ("containerd-2.toml", "2.0")])
def test_the_stanza_equals_the_output_of_the_host(serving: Host, file: str, version: str) -> None:
    command = (sys.executable, "-m", "lamina.cli.main", "containerd-config", "--containerd-version", version)
    shown = run(*command, "lamina", env={"LAMINA_ADDRESS": f"{serving.state}/lamina.sock"})
    there = shown.replace(str(serving.root), "/var/lib/lamina").replace(str(serving.state), "/run/lamina")
    printed = tomllib.loads(there)["proxy_plugins"]
    written = tomllib.loads((DIRECTORY / file).read_text())["proxy_plugins"]
    if "remap-ids" not in printed["lamina"].get("capabilities", ("remap-ids",)):
        pytest.skip("what is written holds from Linux 5.19 on: overlay mounts cannot be id-mapped here")
    assert written == printed


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe"])
def test_a_probe_succeeds_only_if_a_host_answers(serving: Host, probe: str) -> None:
    (container,) = manifest("DaemonSet")["spec"]["template"]["spec"]["containers"]
    program, *arguments = container[probe]["exec"]["command"]
    assert program == "lamina"
    arguments[arguments.index("--timeout") + 1] = "60s"  # which a busy machine may need

    def ask(socket: str) -> int:
        command = (sys.executable, "-m", "lamina.cli.main", *arguments)
        asked = environment() | {"LAMINA_ADDRESS": socket}
        return subprocess.run(command, env=asked, capture_output=True, check=False, timeout=120).returncode

    assert ask(f"{serving.state}/lamina.sock") == 0
    assert ask(f"{serving.state}/nobody.sock") == 1


@pytest.mark.requires("containerd")
def test_the_cri_plugin_of_containerd_1_finds_the_runtime() -> None:
    dumped = run("containerd", "--config", DIRECTORY / "containerd-1.7.toml", "config", "dump")
    cri = tomllib.loads(dumped)["plugins"]["io.containerd.grpc.v1.cri"]
    runtime = cri["containerd"]["runtimes"][manifest("RuntimeClass")["handler"]]
    assert runtime["runtime_type"] == "io.containerd.runc.v2"
    assert runtime["options"] == {"SystemdCgroup": True}


CRI_OF_VERSION_2 = """\
version = 2
root = "{0}/root"
state = "{0}/state"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "registry.example.com/pause:3"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "/etc/containerd/certs.d"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""


@pytest.mark.requires("containerd-forky")
def test_a_node_of_containerd_2_keeps_its_settings_beside_the_drop_in(tmp_path: Path) -> None:
    """Its configuration of version 2 is migrated first, as the example says."""
    containerd = releases.release("forky").programs / "containerd"
    file = tmp_path / "config.toml"
    file.write_text(CRI_OF_VERSION_2.format(tmp_path))
    migrated = run(containerd, "--config", file, "config", "migrate")
    assert "imports = []" in migrated
    file.write_text(migrated.replace("imports = []", f'imports = ["{DIRECTORY}/containerd-2.toml"]'))
    settings = tomllib.loads(run(containerd, "--config", file, "config", "dump"))
    images, runtime = (settings["plugins"][f"io.containerd.cri.v1.{name}"] for name in ("images", "runtime"))
    assert images["pinned_images"] == {"sandbox": "registry.example.com/pause:3"}
    assert images["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert images["runtime_platforms"]["lamina"]["snapshotter"] == "lamina"
    runtimes = runtime["containerd"]["runtimes"]
    assert runtimes["runc"]["options"]["SystemdCgroup"] is True
    assert runtimes["lamina"]["snapshotter"] == "lamina"
    assert "lamina" in settings["proxy_plugins"]
