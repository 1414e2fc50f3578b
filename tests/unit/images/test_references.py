"""Names of images."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from lamina.errdefs import InvalidArgument
from lamina.images.references import Reference, normalize, parse

DIGEST = f"sha256:{'ab' * 32}"
NAMES = {
    "debian": "docker.io/library/debian:latest",
    "debian:12": "docker.io/library/debian:12",
    "docker.io/debian": "docker.io/library/debian:latest",
    "index.docker.io/library/debian": "docker.io/library/debian:latest",
    "user/image": "docker.io/user/image:latest",
    "localhost/image": "localhost/image:latest",
    "localhost:5000/image:1": "localhost:5000/image:1",
    "registry:5000/a/b": "registry:5000/a/b:latest",
    "registry:5000": "docker.io/library/registry:5000",
    "example.com/image": "example.com/image:latest",
    "UPPER/image": "UPPER/image:latest",
    "[2001:db8::1]:5000/image": "[2001:db8::1]:5000/image:latest",
    "a__b/c--d.e_f": "docker.io/a__b/c--d.e_f:latest",
    f"debian@{DIGEST}": f"docker.io/library/debian@{DIGEST}",
    f"debian:12@{DIGEST}": f"docker.io/library/debian@{DIGEST}",
    f"debian:{'t' * 128}": f"docker.io/library/debian:{'t' * 128}",
}
REFUSED = {
    "": "it is malformed",
    "Debian": "it must be in lower case",
    "debian:": "it is malformed",
    "debian:-1": "it is malformed",
    f"debian:{'t' * 129}": "it is malformed",
    "debian@sha256:ab": "only digests of sha256",
    f"debian@md5:{'a' * 32}": "only digests of sha256",
    f"debian@sha256:{'AB' * 32}": "only digests of sha256",
    "a" * 64: "are a digest, not a name",
    "a" * 256: "too long",
    "a" * 100_000: "too long",
    "../etc/passwd": "it is malformed",
    "a/../b": "it is malformed",
    "a//b": "it is malformed",
    "a___b": "it is malformed",
    "debian:12\n": "it is malformed",
    "-a/b": "it is malformed",
    "débian": "it is malformed",
    "docker://debian": "it is not a URL: leave out docker://",
    "http://localhost:5000/debian:12": "it is not a URL: leave out http://",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_completed_as_docker_does(name: str) -> None:
    assert normalize(name) == NAMES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_full_name_stays_as_it_is(name: str) -> None:
    assert normalize(NAMES[name]) == NAMES[name]


@pytest.mark.parametrize("name", REFUSED, ids=lambda name: name[:20])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        normalize(name)
    assert REFUSED[name] in str(caught.value)
    assert len(str(caught.value)) < 250


@hypothesis.given(strategies.text() | strategies.text("aA0._-:/@[]", max_size=300))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        full = normalize(text)
    except InvalidArgument:
        return
    assert normalize(full) == full


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("debian", Reference("docker.io", "library/debian", "latest")),
        ("localhost:5000/a/b:1", Reference("localhost:5000", "a/b", "1")),
        (f"quay.io/a@{DIGEST}", Reference("quay.io", "a", digest=DIGEST)),
        (f"quay.io/a:1@{DIGEST}", Reference("quay.io", "a", digest=DIGEST)),
    ],
)
def test_a_name_has_parts(name: str, expected: Reference) -> None:
    assert parse(name) == expected
    assert str(expected) == normalize(name)


def test_a_registry_is_asked_for_the_digest_or_the_tag() -> None:
    assert parse("debian:12").object == "12"
    assert parse(f"debian@{DIGEST}").object == DIGEST
