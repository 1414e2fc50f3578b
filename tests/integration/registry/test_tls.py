"""Registries with TLS, whose certificates are always verified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.registry import Access, Registry
from tests.support.blobs import digest_of
from tests.support.registries.certificates import Certificate, authority, certificate_for
from tests.support.registries.docker_registry import DockerRegistry

pytestmark = pytest.mark.requires("docker-registry", "openssl")
ABSENT = digest_of(b"absent")


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, trusted: Certificate) -> Iterator[DockerRegistry]:
    """A registry with a certificate of that authority."""
    directory = tmp_path_factory.mktemp("encrypted")
    certificate = certificate_for(directory, trusted, "IP:127.0.0.1")
    with DockerRegistry(directory / "registry", certificate).running() as registry:
        yield registry


def test_a_certificate_of_a_given_authority_is_trusted(encrypted: DockerRegistry, trusted: Certificate) -> None:
    with Registry(encrypted.host, Access(ca_certificates=trusted.pem)) as registry:
        assert not registry.repository("library/one").has(ABSENT)


def test_a_certificate_of_another_authority_is_not(encrypted: DockerRegistry, tmp_path: Path) -> None:
    other = authority(tmp_path)
    with (
        Registry(encrypted.host, Access(ca_certificates=other.pem)) as registry,
        pytest.raises(FailedPrecondition, match="its certificate is not trusted"),
    ):
        registry.repository("library/one").has(ABSENT)


def test_a_certificate_for_another_name_is_not_trusted(encrypted: DockerRegistry, trusted: Certificate) -> None:
    host = encrypted.host.replace("127.0.0.1", "localhost")
    with (
        Registry(host, Access(ca_certificates=trusted.pem)) as registry,
        pytest.raises(FailedPrecondition, match=r"its certificate is not trusted.*localhost"),
    ):
        registry.repository("library/one").has(ABSENT)


def test_a_registry_without_tls_gets_no_plain_http(tmp_path: Path, trusted: Certificate) -> None:
    """Where TLS is expected, which for a loopback address means that certificates were given."""
    with (
        DockerRegistry(tmp_path / "registry").running() as plain,
        Registry(plain.host, Access(ca_certificates=trusted.pem)) as registry,
        pytest.raises(FailedPrecondition, match="it answers without TLS: use plain HTTP"),
    ):
        registry.repository("library/one").has(ABSENT)


def test_a_registry_with_tls_says_so_to_plain_http(encrypted: DockerRegistry) -> None:
    with (
        Registry(encrypted.host) as registry,
        pytest.raises(FailedPrecondition, match="400 Bad Request: perhaps it expects TLS: leave out --plain-http"),
    ):
        registry.repository("library/one").has(ABSENT)


def test_certificates_may_have_comments(encrypted: DockerRegistry, trusted: Certificate) -> None:
    """In any language, as in the bundles that distributions make."""
    with Registry(encrypted.host, Access(ca_certificates=f"# Főtanúsítvány\n{trusted.pem}\n# é\n")) as registry:
        assert not registry.repository("library/one").has(ABSENT)


@pytest.mark.parametrize(
    "text", ["none", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "é"]
)
def test_malformed_certificates_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="PEM"):
        Access(ca_certificates=text)
