"""Docker's configuration, where users keep what `docker login` was told (docker/cli, `cli/config`)."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from typing import Final

from lamina.errdefs import InvalidArgument, NotFound, translated
from lamina.registry._json import parse_object
from lamina.registry.credentials._credential_helper import from_helper
from lamina.registry.credentials._credentials import Credentials

_MAX_BYTES: Final = 1 << 20
_HUB: Final = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
_HUB_HOST: Final = "index.docker.io"
_HUB_SERVER: Final = "https://index.docker.io/v1/"
"""The name of `docker.io` in the configuration, from the time of the first protocol."""
_FIELDS: Final = ("auth", "username", "password", "identitytoken")


def docker_credentials(path: str = "") -> Callable[[str], Credentials | None]:
    """Return a function that looks credentials up as `docker pull` does, by the host of a registry.

    It asks the credential helper that `credHelpers` or `credsStore` names, and then `auths`. It raises
    InvalidArgument if the file or what it says is malformed, PermissionDenied if it cannot be read, and
    FailedPrecondition if a helper is missing or fails.

    Args:
        path: The file, which need not exist; "" for `config.json` in `$DOCKER_CONFIG` or `~/.docker`.
    """
    if not path:
        directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
        path = os.path.join(directory, "config.json")

    def find(host: str) -> Credentials | None:
        server = _HUB_SERVER if host in _HUB else host
        document = _read(path)
        helper = _helper(document, server, path)
        found = from_helper(helper, server) if helper else None
        return found or _from_auths(_table(document, "auths", path), server, path)

    return find


def _read(path: str) -> Mapping[str, object]:
    try:
        with translated("read Docker's configuration"), open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except NotFound:
        return {}
    document = parse_object(data) if len(data) <= _MAX_BYTES else None
    if document is None:
        raise InvalidArgument(f"{path}: expected a JSON object of at most {_MAX_BYTES} bytes")
    return document


def _helper(document: Mapping[str, object], server: str, path: str) -> str:
    helpers = _table(document, "credHelpers", path)
    name = next((name for key, name in helpers.items() if _is_same(key, server)), document.get("credsStore", ""))
    if not isinstance(name, str):
        raise InvalidArgument(f"{path}: credHelpers and credsStore: expected the names of credential helpers")
    return name


def _from_auths(auths: Mapping[str, object], server: str, path: str) -> Credentials | None:
    # A key that is exactly the server goes before one that is a URL of it.
    for key in sorted(filter(lambda key: _is_same(key, server), auths), key=lambda key: key != server):
        entry = auths[key]
        fields = {name: entry.get(name, "") for name in _FIELDS} if isinstance(entry, dict) else {}
        if not fields or not all(isinstance(value, str) for value in fields.values()):
            raise InvalidArgument(f"{path}: auths: {key}: expected an object of strings")
        if any(fields.values()):
            return _credentials(fields, f"{path}: auths: {key}")
    return None


def _credentials(fields: Mapping[str, str], where: str) -> Credentials:
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
    return Credentials(username, password, fields["identitytoken"])


def _is_same(key: str, server: str) -> bool:
    return _host(key) == _host(server)


def _host(key: str) -> str:
    """Return the host of a key, which may be a URL."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0]
    return _HUB_HOST if host in _HUB else host


def _table(document: Mapping[str, object], name: str, path: str) -> Mapping[str, object]:
    found = document.get(name) or {}
    if not isinstance(found, dict):
        raise InvalidArgument(f"{path}: {name}: expected an object")
    return found
