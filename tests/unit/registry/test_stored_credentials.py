"""Credentials in the files of podman and docker."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, Error, FailedPrecondition, InvalidArgument
from lamina.registry import Credentials, stored_credentials
from lamina.registry.credentials import _helper
from tests.support.waiting import wait_until

SECRET = "correct horse"  # noqa: S105 - no real secret
AUTH = base64.b64encode(f"alice:{SECRET}".encode()).decode()
ALICE = Credentials("alice", SECRET)


def configured(directory: Path, document: object) -> str:
    path = directory / "config.json"
    path.write_text(json.dumps(document))
    return str(path)


def found(directory: Path, document: object, host: str = "registry.example") -> Credentials | None:
    return stored_credentials(configured(directory, document))(f"{host}/team/web")


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("registry.example", "registry.example"),
        ("registry.example:5000", "registry.example:5000"),
        ("https://registry.example", "registry.example"),
        ("https://registry.example/v1/", "registry.example"),
        ("registry.example/v2/", "registry.example"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_a_registry_is_found_by_every_spelling(tmp_path: Path, key: str, host: str) -> None:
    assert found(tmp_path, {"auths": {key: {"auth": AUTH}}}, host) == ALICE


@pytest.mark.parametrize(
    "key",
    [
        "registry.example:5000",
        "other.example",
        "example",
        "registry.example.com",
        "registry.example/team/we",
        "team",
    ],
)
def test_another_registry_or_repository_is_not(tmp_path: Path, key: str) -> None:
    assert found(tmp_path, {"auths": {key: {"auth": AUTH}}}) is None


def test_the_longest_path_goes_first(tmp_path: Path) -> None:
    keys = [
        "registry.example",
        "registry.example/team",
        "registry.example/team/web",
        "registry.example/team/web/x",
    ]
    auths = {key: {"username": key, "password": "x"} for key in keys}
    find = stored_credentials(configured(tmp_path, {"auths": auths}))
    names = ["other", "team", "team/other", "team/web", "team/webs", "team/web/x/y"]
    assert [name.username if (name := find(f"registry.example/{path}")) else None for path in names] == [
        "registry.example",
        "registry.example/team",
        "registry.example/team",
        "registry.example/team/web",
        "registry.example/team",
        "registry.example/team/web/x",
    ]


def test_a_path_of_the_hub_is_found(tmp_path: Path) -> None:
    find = stored_credentials(configured(tmp_path, {"auths": {"docker.io/team": {"auth": AUTH}}}))
    assert (find("docker.io/team/web"), find("docker.io/library/debian")) == (ALICE, None)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": AUTH}, ALICE),
        ({"username": "alice", "password": SECRET}, ALICE),
        ({"auth": AUTH, "username": "bob", "password": "x"}, ALICE),
        ({"auth": AUTH, "identitytoken": "t"}, Credentials("alice", SECRET, "t")),
        ({"auth": base64.b64encode(b"alice:a:b\0\0").decode()}, Credentials("alice", "a:b")),
        ({"registrytoken": "t"}, Credentials(registry_token="t")),  # noqa: S106 - no real secret
        ({}, None),
        ({"auth": ""}, None),
    ],
)
def test_an_entry_has_several_forms(tmp_path: Path, entry: object, expected: Credentials | None) -> None:
    assert found(tmp_path, {"auths": {"registry.example": entry}}) == expected


def test_the_very_name_goes_before_a_url(tmp_path: Path) -> None:
    auths = {"https://registry.example/v1/": {"username": "old"}, "registry.example": {"auth": AUTH}}
    assert found(tmp_path, {"auths": auths}) == ALICE


def test_a_missing_file_has_nothing(tmp_path: Path) -> None:
    assert stored_credentials(str(tmp_path / "none"))("registry.example/team/web") is None


PLACES = ("run/containers/auth.json", "config/containers/auth.json", "docker/config.json")
"""The files that are searched for credentials, in this order."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Those places in the directory of the test, each with a user of its name."""
    for variable, name in ("XDG_RUNTIME_DIR", "run"), ("XDG_CONFIG_HOME", "config"), ("DOCKER_CONFIG", "docker"):
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    for place in PLACES:
        log_in(tmp_path / place, place)
    return [tmp_path / place for place in PLACES]


def log_in(file: Path, username: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"auths": {"registry.example": {"username": username, "password": "x"}}}))


def user() -> str | None:
    found = stored_credentials()("registry.example/team/web")
    return found.username if found else None


def test_the_first_file_that_knows_the_repository_is_used(places: list[Path]) -> None:
    """One without credentials for it is passed over, even if it knows others."""
    users = []
    for place in places:
        users.append(user())
        place.write_text('{"auths": {"other.example": {"auth": "eDp5"}, "registry.example": {}}}')
    assert (users, user()) == ([*PLACES], None)


def test_a_file_that_the_environment_names_is_the_only_one(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "mine"))
    assert user() is None
    log_in(tmp_path / "mine", "me")
    assert user() == "me"


def test_the_usual_places_are_below_the_home(
    places: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places[0].unlink()
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    users = [user()]
    for file in ".docker/config.json", ".config/containers/auth.json":
        log_in(tmp_path / "home" / file, file)
        users.append(user())
    assert users == [None, ".docker/config.json", ".config/containers/auth.json"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        {"auths": ["registry.example"]},
        {"auths": {"registry.example": "text"}},
        {"auths": {"registry.example": {"auth": 5}}},
        {"auths": {"registry.example/team": "text"}},
        {"auths": {"registry.example": {"auth": "%%%"}}},
        {"auths": {"registry.example": {"auth": base64.b64encode(b"without a colon").decode()}}},
        {"auths": {"registry.example": {"auth": base64.b64encode(b"\xff:\xff").decode()}}},
        {"credHelpers": "text"},
        {"credHelpers": {"registry.example": 5}},
        {"credsStore": 5},
        {"credsStore": "../evil"},
        {"credsStore": "a/b"},
        {"credsStore": "-x"},
    ],
)
def test_a_malformed_configuration_is_refused(tmp_path: Path, document: object) -> None:
    with pytest.raises(InvalidArgument):
        found(tmp_path, document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just(AUTH),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auths", "credHelpers", "registry.example", "auth", "identitytoken"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_configuration_gives_credentials_or_an_error_without_secrets(tmp_path: Path, auths: object) -> None:
    try:
        said = repr(found(tmp_path, {"auths": auths}))
    except Error as error:
        said = str(error)
    assert SECRET not in said
    assert AUTH not in said


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test puts the credential helper `test`."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory / "docker-credential-test"


def install(helper: Path, script: str) -> None:
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)


def answer(username: str, secret: str) -> str:
    return f"cat > $0.asked; echo '{json.dumps({'Username': username, 'Secret': secret})}'"


@pytest.mark.parametrize(
    ("document", "host", "asked"),
    [
        ({"credsStore": "test"}, "registry.example", "registry.example\n"),
        ({"credsStore": "test"}, "docker.io", "https://index.docker.io/v1/\n"),
        ({"credHelpers": {"registry.example": "test"}}, "registry.example", "registry.example\n"),
        ({"credHelpers": {"docker.io": "test"}, "credsStore": "no"}, "docker.io", "https://index.docker.io/v1/\n"),
    ],
)
def test_a_helper_is_asked(tmp_path: Path, helper: Path, document: object, host: str, asked: str) -> None:
    install(helper, answer("alice", SECRET))
    assert found(tmp_path, document, host) == ALICE
    assert Path(f"{helper}.asked").read_text() == asked


def test_a_helper_may_keep_identity_tokens(tmp_path: Path, helper: Path) -> None:
    install(helper, answer("<token>", SECRET))
    assert found(tmp_path, {"credsStore": "test"}) == Credentials(identity_token=SECRET)


def test_what_a_helper_does_not_know_may_be_in_the_file(tmp_path: Path, helper: Path) -> None:
    install(helper, "echo credentials not found in native keychain; exit 1")
    assert found(tmp_path, {"credsStore": "test"}) is None
    assert found(tmp_path, {"credsStore": "test", "auths": {"registry.example": {"auth": AUTH}}}) == ALICE


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (f"echo '{SECRET}'; exit 3", "exit code 3"),
        (f"echo '{SECRET}'", "no Username and Secret"),
        (f"echo '[\"{SECRET}\"]'", "no Username and Secret"),
        (f'echo \'{{"Username": "{SECRET}", "Secret": 5}}\'', "no Username and Secret"),
        (f"yes '{SECRET}'", "more than 65536 bytes"),
        ("kill -9 $$", "exit code -9"),
    ],
)
def test_a_failing_helper_is_named_without_what_it_prints(
    tmp_path: Path, helper: Path, script: str, message: str
) -> None:
    install(helper, script)
    with pytest.raises(FailedPrecondition, match=message) as raised:
        found(tmp_path, {"credsStore": "test"})
    assert "docker-credential-test" in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_missing_helper_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FailedPrecondition,
        match=r"docker-credential-missing: No such file.*install it, or remove it from .*/config.json",
    ):
        found(tmp_path, {"credsStore": "missing"})


@pytest.mark.parametrize("script", ["sleep 1000", "exec >&-; sleep 1000", "sleep 1000 & exit 0"])
def test_a_slow_helper_is_ended(
    tmp_path: Path, helper: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """With what it started, if that keeps its output open."""
    killed: list[int] = []

    def killpg(group: int, number: int) -> None:
        killed.append(group)  # the helper may be killed before it could tell
        kill(group, number)

    kill = os.killpg
    monkeypatch.setattr(os, "killpg", killpg)
    monkeypatch.setattr(_helper, "_SECONDS", 0.3)
    install(helper, script)
    with pytest.raises(FailedPrecondition, match="longer than"):
        found(tmp_path, {"credsStore": "test"})
    (group,) = killed
    wait_until(lambda: not members(group), 60, "the end of all processes of the helper")


def members(group: int) -> list[str]:
    """The processes of a process group, less those that are dead (proc(5), `stat`)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                found.append(stat.parent.name)
    return found


def test_waiting_for_a_helper_ends_with_the_call(tmp_path: Path, helper: Path) -> None:
    install(helper, "sleep 1000")
    with use(CallContext(deadline=time.monotonic() + 0.2)), pytest.raises(Error):
        found(tmp_path, {"credsStore": "test"})
    with use(CallContext(cancelled=True)), pytest.raises(Canceled):
        found(tmp_path, {"credsStore": "test"})


def test_a_user_name_has_no_colon() -> None:
    with pytest.raises(InvalidArgument, match="colon"):
        Credentials("a:b", "c")


def test_a_directory_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        stored_credentials(str(tmp_path))("registry.example/team/web")
    assert str(raised.value) == f"read {tmp_path}: Is a directory"
