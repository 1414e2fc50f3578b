"""URLs of registries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import InvalidArgument
from lamina.registry import Access
from lamina.registry._session import base_url
from lamina.registry.http import URL, Origin
from tests.support.registries.certificates import PEM


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/"),
        ("quay.io", "https://quay.io/v2/"),
        ("Registry.example.com:5000", "https://registry.example.com:5000/v2/"),
        ("localhost", "http://localhost/v2/"),
        ("localhost:5000", "http://localhost:5000/v2/"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/"),
        ("127.8.9.10", "http://127.8.9.10/v2/"),
        ("[::1]:5000", "http://[::1]:5000/v2/"),
        ("[::ffff:127.0.0.1]", "https://[::ffff:127.0.0.1]/v2/"),
        ("128.0.0.1", "https://128.0.0.1/v2/"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com/v2/"),
        ("localhost.example.com", "https://localhost.example.com/v2/"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/v2/"),
    ],
)
def test_only_a_loopback_address_gets_plain_http(host: str, expected: str) -> None:
    assert str(base_url(host, Access())) == expected


def test_plain_http_is_used_if_told() -> None:
    assert str(base_url("registry.example.com", Access(plain_http=True))) == "http://registry.example.com/v2/"
    assert str(base_url("docker.io", Access(plain_http=True))) == "http://registry-1.docker.io/v2/"


def test_certificates_are_for_tls() -> None:
    assert str(base_url("localhost", Access(ca_certificates=PEM))) == "https://localhost/v2/"


@pytest.mark.parametrize(
    "host",
    ["", "a/b", "a@b", "user:password@a", "a?b", "a#b", "a b", "a\nb", "http://a", "a:99999", "a:b", "[::1"],
)
def test_anything_else_than_a_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidArgument, match="expected a host"):
        base_url(host, Access())


BASE = URL.parse("https://a.example:5000/v2/x/blobs/uploads/?state=1")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://b.example/y?z=1&z=2", "https://b.example/y?z=1&z=2"),
        ("/v2/y?s=%2F", "https://a.example:5000/v2/y?s=%2F"),
        ("uuid?s=a=b&c", "https://a.example:5000/v2/x/blobs/uploads/uuid?s=a=b&c"),
        ("?s=2", "https://a.example:5000/v2/x/blobs/uploads/?s=2"),
        ("//c.example/y", "https://c.example/y"),
        ("https://user:password@b.example/y#fragment", "https://b.example/y"),
        ("HTTPS://B.Example:443/y", "https://b.example/y"),
    ],
)
def test_a_location_is_joined(location: str, expected: str) -> None:
    joined = BASE.join(location)
    assert f"{joined.origin}{joined.target}" == expected


@pytest.mark.parametrize(
    "location",
    [
        "ftp://a/b",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://a:99999/",
        "https://a\r\nHost: b/",
        "https://[::1/",
        "/" * 20_000,
    ],
)
def test_a_wrong_location_is_refused_without_repeating_it(location: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        BASE.join(location)
    assert location not in str(raised.value)


@pytest.mark.parametrize(
    ("query", "expected"), [("", "digest=sha256%3Aab"), ("state=a%2Fb", "state=a%2Fb&digest=sha256%3Aab")]
)
def test_a_parameter_is_added_to_a_query(query: str, expected: str) -> None:
    assert URL(BASE.origin, "/", query).with_parameter("digest", "sha256:ab").query == expected


def test_a_query_is_no_part_of_texts() -> None:
    assert "state=1" not in f"{BASE} {BASE!r} {[BASE]}"
    assert "state=1" in BASE.target


@given(st.text(max_size=60) | st.from_regex(r"(https?:)?(//)?[\w:@\[\].%-]{0,20}(/[\w%?&=#.]*)?", fullmatch=True))
def test_a_joined_url_stays_in_http(location: str) -> None:
    """And has nothing that could end the first line of a request."""
    try:
        joined = BASE.join(location)
    except InvalidArgument:
        return
    assert joined.origin.scheme in {"http", "https"}
    assert joined.origin.host
    assert not set(joined.target) & set(" \r\n\t\0")
    assert joined.target.startswith("/")


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin("https", "a", 443), "https://a"),
        (Origin("https", "a", 80), "https://a:80"),
        (Origin("http", "::1", 5000), "http://[::1]:5000"),
    ],
)
def test_an_origin_is_shown_without_its_usual_port(origin: Origin, expected: str) -> None:
    assert str(origin) == expected
