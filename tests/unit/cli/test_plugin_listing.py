"""The listing of plugins."""

from lamina.api import PluginDetails
from lamina.cli.plugins.command import plugin_document, plugin_lines
from lamina.client import RemotePlugin
from lamina.errdefs import FailedPrecondition, Unavailable, Unknown
from lamina.plugin import Location

WORKING = RemotePlugin(
    "io.containerd.snapshotter.v1",
    "overlayfs",
    requires=("io.lamina.metastore.v1", "io.containerd.event.v1"),
    platforms=("linux/amd64", "linux/386", "linux/amd64"),
    exports={"root": "/var/lib", "a": "b"},
    capabilities=("rebase", "remap-ids"),
)
FAILED = RemotePlugin("io.x.v1", "y", init_error=FailedPrecondition("no\nluck"))
LOCATED = RemotePlugin(
    "io.x.v1",
    "y",
    init_error=Unknown("ValueError: cable cut"),
    details=PluginDetails("acme", 1.25, "failed", location=Location("/site/acme.py", 12, "init", "acme", "acme")),
)


def test_details_of_a_working_plugin_are_a_line_each():
    assert plugin_lines(WORKING) == [
        "Type:          io.containerd.snapshotter.v1",
        "ID:            overlayfs",
        "Requires:      io.lamina.metastore.v1",
        "               io.containerd.event.v1",
        "Platforms:     linux/386,linux/amd64",
        "Exports:       a b",
        "               root /var/lib",
        "Capabilities:  rebase,remap-ids",
        "Status:        ok",
    ]


def test_details_of_a_failed_plugin_have_the_code_and_the_message_on_a_line_each():
    assert plugin_lines(FAILED) == [
        "Type:          io.x.v1",
        "ID:            y",
        "Status:        failed",
        "Error code:    FailedPrecondition",
        r"Error message: no\nluck",
    ]


def test_details_of_a_failed_plugin_of_a_lamina_host_name_file_and_line():
    assert plugin_lines(LOCATED) == [
        "Type:          io.x.v1",
        "ID:            y",
        "Distribution:  acme",
        "Milliseconds:  1.2",
        "Status:        failed",
        "Error code:    Unknown",
        "Error message: ValueError: cable cut",
        "Raised at:     /site/acme.py:12, in init (acme)",
    ]


def test_json_of_a_failed_plugin_of_a_lamina_host_says_what_failed_and_where():
    document = plugin_document(LOCATED)
    assert (document["Distribution"], document["Milliseconds"]) == ("acme", 1.25)
    assert document["Error"] == {
        "Code": "Unknown",
        "Message": "ValueError: cable cut",
        "BlockedBy": "",
        "Retrying": False,
        "Location": {
            "File": "/site/acme.py",
            "Line": 12,
            "Function": "init",
            "Module": "acme",
            "Distribution": "acme",
        },
    }


def test_a_plugin_that_is_retried_is_marked():
    plugin = RemotePlugin(
        "io.x.v1", "y", init_error=Unavailable("no socket"), details=PluginDetails(retrying=True)
    )
    assert "Status:        failed (retrying)" in plugin_lines(plugin)
    assert plugin_document(plugin)["Error"]["Retrying"] is True


def test_json_of_a_skipped_plugin_says_why():
    document = plugin_document(RemotePlugin("io.x.v1", "y", init_error=Unknown("no btrfs: skip plugin")))
    error = document.pop("Error")
    assert (error["Code"], error["Message"]) == ("Unknown", "no btrfs: skip plugin")
    assert document == {
        "Type": "io.x.v1",
        "ID": "y",
        "Requires": [],
        "Platforms": [],
        "Exports": {},
        "Capabilities": [],
        "Distribution": "",
        "Milliseconds": None,
        "Status": "skipped",
    }


def test_a_working_plugin_in_json_has_no_error():
    assert "Error" not in plugin_document(WORKING)
