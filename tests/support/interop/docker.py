"""A real Docker Engine as a process of a test, and its command line."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support import leftovers
from tests.support.commands import run
from tests.support.interop import releases
from tests.support.interop.containerds import Containerd
from tests.support.processes.daemons import Daemon

SUITE = "forky"
PACKAGES = ("docker.io", "docker-cli", "docker-buildx")
"""The engine, its command, and the plugin with which the command uses the engine's BuildKit."""


# Nothing of it is outside its directory, except the empty directory /run/docker/plugins, which has no setting.
class DockerEngine(Daemon):
    """`dockerd` with a snapshotter of a containerd as its image store. Use `running()`."""

    def __init__(self, directory: Path, containerd: Containerd, snapshotter: str) -> None:
        """Prepare an engine. It has a network namespace of its own, with nothing in it.

        Args:
            directory: Where it has everything, made here. A short path: sockets have a limit.
            containerd: Whose snapshotter it uses, in namespaces of its own.
            snapshotter: containerd's name of it.
        """
        directory.mkdir()
        _, self._programs = releases.fetched(SUITE, *PACKAGES)
        self._socket = f"unix://{directory}/docker.sock"
        self._cgroup = directory.parent.name
        self._settings = directory / "client"
        plugins = self._settings / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-buildx").symlink_to(self._programs / "docker-buildx")
        file = directory / "daemon.json"
        file.write_text(
            json.dumps(
                {
                    "features": {"containerd-snapshotter": True},
                    "storage-driver": snapshotter,
                    "containerd": containerd.address,
                    "containerd-namespace": f"moby-{snapshotter}",
                    "containerd-plugins-namespace": f"plugins-{snapshotter}",
                    "data-root": f"{directory}/root",
                    "exec-root": f"{directory}/exec",
                    "pidfile": f"{directory}/pid",
                    "hosts": [self._socket],
                    "cgroup-parent": f"/{self._cgroup}",
                    "exec-opts": ["native.cgroupdriver=cgroupfs"],
                    "bridge": "none",
                    "userland-proxy": False,
                    "iptables": False,
                    "ip6tables": False,
                }
            )
        )
        path = f"PATH={self._programs}:{containerd.environment['PATH']}"
        super().__init__(directory, "env", path, "unshare", "--net", "dockerd", "--config-file", file)

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """As `Daemon.running`. Its containers, mounts and cgroups are gone afterwards too."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._remove_cgroups)
            stack.callback(leftovers.remove_mounts, self.directory)
            yield stack.enter_context(super().running())

    def docker(self, *arguments: str | Path) -> str:
        """Run `docker` against it; returns what it printed."""
        options = ("--config", self._settings, "--host", self._socket)
        return run(self._programs / "docker", *options, *arguments)

    def build(self, image: str, context: Path, *options: str) -> None:
        """Build an image from a directory with a Dockerfile, without a network."""
        self.docker("build", "--quiet", "--network", "none", *options, "--tag", image, context)

    def run(self, image: str, *command: str) -> str:
        """Run a container to its end and remove it; returns what it printed."""
        return self.docker("run", "--rm", "--network", "none", image, *command)

    def prune(self) -> None:
        """Remove all images and what was cached while they were built. No container may be there."""
        self.docker("system", "prune", "--all", "--force")
        self.docker("builder", "prune", "--all", "--force")

    def _remove_cgroups(self) -> None:
        """Remove the cgroups below which its containers' were, of either version (cgroups(7))."""
        for group in [
            *Path("/sys/fs/cgroup").glob(self._cgroup),
            *Path("/sys/fs/cgroup").glob(f"*/{self._cgroup}"),
        ]:
            for below in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                below.rmdir()
            group.rmdir()
