"""Files with credentials: containers-auth.json(5), and Docker's `config.json` (docker/cli, `cli/config`)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument, NotFound, translated
from lamina.registry._json import parse_object
from lamina.registry.credentials._credentials import Credentials
from lamina.registry.credentials._helper import from_helper

_MAX_BYTES: Final = 1 << 20
_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_HOST: Final = "index.docker.io"
_HUB_SERVER: Final = "https://index.docker.io/v1/"
"""The name of `docker.io` for credential helpers, and for Docker, from the time of the first protocol."""
_VERSIONS: Final = frozenset({"v1", "v2"})
"""Paths of keys that are URLs without a scheme."""
_FIELDS: Final = ("auth", "username", "password", "identitytoken", "registrytoken")


@attrs.frozen
class AuthFile:
    """A file with credentials, which need not exist."""

    path: str

    def find(self, repository: str) -> Credentials | None:
        """Return the credentials for a repository; None if there are none.

        The credential helper for the registry (`credHelpers`, or else `credsStore`) is asked first. Then comes
        `auths`: the key for the repository, that for the longest path above it, and last that for the registry.

        Args:
            repository: Its full name, with the host of the registry.

        Raises:
            InvalidArgument: The file is malformed.
            PermissionDenied: It cannot be read.
            FailedPrecondition: A helper is missing or fails.
        """
        document = _read(self.path)
        host = repository.partition("/")[0]
        server = _HUB_SERVER if host in _HUB else host
        helper = _helper(document, host, self.path)
        found = from_helper(helper, server, self.path) if helper else None
        return found or self._from_auths(_table(document, "auths", self.path), repository, server)

    def _from_auths(self, auths: Mapping[str, object], repository: str, server: str) -> Credentials | None:
        for wanted in _from_the_longest(_normalized(repository)):
            keys = [key for key in auths if _normalized(key) == wanted]
            # A key that is exactly the server goes before one that is a URL of it.
            for key in sorted(keys, key=lambda key: key not in (server, repository)):
                where = f"{self.path}: auths: {key}"
                if found := _credentials(_fields(auths[key], where), where):
                    return found
        return None


def _read(path: str) -> Mapping[str, object]:
    try:
        with translated(f"read {path}"), open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except NotFound:
        return {}
    document = parse_object(data) if len(data) <= _MAX_BYTES else None
    if document is None:
        raise InvalidArgument(f"{path}: expected a JSON object of at most {_MAX_BYTES} bytes")
    return document


def _helper(document: Mapping[str, object], host: str, path: str) -> str:
    helpers = _table(document, "credHelpers", path)
    wanted = _normalized(host)
    name = next(
        (name for key, name in helpers.items() if _normalized(key) == wanted), document.get("credsStore", "")
    )
    if not isinstance(name, str):
        raise InvalidArgument(f"{path}: credHelpers and credsStore: expected the names of credential helpers")
    return name


def _fields(entry: object, where: str) -> Mapping[str, str]:
    fields = {name: entry.get(name, "") for name in _FIELDS} if isinstance(entry, dict) else {}
    if not fields or not all(isinstance(value, str) for value in fields.values()):
        raise InvalidArgument(f"{where}: expected an object of strings")
    return fields


def _credentials(fields: Mapping[str, str], where: str) -> Credentials | None:
    username, password = fields["username"], fields["password"]
    if fields["auth"]:
        try:
            pair = base64.b64decode(fields["auth"], validate=True).decode()
        except ValueError:
            raise InvalidArgument(f"{where}: auth: expected a name and a password in base64") from None
        username, colon, password = pair.partition(":")
        if not colon:
            raise InvalidArgument(f"{where}: auth: expected a name and a password in base64")
        password = password.strip("\0")
    if not any(fields.values()):
        return None
    return Credentials(username, password, fields["identitytoken"], fields["registrytoken"])


def _normalized(key: str) -> str:
    """Return the registry of a key that is a URL, and otherwise the registry with the path."""
    _, scheme, rest = key.rpartition("://")
    host, _, path = rest.partition("/")
    host = _HUB_HOST if host in _HUB else host
    path = path.rstrip("/")
    return host if scheme or not path or path in _VERSIONS else f"{host}/{path}"


def _from_the_longest(repository: str) -> Iterator[str]:
    """Yield a name, and then it without its last component, as long as there is one."""
    while repository:
        yield repository
        repository = repository.rpartition("/")[0]


def _table(document: Mapping[str, object], name: str, path: str) -> Mapping[str, object]:
    found = document.get(name) or {}
    if not isinstance(found, dict):
        raise InvalidArgument(f"{path}: {name}: expected an object")
    return found
