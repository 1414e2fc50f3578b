"""Docker Engine with its image store on snapshots that lamina made: it builds, runs, commits and saves."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import NotFound
from tests.support.directories import short_directory
from tests.support.interop import releases
from tests.support.interop.containerds import Containerd, once_connected
from tests.support.interop.docker import SUITE, DockerEngine
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "busybox-static", "docker.io", f"containerd-{SUITE}")

CONFIG = """
[plugins."io.containerd.grpc.v1.snapshots".aliases]
lamina = "overlayfs"
stargz = "overlayfs"
"""
"""BuildKit knows snapshotters by these names, or does not: docs/containerd.md says what follows."""

PROGRAMS = ("cat", "chown", "ln", "ls", "mkdir", "rm", "sh", "sleep", "stat")
LARGE = 4 << 20

DOCKERFILE = """
FROM scratch AS base
COPY bin /bin
COPY files /files

FROM base AS made
RUN mkdir /made && echo made > /made/one && ln /made/one /made/two && chown 3:4 /made/one

FROM base
COPY --link files /linked
COPY --link --from=made /made /made
RUN rm /files/a && rm -r /files/folder && mkdir /files/folder && echo new > /files/folder/new
RUN --mount=type=cache,target=/cache --mount=type=bind,from=made,target=/of cat /of/made/one > /read
CMD ["cat", "/read"]
"""


@contextlib.contextmanager
def running_containerd() -> Iterator[tuple[Host, Containerd]]:
    """Run a host and a containerd with the tables that `lamina containerd-config` prints for it."""
    release = releases.release(SUITE)
    with short_directory() as directory, Host(directory / "h", CONFIG).running() as host:
        stanzas = host.lamina("containerd-config", "--containerd-version", release.upstream, "lamina", "stargz")
        with Containerd(directory / "c", stanzas=stanzas, release=release).running() as containerd:
            yield host, containerd


@contextlib.contextmanager
def engine_on(snapshotter: str, host: Host, containerd: Containerd) -> Iterator[DockerEngine]:
    """Run an engine during the block. When its images are removed, it leaves no snapshot behind."""
    with (
        short_directory() as directory,
        DockerEngine(directory / "d", containerd, snapshotter).running() as engine,
    ):
        yield engine
        engine.prune()
        wait_until(lambda: not host.keys(snapshotter), 120, "all snapshots of Docker's images are removed")


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Host, Containerd]]:
    """A host, and a containerd, of the tests that do not kill the host."""
    with running_containerd() as both:
        yield both


@pytest.fixture
def engine(shared: tuple[Host, Containerd]) -> Iterator[DockerEngine]:
    with engine_on("lamina", *shared) as engine:
        yield engine


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that an image is built from."""
    context = tmp_path_factory.mktemp("context")
    (context / "bin").mkdir()
    shutil.copy("/bin/busybox", context / "bin")
    for name in PROGRAMS:
        os.symlink("busybox", context / "bin" / name)
    (context / "files/folder").mkdir(parents=True)
    for name in ("a", "b", "folder/c"):
        (context / "files" / name).write_text(f"{name}\n")
    (context / "files/large").write_bytes(os.urandom(LARGE))
    (context / "Dockerfile").write_text(DOCKERFILE)
    return context


@pytest.fixture
def image(engine: DockerEngine, context: Path) -> str:
    engine.build("built", context)
    return "built"


def test_an_image_has_what_its_dockerfile_says(engine: DockerEngine, image: str) -> None:
    assert engine.run(image) == "made\n"
    assert engine.run(image, "ls", "/files", "/files/folder").split() == [
        *("/files:", "b", "folder", "large"),
        *("/files/folder:", "new"),
    ]
    assert engine.run(image, "ls", "/linked").split() == ["a", "b", "folder", "large"]
    assert engine.run(image, "stat", "-c", "%u:%g %h", "/made/two") == "3:4 2\n"


def test_a_container_is_compared_committed_and_saved(engine: DockerEngine, image: str, tmp_path: Path) -> None:
    engine.docker(
        *("run", "--name", "changed", "--network", "none", image),
        *("sh", "-c", "rm -r /linked; echo x > /x; rm /files/b"),
    )
    try:
        changes = engine.docker("diff", "changed").splitlines()
        engine.docker("commit", "changed", "committed")
        engine.docker("cp", "changed:/x", tmp_path / "x")
    finally:
        engine.docker("rm", "changed")
    engine.docker("save", "--output", tmp_path / "saved.tar", "committed")
    engine.docker("rmi", "committed")
    engine.docker("load", "--input", tmp_path / "saved.tar")

    assert sorted(changes) == ["A /x", "C /files", "D /files/b", "D /linked"]
    assert (tmp_path / "x").read_text() == "x\n"
    assert engine.run("committed", "ls", "/").split() == sorted(
        ["bin", "dev", "etc", "files", "made", "proc", "read", "sys", "x"]
    )
    with tarfile.open(tmp_path / "saved.tar") as archive:
        listed = archive.extractfile("manifest.json")
        assert listed
        (manifest,) = json.load(listed)
    assert manifest["RepoTags"] == ["committed:latest"]


def test_a_container_runs_on_while_lamina_is_killed_and_started_again(context: Path) -> None:
    with running_containerd() as (host, containerd), engine_on("lamina", host, containerd) as engine:
        engine.build("built", context)
        container = engine.docker("run", "--detach", "--network", "none", "built", "sleep", "inf").strip()
        try:
            host.kill()
            while_away = engine.docker("exec", container, "sh", "-c", "echo x > /x; cat /x")
            host.start()
            assert once_connected(lambda: engine.run("built")) == "made\n"
            assert while_away == "x\n"
            assert engine.docker("diff", container).split() == ["A", "/x"]
            assert engine.docker("exec", container, "cat", "/x") == "x\n"
        finally:
            engine.docker("rm", "--force", container)


def test_linked_copies_store_no_second_base_under_the_name_stargz(
    shared: tuple[Host, Containerd], context: Path, tmp_path: Path
) -> None:
    host, containerd = shared
    with engine_on("stargz", host, containerd) as engine:
        engine.build("base", context, "--target", "base")
        (tmp_path / "one").touch()
        (tmp_path / "Dockerfile").write_text("FROM base\nCOPY --link one /one\nRUN ls /one > /listed\n")
        before = large(host, "stargz")
        engine.build("linked", tmp_path)

        assert engine.run("linked", "cat", "/listed") == "/one\n"
        assert large(host, "stargz") == before


def large(host: Host, snapshotter: str) -> int:
    """The number of snapshots that have the large file."""
    found = 0
    with host.client() as client:
        snapshots = client.snapshotter(snapshotter)
        for info in snapshots.walk():
            with contextlib.suppress(NotFound):  # a view that the engine has just removed
                found += snapshots.usage(info.name).size >= LARGE
    return found
