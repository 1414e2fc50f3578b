"""Debian's `docker-registry` (distribution 2.8) as a process of a test."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import yaml

from tests.support.commands import environment
from tests.support.ports import reserved_port
from tests.support.registries.certificates import Certificate
from tests.support.waiting import wait_until

USER = "alice"
PASSWORD = "correct horse"  # noqa: S105 - of a registry that a test starts
_HTPASSWD = f"{USER}:$2b$04$i4he9bfsTGj4.jPuGcXawe4aVt6mPbsuexGKIVc66863uBvQGcGgy\n"
"""The registry knows bcrypt alone."""
_SECONDS = 120


@attrs.frozen
class TokenAuthentication:
    """Where the registry sends its clients for tokens, and whose signature it accepts."""

    realm: str
    service: str
    issuer: str
    certificate: Certificate


@attrs.define
class DockerRegistry:
    """A registry with a storage of its own, on a port of the loopback interface."""

    directory: Path
    certificate: Certificate | None = None
    """For TLS; None for plain HTTP."""
    has_passwords: bool = False
    """Let only `USER` with `PASSWORD` in."""
    tokens: TokenAuthentication | None = None
    relative_urls: bool = False
    """Answer with relative URLs in `Location`."""
    port: int = attrs.field(default=0, init=False)
    """Its own while `running`, even after `kill`."""
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def host(self) -> str:
        """The registry, as in names of images."""
        return f"127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[DockerRegistry]:
        """Run it until the end of the block. It may be killed and started again there."""
        with reserved_port() as self.port:
            try:
                self.start()
                yield self
            finally:
                self.kill()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "registry.yml"
        configuration.write_text(yaml.safe_dump(self._configuration()))
        log = self.directory / "log"
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                ("docker-registry", "serve", configuration), stdout=file, stderr=file, env=environment()
            )
        listens = f"listening on {self.host}"
        wait_until(lambda: listens in log.read_text() or not self.is_running, _SECONDS, "the registry to listen")
        if not self.is_running:
            raise RuntimeError(f"docker-registry ended:\n{log.read_text()}")

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def blob_file(self, digest: str) -> Path:
        """Where it stores a blob."""
        hexadecimal = digest.removeprefix("sha256:")
        root = self.directory / "storage/docker/registry/v2/blobs/sha256"
        return root / hexadecimal[:2] / hexadecimal / "data"

    def _configuration(self) -> dict[str, object]:
        http: dict[str, object] = {
            "addr": f"127.0.0.1:{self.port}",
            "secret": "the same after a restart",
            "relativeurls": self.relative_urls,
        }
        if self.certificate:
            http["tls"] = {"certificate": str(self.certificate.file), "key": str(self.certificate.key)}
        configuration: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.directory / "storage")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http,
        }
        if self.has_passwords:
            (self.directory / "htpasswd").write_text(_HTPASSWD)
            configuration["auth"] = {"htpasswd": {"realm": "tests", "path": str(self.directory / "htpasswd")}}
        if self.tokens:
            configuration["auth"] = {
                "token": {
                    "realm": self.tokens.realm,
                    "service": self.tokens.service,
                    "issuer": self.tokens.issuer,
                    "rootcertbundle": str(self.tokens.certificate.file),
                }
            }
        return configuration
