"""`lamina leases` against a running host."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator

import pytest

from lamina.client import Client
from lamina.context import CallContext, use
from lamina.metadata import Resource
from tests.integration.cli.conftest import Lamina
from tests.support.processes import forked

pytestmark = pytest.mark.requires("root", "overlay")

DIGEST = f"sha256:{'a' * 64}"
EXPIRE = "containerd.io/gc.expire"


@pytest.fixture
def client(host: str) -> Iterator[Client]:
    """A client of the host, which has no leases afterwards."""
    with Client(host, timeout=120) as client:
        yield client
        for lease in list(client.leases().list()):
            client.leases().delete(lease.id)


def test_a_created_lease_ends_after_a_day(lamina: Lamina, client: Client) -> None:
    assert lamina("leases", "create", "--label", "team=a", "mine") == "mine\n"
    lease = client.leases().get("mine")
    assert lease.labels["team"] == "a"
    ends = datetime.datetime.fromisoformat(lease.labels[EXPIRE]).timestamp()
    assert ends == pytest.approx(lease.created / 1e9 + 24 * 3600, abs=60)


def test_a_lease_can_last_for_ever_and_get_an_id(lamina: Lamina, client: Client) -> None:
    made = json.loads(lamina("leases", "create", "--expire", "0", "--json"))
    (lease,) = client.leases().list()
    assert (made["ID"], made["Labels"], made["Resources"]) == (lease.id, {}, [])
    assert lease.labels == {}


@pytest.mark.parametrize("duration", ["soon", "-1h"])
def test_a_wrong_duration_is_refused(lamina: Lamina, client: Client, duration: str) -> None:
    assert "--expire" in lamina("leases", "create", "--expire", duration, code=2)
    assert list(client.leases().list()) == []


def test_leases_are_listed_with_the_number_of_their_resources(lamina: Lamina, client: Client) -> None:
    client.leases().create("mine", {"a": "b", EXPIRE: "2999-01-02T03:04:05+01:00"})
    client.leases().add("mine", Resource("content", DIGEST))
    client.leases().create("other", {EXPIRE: "tomorrow"})
    header, mine, other = lamina("leases", "ls").splitlines()
    assert header.split() == ["ID", "CREATED", "EXPIRES", "RESOURCES", "LABELS"]
    assert [mine.split()[column] for column in (0, 2, 3, 4)] == ["mine", "2999-01-02T03:04:05+01:00", "1", "a=b"]
    assert [other.split()[column] for column in (0, 2, 3, 4)] == ["other", "never", "0", f"{EXPIRE}=tomorrow"]
    found, unending = json.loads(lamina("leases", "ls", "--json"))
    assert (found["Expires"], unending["Expires"]) == ("2999-01-02T03:04:05+01:00", None)
    assert found["Labels"][EXPIRE] == "2999-01-02T03:04:05+01:00"
    assert found["Resources"] == [{"Type": "content", "ID": DIGEST}]


def test_leases_are_removed(lamina: Lamina, client: Client) -> None:
    for name in ("a", "b", "c"):
        client.leases().create(name)
    assert lamina("leases", "rm", "a", "b") == ""
    assert [lease.id for lease in client.leases().list()] == ["c"]
    assert "lease 'a' does not exist" in lamina("leases", "rm", "a", "c", code=1)
    done = forked.run("leases", "rm", "--json", "c", "none", env=lamina.environment())
    assert (done.returncode, [one["ID"] for one in json.loads(done.stdout)]) == (1, ["c"])


def test_each_namespace_has_its_leases(lamina: Lamina, client: Client) -> None:
    lamina("leases", "create", "-n", "k8s.io", "mine")
    assert json.loads(lamina("leases", "ls", "--json")) == []
    with use(CallContext(namespace="k8s.io")):
        assert client.leases().get("mine").id == "mine"
        client.leases().delete("mine")
