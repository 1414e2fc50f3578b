"""The stanzas for containerd."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.cli.containerd.command import Offer, Offers
from lamina.cli.containerd.release import Release
from lamina.cli.containerd.stanza import Stanza
from lamina.client import RemotePlugin
from lamina.errdefs import FailedPrecondition, NotFound, Unknown
from lamina.plugin import host_platform

SNAPSHOTTER = "io.containerd.snapshotter.v1"
NAMES = '["lamina", "lamina-overlayfs"]'
SERVICE = RemotePlugin("io.containerd.grpc.v1", "snapshots", exports={"names.overlayfs": NAMES})
OVERLAY = RemotePlugin(
    SNAPSHOTTER,
    "overlayfs",
    platforms=(host_platform(),),
    exports={"root": "/data", "address": "/elsewhere.sock"},
    capabilities=("rebase",),
)
TEXTS = st.text(st.characters(codec="utf-8"))


@given(TEXTS, TEXTS, st.lists(TEXTS), st.dictionaries(TEXTS, TEXTS))
def test_a_stanza_with_any_text_is_valid_toml(name, address, capabilities, exports):
    stanza = Stanza(name, address, "", tuple(capabilities), exports)
    table = {"type": "snapshot", "address": address}
    table |= {"capabilities": capabilities} if capabilities else {}
    table |= {"exports": exports} if exports else {}
    assert tomllib.loads("\n".join(stanza.lines())) == {"proxy_plugins": {name: table}}


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("1.6", ["type", "address"]),
        ("1.7.16", ["type", "address", "exports"]),
        ("2.1", ["type", "address", "capabilities", "exports"]),
    ],
)
def test_a_stanza_has_only_settings_of_the_release(version, keys):
    stanza = Offer(OVERLAY, ["lamina"]).stanza("lamina", "/run/lamina.sock")
    table = stanza.table(Release.parse(version))
    assert list(table) == keys
    assert table.get("exports", {"root": "/data"}) == {"root": "/data"}


def test_a_platform_is_printed_only_if_it_differs_from_the_machines():
    plugin = RemotePlugin(SNAPSHOTTER, "far", platforms=("linux/s390x",))
    assert Offer(plugin, ["far"]).stanza("far", "/x").platform == "linux/s390x"
    assert Offer(OVERLAY, ["lamina"]).stanza("lamina", "/x").platform == ""


def chosen(offers, *names):
    return [(offer.plugin.id, name) for offer, name in offers.chosen(names)]


def test_without_a_name_each_snapshotter_has_its_best_one():
    assert chosen(Offers.of([OVERLAY, SERVICE])) == [("overlayfs", "lamina")]


def test_names_select_snapshotters_and_duplicates_are_ignored():
    offers = Offers.of([OVERLAY, SERVICE])
    assert chosen(offers, "lamina-overlayfs", "lamina", "lamina") == [
        ("overlayfs", "lamina-overlayfs"),
        ("overlayfs", "lamina"),
    ]


def test_an_unknown_name_is_refused_with_suggestions():
    offers = Offers.of([OVERLAY, SERVICE])
    with pytest.raises(NotFound, match="has the name 'lamina-overlay': did you mean lamina-overlayfs"):
        chosen(offers, "lamina-overlay")
    with pytest.raises(NotFound, match=r"has the name 'zfs' \(known are lamina, lamina-overlayfs\)"):
        chosen(offers, "zfs")


def test_a_failed_snapshotter_is_missing_with_its_reason():
    broken = RemotePlugin(SNAPSHOTTER, "btrfs", init_error=Unknown("not on btrfs: skip plugin"))
    assert Offers.of([broken, OVERLAY, SERVICE]).missing == {"btrfs": "not on btrfs"}


def test_names_of_containerds_own_snapshotters_are_not_offered():
    service = RemotePlugin("io.containerd.grpc.v1", "snapshots", exports={"names.devmapper": '["devmapper"]'})
    offers = Offers.of([RemotePlugin(SNAPSHOTTER, "devmapper"), service])
    assert offers.offers == []
    assert offers.missing == {
        "devmapper": "containerd has built-in snapshotters of all its names: add another alias in lamina"
    }


@pytest.mark.parametrize(
    ("plugins", "problem"),
    [
        ([OVERLAY], "the host does not have it"),
        ([OVERLAY, RemotePlugin(SERVICE.type, SERVICE.id, init_error=Unknown("no luck"))], "no luck"),
        ([OVERLAY, RemotePlugin(SERVICE.type, SERVICE.id)], "it is not a lamina host"),
    ],
)
def test_a_host_that_cannot_serve_containerd_is_refused_with_the_reason(plugins, problem):
    with pytest.raises(FailedPrecondition, match=problem):
        Offers.of(plugins)
