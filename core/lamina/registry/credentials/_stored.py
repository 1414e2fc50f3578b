"""The places where users keep credentials for registries."""

from __future__ import annotations

import os
from collections.abc import Callable

from lamina.registry.credentials._auth_file import AuthFile
from lamina.registry.credentials._credentials import Credentials


def stored_credentials(path: str = "") -> Callable[[str], Credentials | None]:
    """Return a function that looks credentials up as podman, skopeo and docker do, by the name of a repository.

    It raises InvalidArgument if a file or what it says is malformed, PermissionDenied if it cannot be read, and
    FailedPrecondition if a credential helper is missing or fails.

    Args:
        path: The file, which need not exist; "" for `$REGISTRY_AUTH_FILE`. Without that, it is the first of these
            that knows the repository (containers-auth.json(5)): `containers/auth.json` in `$XDG_RUNTIME_DIR` or
            `/run/containers/UID/auth.json`, `containers/auth.json` in `$XDG_CONFIG_HOME` or `~/.config`,
            `config.json` in `$DOCKER_CONFIG` or `~/.docker`.
    """
    files = [AuthFile(one) for one in ([path] if path else _paths())]

    def find(repository: str) -> Credentials | None:
        return next(filter(None, (file.find(repository) for file in files)), None)

    return find


def _paths() -> list[str]:
    if chosen := os.environ.get("REGISTRY_AUTH_FILE"):
        return [chosen]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    configuration = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    docker = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return [
        f"{runtime}/containers/auth.json" if runtime else f"/run/containers/{os.getuid()}/auth.json",
        f"{configuration}/containers/auth.json",
        f"{docker}/config.json",
    ]
