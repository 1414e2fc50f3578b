"""Registries that want to know who calls: with passwords, and with a token service."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import FailedPrecondition, PermissionDenied, Unauthenticated, Unavailable
from lamina.registry import Access, Credentials, Limits, Registry
from tests.support.blobs import blob_in_file, digest_of
from tests.support.registries import faults, token_server
from tests.support.registries.certificates import Certificate, signing_certificate
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.downloads import download
from tests.support.registries.proxy import Fault, Proxy
from tests.support.registries.seeding import described, noise
from tests.support.registries.token_server import IDENTITY_TOKEN, SERVICE, TokenServer

pytestmark = pytest.mark.requires("docker-registry", "openssl")
DATA = noise(1000)
KNOWN = Credentials(USER, PASSWORD)
WRONG = Credentials(USER, "wrong battery")
OUTDATED = Credentials(identity_token="an outdated token")  # noqa: S106 - it opens nothing
LIMITS = Limits(pause=0.01)


def access(credentials: Credentials | None = KNOWN) -> Access:
    return Access(lambda _: credentials, limits=LIMITS)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry that wants a password."""
    with DockerRegistry(tmp_path_factory.mktemp("guarded"), has_passwords=True).running() as registry:
        yield registry


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return signing_certificate(tmp_path_factory.mktemp("signing"))


@pytest.fixture
def tokens(signing: Certificate) -> TokenServer:
    """A token service, which `served` runs."""
    return TokenServer(signing)


@pytest.fixture
def served(tokens: TokenServer, tmp_path: Path) -> Iterator[DockerRegistry]:
    """A registry that wants tokens."""
    with tokens.running() as known, DockerRegistry(tmp_path / "registry", tokens=known).running() as registry:
        yield registry


def push(registry: Registry, tmp_path: Path, path: str = "library/one", mount_from: tuple[str, ...] = ()) -> bool:
    with blob_in_file(tmp_path / "file", DATA) as blob:
        return registry.repository(path).upload(described(DATA), blob, mount_from=mount_from)


def test_a_password_lets_in(guarded: DockerRegistry, tmp_path: Path) -> None:
    with Registry(guarded.host, access()) as registry:
        push(registry, tmp_path)
        assert registry.repository("library/one").has(digest_of(DATA))


def test_a_password_is_sent_once_it_was_asked_for(guarded: DockerRegistry) -> None:
    with Proxy(guarded.port).running() as proxy, Registry(proxy.host, access()) as registry:
        for _ in range(3):
            registry.repository("library/one").has(digest_of(DATA))
    assert ["Authorization" in headers for headers in proxy.headers] == [False, True, True, True]


def test_without_a_password_it_is_said_what_to_do(guarded: DockerRegistry) -> None:
    with (
        Registry(guarded.host, access(None)) as registry,
        pytest.raises(Unauthenticated, match="log in with `podman login`"),
    ):
        registry.repository("library/one").has(digest_of(DATA))


def test_a_wrong_password_is_refused_at_once(guarded: DockerRegistry) -> None:
    with Proxy(guarded.port).running() as proxy, Registry(proxy.host, access(WRONG)) as registry:
        repository = registry.repository("library/one")
        with pytest.raises(Unauthenticated, match="log in with"):
            repository.has(digest_of(DATA))
    assert len(proxy.requests) == 2


def test_credentials_are_asked_for_by_the_name_of_the_repository(guarded: DockerRegistry) -> None:
    asked: list[str] = []

    def source(name: str) -> Credentials:
        asked.append(name)
        return KNOWN

    with Registry(guarded.host, Access(source)) as registry:
        registry.repository("library/one").has(digest_of(DATA))
        registry.repository("library/one").has(digest_of(DATA))
        registry.repository("library/two").has(digest_of(DATA))
    assert asked == [f"{guarded.host}/library/one", f"{guarded.host}/library/two"]


def test_nobody_is_asked_by_a_registry_that_is_open(tmp_path: Path) -> None:
    def source(_: str) -> Credentials:
        raise AssertionError

    with DockerRegistry(tmp_path / "r").running() as server, Registry(server.host, Access(source)) as registry:
        assert not registry.repository("library/one").has(digest_of(DATA))


def test_a_token_is_for_what_the_request_does(served: DockerRegistry, tokens: TokenServer, tmp_path: Path) -> None:
    with Registry(served.host, access()) as registry:
        push(registry, tmp_path)
        registry.repository("library/one").has(digest_of(DATA))
    assert tokens.asked == [
        (USER, ["repository:library/one:pull", "repository:library/one:pull,push"]),
        (USER, ["repository:library/one:pull"]),
    ]


def test_a_mount_asks_for_both_repositories(served: DockerRegistry, tokens: TokenServer, tmp_path: Path) -> None:
    with Registry(served.host, access()) as registry:
        assert push(registry, tmp_path, "library/one") is True
        assert push(registry, tmp_path, "library/two", mount_from=("library/one",)) is False
    assert ("repository:library/one:pull", "repository:library/two:pull,push") in {
        tuple(scopes) for _, scopes in tokens.asked
    }


def test_anybody_may_pull_what_is_public(served: DockerRegistry, tmp_path: Path) -> None:
    with Registry(served.host, access()) as registry:
        push(registry, tmp_path, "public/one")
    with Registry(served.host, access(None)) as anonymous:
        assert anonymous.repository("public/one").has(digest_of(DATA))


def test_anybody_may_not_push(served: DockerRegistry, tmp_path: Path) -> None:
    with Registry(served.host, access(None)) as registry, pytest.raises(Unauthenticated):
        push(registry, tmp_path, "public/one")


def test_an_identity_token_is_exchanged(served: DockerRegistry, tokens: TokenServer, tmp_path: Path) -> None:
    with Registry(served.host, access(Credentials(identity_token=IDENTITY_TOKEN))) as registry:
        assert push(registry, tmp_path) is True
    assert {user for user, _ in tokens.asked} == {USER}


def test_a_registry_token_is_used_as_it_is(served: DockerRegistry, tokens: TokenServer, tmp_path: Path) -> None:
    token = tokens.token(USER, ["repository:library/one:pull,push"])
    with Registry(served.host, access(Credentials(registry_token=token))) as registry:
        assert push(registry, tmp_path) is True
        with pytest.raises(Unauthenticated, match="log in with") as raised:
            registry.repository("library/two").has(digest_of(DATA))
    assert tokens.asked == []
    assert token not in str(raised.value)


@pytest.mark.parametrize("wrong", [WRONG, OUTDATED], ids=["password", "identity token"])
def test_wrong_credentials_are_refused(served: DockerRegistry, tokens: TokenServer, wrong: Credentials) -> None:
    with Registry(served.host, access(wrong)) as registry, pytest.raises(Unauthenticated, match="check the user"):
        registry.repository("library/one").resolve("latest")
    assert len(tokens.asked) <= 2


def test_an_access_token_may_be_called_so(served: DockerRegistry, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.field = "access_token"
    with Registry(served.host, access()) as registry:
        assert push(registry, tmp_path) is True


def test_threads_share_a_token(served: DockerRegistry, tokens: TokenServer) -> None:
    with Registry(served.host, access()) as registry, ThreadPoolExecutor(8) as pool:
        repository = registry.repository("library/one")
        found = list(pool.map(lambda _: repository.has(digest_of(DATA)), range(16)))
    assert found == [False] * 16
    assert len(tokens.asked) == 1


def test_a_token_that_the_registry_refuses_is_replaced(
    served: DockerRegistry, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(served.host, access()) as registry:
        repository = registry.repository("library/one")
        monkeypatch.setattr(token_server, "ISSUER", "somebody else")
        with pytest.raises(Unauthenticated):
            repository.has(digest_of(DATA))
        monkeypatch.undo()
        assert not repository.has(digest_of(DATA))


def test_a_token_is_renewed_before_it_ends(
    served: DockerRegistry, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(served.host, access()) as registry:
        repository = registry.repository("library/one")
        repository.has(digest_of(DATA))
        monkeypatch.setattr("lamina.registry.authentication._token_service._MARGIN", tokens.lifetime + 1.0)
        repository.has(digest_of(DATA))
    assert len(tokens.asked) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_token_service_may_fail_for_a_moment(served: DockerRegistry, tokens: TokenServer, status: int) -> None:
    tokens.statuses = [status, status]
    with Registry(served.host, access()) as registry:
        assert not registry.repository("library/one").has(digest_of(DATA))
    assert len(tokens.asked) == 3


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, PermissionDenied), (404, FailedPrecondition), (500, Unavailable)],
)
def test_a_token_service_that_refuses_is_named(
    served: DockerRegistry, tokens: TokenServer, status: int, error: type[Exception]
) -> None:
    tokens.statuses = [status] * 100
    with Registry(served.host, access()) as registry, pytest.raises(error, match=r"token service http://.*/token"):
        registry.repository("library/one").has(digest_of(DATA))


def test_a_blob_is_sent_if_the_other_repository_may_not_be_read(
    served: DockerRegistry, tokens: TokenServer, tmp_path: Path
) -> None:
    with Registry(served.host, access()) as registry:
        repository = registry.repository("library/one")
        repository.has(digest_of(DATA))
        tokens.statuses = [200, 403]
        assert push(registry, tmp_path, mount_from=("private/other",)) is True


def refused(proxy: Proxy, tokens: TokenServer) -> Fault:
    """The registry does not take the token any more."""
    challenge = f'Bearer realm="{tokens.realm}",service="{SERVICE}",scope="repository:library/one:pull"'
    return faults.status(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', www_authenticate=challenge)


def test_a_token_that_expires_in_the_midst_of_a_blob_is_replaced(
    served: DockerRegistry, tokens: TokenServer, tmp_path: Path, store: LocalContentStore
) -> None:
    """The bytes that have arrived are not read again."""
    with Proxy(served.port).running() as proxy, Registry(proxy.host, access()) as registry:
        push(registry, tmp_path)
        proxy.on("GET", "/blobs/", faults.cut_after(600))
        proxy.on("GET", "/blobs/", refused(proxy, tokens))
        asked = len(tokens.asked)
        assert download(registry.repository("library/one"), described(DATA), store) == DATA
    ranges = [headers.get("Range") for headers in proxy.headers[-3:]]
    assert ranges == [None, "bytes=600-999", "bytes=600-999"]
    assert len(tokens.asked) == asked + 2


def test_a_token_that_expires_in_the_midst_of_an_upload_is_replaced(
    served: DockerRegistry, tokens: TokenServer, tmp_path: Path
) -> None:
    with Proxy(served.port).running() as proxy, Registry(proxy.host, access()) as registry:
        proxy.on("PUT", "/blobs/uploads/", refused(proxy, tokens))
        assert push(registry, tmp_path) is True
        assert registry.repository("library/one").has(digest_of(DATA))


@pytest.mark.parametrize("challenge", ['Basic realm="x"', "Bearer", ""], ids=["basic", "bearer", "none"])
def test_a_registry_that_refuses_whatever_it_gets_is_given_up(
    served: DockerRegistry, tokens: TokenServer, store: LocalContentStore, challenge: str
) -> None:
    with Proxy(served.port).running() as proxy, Registry(proxy.host, access()) as registry:
        fault = refused(proxy, tokens) if challenge == "Bearer" else faults.status(401, www_authenticate=challenge)
        proxy.on("GET", "/blobs/", fault, times=99)
        with pytest.raises((Unauthenticated, FailedPrecondition)):
            download(registry.repository("library/one"), described(DATA), store)
    assert len(proxy.requests) <= 2
    assert len(tokens.asked) <= 2
