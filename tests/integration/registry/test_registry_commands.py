"""`lamina images pull` and `push`, and the secrets that they are given."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.images.documents import Platform
from tests.support.commands import CommandFailed, environment, run
from tests.support.images import Documents
from tests.support.images.built import layer
from tests.support.processes.hosts import LAMINA, Host
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.forward_proxy import ForwardProxy
from tests.support.registries.seeding import seed_documents
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "docker-registry")

LAYERS = (layer({"etc": None, "etc/name": "base"}), layer({"top": "3"}))


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry with the image `image:1`, which lets nobody in without a password."""
    registry = DockerRegistry(tmp_path_factory.mktemp("private"))
    made = Documents()
    with registry.running():
        seed_documents(registry, "image", made, made.manifest(Platform.host(), "", *LAYERS), "1")
        registry.kill()
        registry.has_passwords = True
        registry.start()
        yield registry


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that logs all that it can."""
    with Host(tmp_path_factory.mktemp("h"), '[debug]\nlevel = "debug"\n').running() as running:
        yield running


def lamina(host: Host, *arguments: str, config: Path | None = None) -> str:
    """Run the command with a directory of Docker's configuration."""
    directory = str(config) if config else os.devnull
    return run(*LAMINA, *arguments, env={"LAMINA_ADDRESS": host.address, "DOCKER_CONFIG": directory})


def test_an_image_is_pulled_and_pushed_with_credentials(host: Host, private: DockerRegistry) -> None:
    creds = ("--creds", f"{USER}:{PASSWORD}")
    name = f"{private.host}/image:1"
    assert lamina(host, "images", "pull", *creds, name).startswith(f"pulled {name} (sha256:")
    pushed = json.loads(lamina(host, "images", "push", *creds, "--json", name, f"{private.host}/other:2"))
    targets = {one["Name"]: one["Target"] for one in json.loads(lamina(host, "images", "ls", "--json"))}
    assert pushed == {"Name": f"{private.host}/other:2", "Target": targets[name]}


def test_a_password_is_read_from_a_pipe(host: Host, private: DockerRegistry) -> None:
    """An empty one is an error: nothing can be asked for."""
    for line, code, shown in (f"{PASSWORD}\n", 0, ""), ("", 2, f"--creds {USER}: no password on stdin"):
        done = subprocess.run(
            [*LAMINA, "images", "pull", "--creds", USER, f"{private.host}/image:1"],
            input=line,
            env=environment() | {"LAMINA_ADDRESS": host.address},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, shown in done.stderr) == (code, True), done.stderr
        assert bool(done.stderr) == bool(code)


def test_credentials_are_those_of_dockers_configuration(
    host: Host, private: DockerRegistry, tmp_path: Path
) -> None:
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {private.host: {"auth": auth}}}))
    shown = json.loads(
        lamina(host, "images", "pull", "--json", "--name", "mine", f"{private.host}/image:1", config=tmp_path)
    )
    assert (shown["Name"], shown["Snapshotter"]) == ("docker.io/library/mine:latest", "overlayfs/images/default")


@pytest.mark.requires("openssl")
@pytest.mark.parametrize(
    "data", [b"", b"\x30\x82\xff", b"-----BEGIN CERTIFICATE-----\nx\n"], ids=["empty", "DER", "cut"]
)
def test_a_file_without_certificates_is_named(
    host: Host, private: DockerRegistry, tmp_path: Path, data: bytes
) -> None:
    file = tmp_path / "ca.crt"
    file.write_bytes(data)
    with pytest.raises(CommandFailed, match=rf"--ca-file {file}: it has no certificates in PEM format"):
        lamina(host, "images", "pull", "--ca-file", str(file), f"{private.host}/image:1")


@pytest.mark.requires("skopeo")
def test_credentials_are_those_of_skopeo_login(
    host: Host, private: DockerRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For one repository of the registry."""
    file = tmp_path / "auth.json"
    run(
        *("skopeo", "login", "--tls-verify=false", "--authfile", file),
        *("-u", USER, "-p", PASSWORD, f"{private.host}/image"),
    )
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    assert lamina(host, "images", "pull", f"{private.host}/image:1").startswith("pulled ")
    with pytest.raises(CommandFailed, match="log in with `podman login` or `docker login`"):
        lamina(host, "images", "pull", f"{private.host}/images:1")


def test_the_proxy_is_that_of_the_hosts_environment(private: DockerRegistry, tmp_path: Path) -> None:
    """No output has the password. The registry has a name that only the proxy knows."""
    with ForwardProxy(private.port, credentials=f"bob:{PASSWORD}").running() as proxy:
        password = PASSWORD.replace(" ", "%20")
        environment = {"http_proxy": f"http://bob:{password}@{proxy.authority}"}
        words = ("images", "pull", "--plain-http", "--creds", f"{USER}:{PASSWORD}", "registry.test:5000/image:1")
        with Host(tmp_path / "h", environment=environment).running() as host:
            assert lamina(host, *words).startswith("pulled registry.test:5000/image:1 (")
            proxy.credentials = "bob:another"
            with pytest.raises(CommandFailed, match="correct those in http_proxy") as failed:
                lamina(host, *words)
            shown = str(failed.value).partition(": exit code")[2] + host.stdout + host.stderr
            assert PASSWORD not in shown
            assert password not in shown
    assert {target.partition("/v2/")[0] for _, target in proxy.requests} == {"http://registry.test:5000"}


def test_without_credentials_the_registry_refuses(host: Host, private: DockerRegistry) -> None:
    with pytest.raises(CommandFailed, match=private.host):
        lamina(host, "images", "pull", f"{private.host}/image:1")


def test_no_secret_is_logged_or_shown(host: Host, private: DockerRegistry) -> None:
    """Neither after a success nor after failures."""
    lamina(host, "images", "pull", "--creds", f"{USER}:{PASSWORD}", f"{private.host}/image:1")
    shown = []
    for password, image in ((PASSWORD, "missing:1"), (f"{PASSWORD}-wrong", "image:1")):
        with pytest.raises(CommandFailed) as failed:
            lamina(host, "images", "pull", "--creds", f"{USER}:{password}", f"{private.host}/{image}")
        shown.append(str(failed.value).partition(": exit code")[2])
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    wait_until(lambda: f"{private.host}/image:1" in host.stderr, 60, "calls are logged")
    shown += [host.stdout, host.stderr, lamina(host, "diagnose", "--json"), lamina(host, "plugins", "ls", "-d")]
    for text in shown:
        assert PASSWORD not in text
        assert encoded[:-4] not in text
