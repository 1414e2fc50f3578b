"""Redirects, which take no credentials along and never lead away from TLS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import Error, FailedPrecondition
from lamina.registry import Access, Credentials, Limits, Registry
from tests.support.registries import faults
from tests.support.registries.certificates import authority, certificate_for
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.downloads import download
from tests.support.registries.proxy import Answer, Exchange, Fault, Proxy
from tests.support.registries.seeding import described, noise, seed_blob

pytestmark = pytest.mark.requires("docker-registry")
DATA = noise(200_000, seed=11)
LAYER = described(DATA)
KNOWN = Access(lambda _: Credentials(USER, PASSWORD), limits=Limits(pause=0.01, attempts=3))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Proxy]:
    """A registry that wants a password, behind a proxy."""
    guarded = DockerRegistry(tmp_path / "guarded", has_passwords=True)
    with guarded.running(), Proxy(guarded.port).running() as running:
        yield running


def redirect(location: str, status: int = 307) -> Fault:
    return lambda exchange: exchange.send(Answer(status, {"Location": location}, b""))


def redirect_authorized(location: str) -> Fault:
    """A registry redirects whom it knows."""

    def fault(exchange: Exchange) -> None:
        if "Authorization" in exchange.headers:
            redirect(location)(exchange)
        else:
            exchange.send(exchange.forward())

    return fault


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_blob_is_read_from_where_a_redirect_leads(
    server: DockerRegistry, proxy: Proxy, store: LocalContentStore, status: int
) -> None:
    seed_blob(server, "library/one", DATA)
    proxy.on(
        "GET", "/library/moved/", redirect(f"http://{server.host}/v2/library/one/blobs/{LAYER.digest}", status)
    )
    with Registry(proxy.host) as registry:
        assert download(registry.repository("library/moved"), LAYER, store) == DATA


def test_a_relative_redirect_is_followed(server: DockerRegistry, proxy: Proxy, store: LocalContentStore) -> None:
    seed_blob(server, "library/one", DATA)
    proxy.on("GET", "/library/moved/", redirect(f"../../one/blobs/{LAYER.digest}?a=b"))
    with Registry(proxy.host) as registry:
        assert download(registry.repository("library/moved"), LAYER, store) == DATA


def test_another_host_gets_no_credentials(
    server: DockerRegistry, guarded: Proxy, proxy: Proxy, store: LocalContentStore
) -> None:
    seed_blob(server, "library/one", DATA)
    target = f"http://{proxy.host}/v2/library/one/blobs/{LAYER.digest}"
    guarded.on("GET", "/blobs/", redirect_authorized(target), times=5)
    with Registry(guarded.host, KNOWN) as registry:
        assert download(registry.repository("library/one"), LAYER, store) == DATA
    assert any("Authorization" in headers for headers in guarded.headers)
    assert proxy.headers
    assert all("Authorization" not in headers for headers in proxy.headers)


def test_a_resumed_blob_asks_where_the_redirect_leads_for_the_rest(
    server: DockerRegistry, proxy: Proxy, store: LocalContentStore
) -> None:
    seed_blob(server, "library/one", DATA)
    with Proxy(server.port).running() as other:
        other.on("GET", "/blobs/", faults.cut_after(50_000))
        proxy.on("GET", "/moved/", redirect(f"http://{other.host}/v2/library/one/blobs/{LAYER.digest}"), times=2)
        with Registry(proxy.host, KNOWN) as registry:
            assert download(registry.repository("library/moved"), LAYER, store) == DATA
    assert [headers.get("Range") for headers in other.headers] == [None, "bytes=50000-199999"]


def test_another_host_that_asks_for_credentials_gets_none(
    guarded: Proxy, tmp_path: Path, store: LocalContentStore
) -> None:
    """Nobody but the registry is told who calls, wherever it sends its clients."""
    with (
        DockerRegistry(tmp_path / "other", has_passwords=True).running() as other,
        Proxy(other.port).running() as spy,
    ):
        guarded.on("GET", "/blobs/", redirect_authorized(f"http://{spy.host}/v2/x/blobs/{LAYER.digest}"), times=9)
        with Registry(guarded.host, KNOWN) as registry, pytest.raises(Error, match="401"):
            download(registry.repository("library/one"), LAYER, store)
    assert spy.headers
    assert all("Authorization" not in headers for headers in spy.headers)


def test_a_circle_ends(proxy: Proxy, store: LocalContentStore) -> None:
    proxy.on("GET", "/blobs/", lambda exchange: redirect(exchange.path)(exchange), times=100)
    with Registry(proxy.host) as registry, pytest.raises(FailedPrecondition, match="more than 5 redirects"):
        download(registry.repository("library/one"), LAYER, store)
    assert len(proxy.requests) == 6


@pytest.mark.parametrize(
    "location",
    ["ftp://example.com/", "http://[", "file:///etc/passwd", "http://x:99999/", "http://a b/"],
)
def test_a_redirect_to_a_wrong_url_is_refused(proxy: Proxy, store: LocalContentStore, location: str) -> None:
    proxy.on("GET", "/blobs/", redirect(location))
    with Registry(proxy.host) as registry, pytest.raises(FailedPrecondition, match="refers to an invalid URL"):
        download(registry.repository("library/one"), LAYER, store)


@pytest.mark.requires("openssl")
def test_no_redirect_leads_from_tls_to_plain_http(
    server: DockerRegistry, tmp_path: Path, store: LocalContentStore
) -> None:
    trusted = authority(tmp_path)
    certificate = certificate_for(tmp_path, trusted, "IP:127.0.0.1")
    target = f"http://{server.host}/v2/library/one/blobs/{LAYER.digest}"
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(Proxy(server.port, certificate).running())
        proxy.on("GET", "/blobs/", redirect(target))
        registry = stack.enter_context(Registry(proxy.host, attrs.evolve(KNOWN, ca_certificates=trusted.pem)))
        stack.enter_context(pytest.raises(FailedPrecondition, match="which has no TLS"))
        download(registry.repository("library/one"), LAYER, store)


@pytest.mark.parametrize(
    "location", ["http://example.com/v2/", "http://10.0.0.1/", "http://127.0.0.1.example.com/"]
)
def test_a_loopback_address_leads_to_no_other_host_without_tls(
    proxy: Proxy, store: LocalContentStore, location: str
) -> None:
    proxy.on("GET", "/blobs/", redirect(location))
    with Registry(proxy.host) as registry, pytest.raises(FailedPrecondition, match="which has no TLS"):
        download(registry.repository("library/one"), LAYER, store)


def test_no_token_service_without_tls_is_on_another_host(proxy: Proxy) -> None:
    """It would get the password."""
    challenge = {"Www-Authenticate": 'Bearer realm="http://example.com/token"'}
    proxy.on("HEAD", "/blobs/", lambda exchange: exchange.send(Answer(401, challenge, b"")))
    with Registry(proxy.host, KNOWN) as registry, pytest.raises(FailedPrecondition, match="which has no TLS"):
        registry.repository("library/one").has(LAYER.digest)
