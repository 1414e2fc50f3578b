"""A containerd as a node of Kubernetes has it: with its CRI plugin, and a network for pods."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support.interop.containerds import Containerd
from tests.support.interop.cri import Cri
from tests.support.interop.releases import Release
from tests.support.prerequisites import CNI
from tests.support.processes.daemons import SECONDS
from tests.support.waiting import wait_until

_CRI_OF_1 = """
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{sandbox}"
stats_collect_period = 1
netns_mounts_under_state_dir = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{directory}/cni"
"""

_CRI_OF_2 = """
[plugins."io.containerd.cri.v1.images"]
snapshotter = "{snapshotter}"
stats_collect_period = 1
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{sandbox}"
[plugins."io.containerd.cri.v1.images".registry]
config_path = "{directory}/registries"
[plugins."io.containerd.cri.v1.runtime"]
netns_mounts_under_state_dir = true
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{cni}"]
conf_dir = "{directory}/cni"
"""

_UNPACK_CONFIG = """
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux"
snapshotter = "{0}"
"""

_NETWORKS = ipaddress.IPv4Network("198.18.0.0/15")
"""For tests of networks, and nobody's address (RFC 2544)."""


class Node(Containerd):
    """A containerd of whose snapshotters one is CRI's default."""

    def __init__(
        self, directory: Path, release: Release, stanzas: str = "", *, snapshotter: str, sandbox: str
    ) -> None:
        """Prepare it.

        Args:
            directory: Where it has everything, made here. A short path: sockets have a limit.
            release: Whose programs it and its tools are.
            stanzas: What makes it use lamina.
            snapshotter: CRI's default.
            sandbox: The image of the pods' sandboxes, in a registry without TLS.
        """
        self.network: ipaddress.IPv4Network
        """The addresses of its pods, while it runs."""
        template = _CRI_OF_2 if release.version >= (2, 0) else _CRI_OF_1
        table = template.format(directory=directory, snapshotter=snapshotter, sandbox=sandbox, cni=CNI)
        super().__init__(directory, stanzas=stanzas + table, release=release, cri=True)
        registry = sandbox.partition("/")[0]
        hosts = directory / "registries" / registry / "hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.write_text(f'[host."http://{registry}"]\ncapabilities = ["pull", "resolve"]\n')
        (directory / "cni").mkdir()

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Run it until the end of the block, which begins when its CRI plugin takes calls."""
        with _reserved_network() as self.network:
            # A pair of interfaces a pod, without rules of a packet filter.
            ipam = {"type": "host-local", "subnet": str(self.network), "dataDir": f"{self.directory}/addresses"}
            network = {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": ipam}]}
            (self.directory / "cni/pods.conflist").write_text(json.dumps(network))
            with super().running(), Cri(self.address) as cri:
                wait_until(cri.is_initialised, SECONDS, "the CRI plugin is initialised")
                yield self


@contextlib.contextmanager
def _reserved_network() -> Iterator[ipaddress.IPv4Network]:
    """Addresses of pods for the block: not those of another node, whose routes are beside these.

    An abstract socket with the name of the network reserves it: like the routes, it belongs to the network
    namespace.
    """
    with socket.socket(socket.AF_UNIX) as reservation:
        yield next(network for network in _NETWORKS.subnets(new_prefix=24) if _is_bound(reservation, str(network)))


def _is_bound(unbound: socket.socket, name: str) -> bool:
    try:
        unbound.bind(f"\0lamina-tests-{name}")
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def unpack_config(release: Release, *snapshotters: str) -> str:
    """What containerd 2's transfer service has to know of proxies besides their tables."""
    if release.version < (2, 0):
        return ""
    return "".join(_UNPACK_CONFIG.format(name) for name in ("overlayfs", *snapshotters))
