"""Which requests go through which proxy."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errdefs import FailedPrecondition
from lamina.registry.http import URL, Proxies


def proxy_of(url: str, **environment: str) -> str:
    """The origin of the proxy of a URL; "" for none."""
    found = Proxies(environment).proxy_for(URL.parse(url).origin)
    return str(found.origin) if found else ""


@pytest.mark.parametrize(
    ("environment", "http", "https"),
    [
        ({}, "", ""),
        ({"HTTP_PROXY": "http://one:1"}, "http://one:1", ""),
        ({"http_proxy": "http://one:1"}, "http://one:1", ""),
        ({"HTTPS_PROXY": "http://one:1"}, "", "http://one:1"),
        ({"https_proxy": "https://one"}, "", "https://one"),
        ({"HTTPS_PROXY": "http://one:1", "https_proxy": "http://two:2"}, "", "http://one:1"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://two:2"}, "", "http://two:2"),
        ({"HTTP_PROXY": "one:3128"}, "http://one:3128", ""),
        ({"HTTP_PROXY": "one"}, "http://one", ""),
        ({"ALL_PROXY": "http://one:1"}, "", ""),
    ],
)
def test_variables_name_the_proxy_by_the_scheme(environment: dict[str, str], http: str, https: str) -> None:
    assert (proxy_of("http://x.example/", **environment), proxy_of("https://x.example/", **environment)) == (
        http,
        https,
    )


def test_a_cgi_program_takes_no_proxy_from_its_request() -> None:
    """The header `Proxy` becomes HTTP_PROXY there (CVE-2016-5385)."""
    assert proxy_of("http://x.example/", REQUEST_METHOD="GET", HTTP_PROXY="http://evil:1") == ""
    assert proxy_of("http://x.example/", REQUEST_METHOD="GET", http_proxy="http://one:1") == "http://one:1"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]", "localhost:5000", "LOCALHOST"])
def test_a_loopback_address_has_no_proxy(host: str) -> None:
    assert proxy_of(f"https://{host}/", HTTPS_PROXY="http://one:1") == ""


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        ("example.com", "notexample.com", False),
        ("example.com", "example.com.evil", False),
        (".example.com", "a.example.com", True),
        (".example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("EXAMPLE.com", "example.COM", True),
        ("a, b  c,example.com", "example.com", True),
        (",,", "example.com", False),
        ("*", "example.com", True),
        ("*", "10.0.0.1", True),
        ("example.com:5000", "example.com:5000", True),
        ("example.com:5000", "example.com", False),
        ("example.com:443", "example.com", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.10", False),
        ("10.0.0.1:5000", "10.0.0.1:5000", True),
        ("10.0.0.1:5000", "10.0.0.1", False),
        (".0.0.1", "10.0.0.1", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3/8", "10.9.9.9", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "ten.example.com", False),
        ("10.0.0.0/99", "10.0.0.1", False),
        ("a/b", "a", False),
        ("fd00::/8", "[fd00::1]", True),
        ("fd00::1", "[fd00::1]", True),
        ("[fd00::1]", "[fd00::1]", True),
        ("[fd00::1]:5000", "[fd00::1]:5000", True),
        ("[fd00::1]:5000", "[fd00::1]", False),
        ("10.0.0.0/8", "[::ffff:10.0.0.1]", True),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_an_entry_excludes_what_it_means(no_proxy: str, host: str, is_direct: bool, name: str) -> None:
    found = proxy_of(f"https://{host}/", HTTPS_PROXY="http://one:1", **{name: no_proxy})
    assert (found == "") is is_direct


@given(
    st.text(alphabet="ab.:*/[]0123456789fF, \t%-", max_size=30), st.sampled_from(["a.b", "10.0.0.1", "[fd::1]"])
)
def test_any_list_of_exceptions_is_read(no_proxy: str, host: str) -> None:
    assert proxy_of(f"https://{host}/", HTTPS_PROXY="http://one:1", NO_PROXY=no_proxy) in {"", "http://one:1"}


@pytest.mark.parametrize(
    "value", ["socks5://one:1080", "ftp://one", "http://", "http://[", "http://a b", "http://x:y"]
)
def test_what_is_no_http_proxy_is_refused_by_the_name_of_its_variable(value: str) -> None:
    """And only if it is needed."""
    with pytest.raises(
        FailedPrecondition, match=r"https_proxy in the environment: expected an HTTP proxy"
    ) as raised:
        proxy_of("https://x.example/", https_proxy=value)
    assert value not in str(raised.value).partition("expected")[0]
    assert proxy_of("https://127.0.0.1/", https_proxy=value) == ""


def test_no_password_is_shown() -> None:
    settings = Proxies({"HTTPS_PROXY": "http://bob:secret@one:1"})
    found = settings.proxy_for(URL.parse("https://x.example/").origin)
    assert found
    assert found.headers == {"Proxy-Authorization": "Basic Ym9iOnNlY3JldA=="}
    shown = f"{settings!r} {found!r} {found}"
    assert "secret" not in shown
    assert "Ym9i" not in shown


@pytest.mark.parametrize(
    ("userinfo", "pair"),
    [
        ("b%6Fb:a%3Ab%40c%25", b"bob:a:b@c%"),
        ("bob:%FF", b"bob:\xff"),
        ("bob:50%", b"bob:50%"),
        ("bob:é", "bob:é".encode()),
        ("bob", b"bob:"),
    ],
)
def test_credentials_are_the_bytes_that_are_escaped(userinfo: str, pair: bytes) -> None:
    found = Proxies({"HTTPS_PROXY": f"http://{userinfo}@one:1"}).proxy_for(URL.parse("https://x.example/").origin)
    assert found
    assert base64.b64decode(found.authorization.removeprefix("Basic ")) == pair
