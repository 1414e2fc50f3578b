"""No message, log line or `repr` has a secret, whatever fails and whatever the registry says."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.content import Descriptor
from lamina.content.local import LocalContentStore
from lamina.errdefs import Error
from lamina.registry import Access, Credentials, Limits, Registry, Repository
from tests.support.blobs import MemoryLabels, blob_in_file
from tests.support.registries import faults
from tests.support.registries.certificates import signing_certificate
from tests.support.registries.docker_registry import PASSWORD, USER, DockerRegistry
from tests.support.registries.proxy import Answer, Exchange, Fault, Proxy
from tests.support.registries.seeding import MANIFEST, described, noise
from tests.support.registries.token_server import IDENTITY_TOKEN, TokenServer

pytestmark = pytest.mark.requires("docker-registry", "openssl")
DATA = noise(100_000)
SIGNATURE = "X-Amz-Signature=a1b2c3d4e5f6"
LIMITS = Limits(pause=0.001, attempts=2)
IN_USE = {
    "password": Credentials(USER, PASSWORD),
    "identity token": Credentials(identity_token=IDENTITY_TOKEN),
    "wrong password": Credentials(USER, "wrong battery"),
    "registry token": Credentials(registry_token="a token that opens nothing"),  # noqa: S106 - as it says
}


def echo(status: int) -> Fault:
    """A registry that says what it was sent."""

    def fault(exchange: Exchange) -> None:
        said = json.dumps(exchange.headers)
        body = json.dumps({"errors": [{"code": said, "message": said, "detail": said}]})
        exchange.body()
        exchange.send(Answer(status, {"Content-Type": "application/json"}, body.encode()))

    return fault


def redirect(exchange: Exchange) -> None:
    exchange.send(Answer(307, {"Location": f"http://{exchange.headers['Host']}/signed?{SIGNATURE}"}, b""))


def go_on(exchange: Exchange) -> None:
    exchange.send(Answer(202, {"Location": f"/signed?{SIGNATURE}"}, b""))


def malformed(exchange: Exchange) -> None:
    exchange.body()
    exchange.write(f"HTTP/1.1 200 OK\r\n{exchange.headers.get('Authorization')}\r\n: x\r\n\r\n".encode())
    exchange.hang_up()


FAULTS: dict[str, Fault] = {
    "hung up": faults.hang_up,
    "cut": faults.cut_after(10),
    "401": echo(401),
    "403": echo(403),
    "404": echo(404),
    "400": echo(400),
    "429": echo(429),
    "500": echo(500),
    "malformed": malformed,
    "redirected": redirect,
    "elsewhere": go_on,
}


def resolve(repository: Repository, _: Path) -> None:
    repository.resolve("latest")


def read_manifest(repository: Repository, _: Path) -> None:
    repository.manifest(described(b"{}", MANIFEST))


def write_manifest(repository: Repository, _: Path) -> None:
    repository.put_manifest(described(b"{}", MANIFEST), b"{}", "tag")


def fetch(repository: Repository, directory: Path) -> None:
    store = LocalContentStore(str(directory / "content"), MemoryLabels())
    with contextlib.closing(store), store.writer("blob") as writer:
        repository.fetch(described(DATA), writer)


def upload(repository: Repository, directory: Path) -> None:
    with blob_in_file(directory / "file", DATA) as blob:
        repository.upload(described(DATA), blob, mount_from=["library/other"])


OPERATIONS: tuple[Callable[[Repository, Path], None], ...] = (
    resolve,
    read_manifest,
    write_manifest,
    fetch,
    upload,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DockerRegistry, TokenServer, list[str]]]:
    """A registry with a token service, and all tokens that it gave."""
    given: list[str] = []

    class Recording(TokenServer):
        def token(self, user: str, scopes: list[str]) -> str:
            given.append(super().token(user, scopes))
            return given[-1]

    directory = tmp_path_factory.mktemp("served")
    tokens = Recording(signing_certificate(directory))
    with tokens.running() as known, DockerRegistry(directory / "registry", tokens=known).running() as registry:
        yield registry, tokens, given


@pytest.mark.parametrize("credentials", IN_USE.values(), ids=IN_USE)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_failure_tells_a_secret(
    served: tuple[DockerRegistry, TokenServer, list[str]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    credentials: Credentials,
    fault: Fault,
) -> None:
    server, _, given = served
    told: list[str] = []
    with (
        caplog.at_level(logging.DEBUG),
        Proxy(server.port).running() as proxy,
        Registry(proxy.host, Access(lambda _: credentials, limits=LIMITS)) as registry,
    ):
        repository = registry.repository("library/image")
        for method in ("HEAD", "GET", "POST", "PUT", "PATCH"):
            proxy.on(method, "", _authorized(fault), times=100)
        for operation in OPERATIONS:
            try:
                operation(repository, tmp_path)
            except Error as error:
                told += [str(error), repr(error), *traceback.format_exception(error)]
    assert told
    assert secrets_in("\n".join([*told, caplog.text, repr(registry), repr(repository)]), credentials, given) == []


def _authorized(fault: Fault) -> Fault:
    """The fault, once the client has said who it is."""

    def chosen(exchange: Exchange) -> None:
        if "Authorization" in exchange.headers or "/signed" in exchange.path:
            fault(exchange)
        else:
            exchange.send(exchange.forward())

    return chosen


def secrets_in(text: str, credentials: Credentials, tokens: list[str]) -> list[str]:
    pair = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    secrets = [credentials.password, credentials.identity_token, credentials.registry_token]
    secrets += [pair, SIGNATURE, *tokens]
    return [secret for secret in secrets if secret and secret[:12] in text]


def test_no_record_shows_its_secrets() -> None:
    credentials = Credentials(USER, PASSWORD, IDENTITY_TOKEN)
    shown = repr([credentials, Access(lambda _: credentials), Access().limits, Descriptor("a", "b", 1)])
    assert PASSWORD not in shown
    assert IDENTITY_TOKEN not in shown
    assert USER in shown
