"""Registries that are reached through a proxy, with TLS and without."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import FailedPrecondition, Unavailable
from lamina.registry import Access, Credentials, Limits, Registry
from tests.support.blobs import blob_in_file, digest_of
from tests.support.registries.certificates import Certificate, authority, certificate_for
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.downloads import download
from tests.support.registries.forward_proxy import ForwardProxy
from tests.support.registries.seeding import described, noise

pytestmark = pytest.mark.requires("docker-registry", "openssl")
DATA = noise(400_000, seed=5)
LAYER = described(DATA)
NAME = "registry.test"
"""It does not exist: only a proxy reaches it."""
SECRET = "correct:h%rse"  # noqa: S105 - of a proxy that a test starts
LIMITS = Limits(connect=60.0, pause=0.01, attempts=3)


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, trusted: Certificate) -> Iterator[DockerRegistry]:
    """A registry with TLS, which wants a password."""
    directory = tmp_path_factory.mktemp("encrypted")
    certificate = certificate_for(directory, trusted, f"DNS:{NAME}", "IP:127.0.0.1")
    with DockerRegistry(directory / "registry", certificate, has_passwords=True).running() as registry:
        yield registry


@pytest.fixture
def proxy(encrypted: DockerRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForwardProxy]:
    """A proxy in front of it, which the environment names."""
    with ForwardProxy(encrypted.port).running() as running:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{running.authority}")
        yield running


@pytest.fixture
def plain_proxy(server: DockerRegistry, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForwardProxy]:
    """A proxy in front of a registry without TLS, which the environment names."""
    with ForwardProxy(server.port).running() as running:
        monkeypatch.setenv("http_proxy", running.authority)
        yield running


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def access(trusted: Certificate) -> Access:
    return Access(lambda _: Credentials(USER, PASSWORD), trusted.pem, limits=LIMITS)


PLAIN = Access(plain_http=True, limits=LIMITS)


def push(registry: Registry, tmp_path: Path, path: str) -> None:
    with blob_in_file(tmp_path / "file", DATA) as blob:
        registry.repository(path).upload(LAYER, blob)


def test_tls_goes_through_a_tunnel(
    proxy: ForwardProxy, access: Access, tmp_path: Path, store: LocalContentStore, path: str
) -> None:
    """The proxy sees the name of the registry, and nothing of the requests."""
    with Registry(NAME, access) as registry:
        push(registry, tmp_path, path)
        assert download(registry.repository(path), LAYER, store) == DATA
    assert set(proxy.requests) == {("CONNECT", f"{NAME}:443")}
    assert all(set(headers) == {"Host"} for headers in proxy.headers)


def test_plain_http_goes_through_the_proxy(
    plain_proxy: ForwardProxy, tmp_path: Path, store: LocalContentStore, path: str
) -> None:
    with Registry(f"{NAME}:5000", PLAIN) as registry:
        push(registry, tmp_path, path)
        assert download(registry.repository(path), LAYER, store) == DATA
    assert ("GET", f"http://{NAME}:5000/v2/{path}/blobs/{LAYER.digest}") in plain_proxy.requests
    assert {headers["Host"] for headers in plain_proxy.headers} == {f"{NAME}:5000"}


def test_the_proxy_gets_the_credentials_of_its_url_and_the_registry_its_own(
    proxy: ForwardProxy, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.credentials = f"bob:{SECRET}"
    monkeypatch.setenv("HTTPS_PROXY", f"http://bob:correct%3Ah%25rse@{proxy.authority}")
    with Registry(NAME, access) as registry:
        assert not registry.repository("library/one").has(LAYER.digest)
    expected = base64.b64encode(proxy.credentials.encode()).decode()
    assert [headers.get("Proxy-Authorization") for headers in proxy.headers] == [f"Basic {expected}"]


def test_no_registry_gets_the_credentials_of_the_proxy(
    plain_proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither through the proxy, which takes them away, nor beside it."""
    plain_proxy.credentials = f"bob:{SECRET}"
    monkeypatch.setenv("http_proxy", f"http://bob:correct%3Ah%25rse@{plain_proxy.authority}")
    with Registry(f"{NAME}:5000", PLAIN) as registry:
        assert not registry.repository("library/one").has(LAYER.digest)
    assert all("Proxy-Authorization" in headers for headers in plain_proxy.headers)
    with ForwardProxy(plain_proxy.port).running() as server, Registry(server.authority, PLAIN) as direct:
        assert not direct.repository("library/one").has(LAYER.digest)
    assert all("Proxy-Authorization" not in headers for headers in server.headers)


@pytest.mark.parametrize(
    ("userinfo", "remedy"),
    [
        ("", r"put credentials into HTTPS_PROXY, as http://USER:PASSWORD@127"),
        ("bob:wrong@", r"it refuses the credentials: correct those in HTTPS_PROXY"),
    ],
    ids=["none", "wrong"],
)
def test_a_proxy_that_wants_other_credentials_is_named_with_the_variable(
    proxy: ForwardProxy, access: Access, monkeypatch: pytest.MonkeyPatch, userinfo: str, remedy: str
) -> None:
    proxy.credentials = f"bob:{SECRET}"
    monkeypatch.setenv("HTTPS_PROXY", f"http://{userinfo}{proxy.authority}")
    message = rf"proxy http://{proxy.authority} of HTTPS_PROXY: .*407: {remedy}"
    with Registry(NAME, access) as registry, pytest.raises(FailedPrecondition, match=message) as raised:
        registry.repository("library/one").has(LAYER.digest)
    assert "wrong" not in str(raised.value)
    assert len(proxy.requests) == 1


def test_a_proxy_of_plain_http_that_wants_credentials_is_named_with_the_variable(
    plain_proxy: ForwardProxy,
) -> None:
    plain_proxy.credentials = f"bob:{SECRET}"
    with (
        Registry(f"{NAME}:5000", PLAIN) as registry,
        pytest.raises(FailedPrecondition, match=r"of http_proxy: .*put credentials into http_proxy"),
    ):
        registry.repository("library/one").has(LAYER.digest)


def test_a_proxy_that_refuses_is_not_asked_again(proxy: ForwardProxy, access: Access) -> None:
    proxy.refusals = [403] * 9
    with Registry(NAME, access) as registry, pytest.raises(FailedPrecondition, match=r"403: let the proxy pass"):
        registry.repository("library/one").has(LAYER.digest)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_proxy_may_fail_for_a_moment(proxy: ForwardProxy, access: Access, status: int) -> None:
    proxy.refusals = [status]
    with Registry(NAME, access) as registry:
        assert not registry.repository("library/one").has(LAYER.digest)


@pytest.mark.parametrize("cuts", [[100_000, 100_000], [0, 0], [1000]], ids=["in the body", "at once", "in TLS"])
def test_a_blob_goes_on_after_the_proxy_died(
    proxy: ForwardProxy, access: Access, tmp_path: Path, store: LocalContentStore, path: str, cuts: list[int]
) -> None:
    with Registry(NAME, access) as registry:
        push(registry, tmp_path, path)
    proxy.cuts = list(cuts)
    proxy.requests.clear()
    with Registry(NAME, access) as registry:
        assert download(registry.repository(path), LAYER, store) == DATA
    assert len(proxy.requests) == len(cuts) + 1


def test_a_proxy_that_is_not_there_is_named(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with (
        Registry(NAME, access) as registry,
        pytest.raises(
            Unavailable,
            match=r"proxy http://127\.0\.0\.1:1 of HTTPS_PROXY: Connection refused: is its server running\?",
        ),
    ):
        registry.repository("library/one").has(LAYER.digest)


def test_a_proxy_may_have_tls_itself(
    encrypted: DockerRegistry,
    trusted: Certificate,
    access: Access,
    store: LocalContentStore,
    tmp_path: Path,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS to the registry is then within that to the proxy."""
    certificate = certificate_for(tmp_path, trusted, "IP:127.0.0.1", name="proxy")
    with ForwardProxy(encrypted.port, certificate=certificate).running() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"https://{proxy.authority}")
        with Registry(NAME, access) as registry:
            push(registry, tmp_path, path)
            proxy.cuts = [300_000]
        with Registry(NAME, access) as registry:
            assert download(registry.repository(path), LAYER, store) == DATA
    assert set(proxy.requests) == {("CONNECT", f"{NAME}:443")}


def test_a_loopback_address_is_reached_directly(
    server: DockerRegistry, plain_proxy: ForwardProxy, access: Access
) -> None:
    with Registry(server.host, attrs.evolve(access, ca_certificates="")) as registry:
        assert not registry.repository("library/one").has(digest_of(b"absent"))
    assert plain_proxy.requests == []


def test_a_host_of_no_proxy_is_reached_directly(
    proxy: ForwardProxy, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name then has to be known here, too."""
    monkeypatch.setenv("NO_PROXY", "example.com, .test")
    with Registry(NAME, access) as registry, pytest.raises(Unavailable, match=f"https://{NAME}: .*check its name"):
        registry.repository("library/one").has(LAYER.digest)
    assert proxy.requests == []
