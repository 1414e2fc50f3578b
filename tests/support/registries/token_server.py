"""A token service as registries use it (distribution, `docs/spec/auth`): small, but its tokens are real."""

from __future__ import annotations

import base64
import contextlib
import json
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import attrs

from tests.support.local_servers import LocalHTTPServer, running_server
from tests.support.registries.certificates import Certificate
from tests.support.registries.docker_registry import PASSWORD, USER, TokenAuthentication

SERVICE = "registry of the tests"
ISSUER = "token service of the tests"
IDENTITY_TOKEN = "an identity token"  # noqa: S105 - of a service that a test starts


@attrs.define
class TokenServer:
    """Gives tokens for everything to `USER`, and for pulling from `public/…` to anybody."""

    certificate: Certificate
    lifetime: int = 300
    """Seconds that its tokens are valid."""
    field: str = "token"
    """The name of the token in its answers."""
    asked: list[tuple[str, list[str]]] = attrs.field(factory=list)
    """Who asked for which scopes."""
    statuses: list[int] = attrs.field(factory=list)
    """Statuses to answer with first, instead of a token."""
    _server: LocalHTTPServer = attrs.field(init=False)

    @property
    def realm(self) -> str:
        """The URL that gives tokens."""
        return f"http://127.0.0.1:{self._server.server_port}/token"

    @contextlib.contextmanager
    def running(self) -> Iterator[TokenAuthentication]:
        """Serve until the end of the block, which gets what the registry must know."""
        self._server = LocalHTTPServer(("127.0.0.1", 0), self._handler())
        with running_server(self._server):
            yield TokenAuthentication(self.realm, SERVICE, ISSUER, self.certificate)

    def token(self, user: str, scopes: list[str]) -> str:
        """A token that the registry accepts (JSON Web Token, with the certificate in its head)."""
        body = "".join(self.certificate.pem.splitlines()[1:-1])
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + self.lifetime,
            "nbf": now - 10,
            "iat": now,
            "jti": f"{time.time_ns()}",
            "access": [_access(scope) for scope in scopes if user or _is_public(scope)],
        }
        signed = f"{_encoded({'typ': 'JWT', 'alg': 'RS256', 'x5c': [body]})}.{_encoded(claims)}"
        return f"{signed}.{_base64(self.certificate.sign(signed.encode()))}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            """Answers the two ways of asking for a token."""

            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                authorization = self.headers.get("Authorization")
                expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                is_known = authorization == f"Basic {expected}"
                self._answer(
                    USER if is_known else "", query.get("scope", []), refused=bool(authorization) and not is_known
                )

            def do_POST(self) -> None:
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                is_known = form["grant_type"] == ["refresh_token"] and form["refresh_token"] == [IDENTITY_TOKEN]
                self._answer(USER if is_known else "", form["scope"][0].split(), refused=not is_known)

            def _answer(self, user: str, scopes: list[str], *, refused: bool) -> None:
                server.asked.append((user, scopes))
                status = server.statuses.pop(0) if server.statuses else 401 if refused else 200
                document = {server.field: server.token(user, scopes), "expires_in": server.lifetime}
                data = json.dumps(document if status == 200 else {"details": "incorrect username or password"})
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data.encode())

            def log_message(self, *_: object) -> None:
                """Tests print nothing."""

        return Handler


def _is_public(scope: str) -> bool:
    kind, _, rest = scope.partition(":")
    return kind == "repository" and rest.startswith("public/") and rest.endswith(":pull")


def _access(scope: str) -> dict[str, object]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}


def _encoded(document: object) -> str:
    return _base64(json.dumps(document).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
