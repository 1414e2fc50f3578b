"""The manifests in examples/kubernetes are valid and consistent."""

from __future__ import annotations

import copy
import sys
import tomllib
from pathlib import Path, PurePath

import kubernetes_validate
import pytest
import yaml

from lamina.cli.containerd.command import Offer
from lamina.cli.containerd.release import Release
from lamina.client import RemotePlugin
from lamina.host._process import _EXIT_SECONDS
from lamina.host._reload import _TIMEOUTS
from lamina.plugin import PluginType, host_platform
from tests.support.commands import run

DIRECTORY = Path(__file__).parents[3] / "examples/kubernetes"
DOCUMENTS = [
    document for file in sorted(DIRECTORY.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())
]
TABLES = {
    "containerd-1.7.toml": ("1.7.16", "io.containerd.grpc.v1.cri"),
    "containerd-2.toml": ("2.0", "io.containerd.cri.v1.runtime"),
}
"""File to the first release that it is for, and to the plugin that has the runtimes there."""


def the(kind):
    (found,) = [document for document in DOCUMENTS if document["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def pod():
    """The pod of the DaemonSet."""
    return the("DaemonSet")["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (container,) = pod["containers"]
    return container


@pytest.fixture(scope="module")
def config():
    """lamina's configuration, from the ConfigMap."""
    return tomllib.loads(the("ConfigMap")["data"]["config.toml"])


@pytest.fixture(params=TABLES)
def containerd(request):
    """The name of a containerd configuration, and what it says."""
    return request.param, tomllib.loads((DIRECTORY / request.param).read_text())


def name_and_kind(document):
    return f"{document['kind']}-{document['metadata']['name']}"


@pytest.mark.parametrize("version", ["1.30", "newest"])
@pytest.mark.parametrize("document", DOCUMENTS, ids=name_and_kind)
def test_each_manifest_matches_the_schemas_of_kubernetes(document, version):
    version = kubernetes_validate.latest_version() if version == "newest" else version
    kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize(
    "mistake",
    [
        lambda spec: spec["volumes"][1]["hostPath"].update(paht="/var/lib/lamina"),
        lambda spec: spec["containers"][0].pop("name"),
        lambda spec: spec.update(terminationGracePeriodSeconds="60"),
        lambda spec: spec["containers"][0]["livenessProbe"].update(command=["lamina"]),
    ],
    ids=["unknown key", "missing key", "wrong type", "wrong place"],
)
def test_the_schemas_detect_a_mistake(mistake):
    document = copy.deepcopy(the("DaemonSet"))
    mistake(document["spec"]["template"]["spec"])
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_host_paths_are_the_same_in_the_pod(pod, container):
    on_node = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    in_pod = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] in on_node}
    assert on_node == in_pod
    assert len(on_node) == 2
    assert all(PurePath(path).is_absolute() for path in on_node.values())


def test_data_and_socket_are_in_host_paths(pod, config):
    shared = [PurePath(volume["hostPath"]["path"]) for volume in pod["volumes"] if "hostPath" in volume]
    address = config["plugins"]["io.containerd.server.v1.grpc"]["address"]
    for path in (config["root"], config["state"], address):
        assert any(PurePath(path).is_relative_to(directory) for directory in shared), path
    assert not any("root_path" in table for table in config["plugins"].values())


def test_the_configuration_is_mounted_where_lamina_reads_it(pod, container):
    volumes = {volume["name"]: volume.get("configMap", {}).get("name") for volume in pod["volumes"]}
    mounted = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert mounted["/etc/lamina"] == the("ConfigMap")["metadata"]["name"]


def test_lamina_accepts_the_configuration(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(the("ConfigMap")["data"]["config.toml"])
    run(sys.executable, "-m", "lamina.cli.main", "config", "check", file)


def test_the_runtime_class_names_a_runtime_whose_snapshotter_is_an_alias_of_lamina(config, containerd):
    file, said = containerd
    runtimes = said["plugins"][TABLES[file][1]]["containerd"]["runtimes"]
    snapshotter = runtimes[the("RuntimeClass")["handler"]]["snapshotter"]
    assert snapshotter in config["plugins"]["io.containerd.grpc.v1.snapshots"]["aliases"]
    assert (
        said["proxy_plugins"][snapshotter]["address"]
        == (config["plugins"]["io.containerd.server.v1.grpc"]["address"])
    )


def test_containerd_2_pulls_and_unpacks_for_that_runtime_with_that_snapshotter():
    plugins = tomllib.loads((DIRECTORY / "containerd-2.toml").read_text())["plugins"]
    handler = the("RuntimeClass")["handler"]
    snapshotter = plugins["io.containerd.cri.v1.runtime"]["containerd"]["runtimes"][handler]["snapshotter"]
    assert plugins["io.containerd.cri.v1.images"]["runtime_platforms"][handler] == {"snapshotter": snapshotter}
    unpacks = plugins["io.containerd.transfer.v1.local"]["unpack_config"]
    assert {one["snapshotter"] for one in unpacks} == {"overlayfs", snapshotter}


def test_the_stanza_equals_the_output_of_the_command(config, containerd):
    file, said = containerd
    exports = {"root": f"{config['root']}/{PluginType.SNAPSHOTTER}.overlayfs"}
    capabilities = ("remap-ids", "only-remap-ids", "rebase")  # on Linux 5.19 or later
    plugin = RemotePlugin(
        PluginType.SNAPSHOTTER, "overlayfs", (), (host_platform(),), exports=exports, capabilities=capabilities
    )
    address = config["plugins"]["io.containerd.server.v1.grpc"]["address"]
    stanza = Offer(plugin, ["lamina"]).stanza("lamina", address)
    assert said["proxy_plugins"] == {"lamina": stanza.table(Release.parse(TABLES[file][0]))}


def test_the_pod_uses_the_runtime_class_and_its_annotation():
    pod, runtime_class = the("Pod"), the("RuntimeClass")
    assert pod["spec"]["runtimeClassName"] == runtime_class["metadata"]["name"]
    assert pod["metadata"]["annotations"]["io.containerd.cri.runtime-handler"] == runtime_class["handler"]


def test_lamina_does_not_depend_on_its_own_snapshotter(pod):
    assert "runtimeClassName" not in pod


def test_a_host_in_which_everything_hangs_still_ends_within_the_grace_period(pod):
    closing = 5  # listener, three snapshotters, metastore
    assert pod["terminationGracePeriodSeconds"] >= closing * _TIMEOUTS["close"] + _EXIT_SECONDS


def test_two_hosts_never_meet_on_a_node():
    rolling = the("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"]
    assert rolling["maxSurge"] == 0  # the second would find the lock taken
