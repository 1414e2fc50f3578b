"""`lamina plugins` against a running host."""

import json

import pytest

pytestmark = pytest.mark.requires("root", "overlay")

SNAPSHOTTER = "io.containerd.snapshotter.v1"


def test_ls_has_ctrs_columns(lamina):
    header, *rows = [line.split() for line in lamina("plugins", "ls").splitlines()]
    assert header == ["TYPE", "ID", "PLATFORMS", "STATUS"]
    status = {(row[0], row[1]): row[-1] for row in rows}
    assert status[SNAPSHOTTER, "overlayfs"] == "ok"
    assert status["io.lamina.metastore.v1", "lmdb"] == "ok"


def test_ls_accepts_filters(lamina):
    rows = lamina("plugins", "ls", f"type=={SNAPSHOTTER},id==overlayfs").splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [[SNAPSHOTTER, "overlayfs"]]


def test_details_show_the_requirements_of_a_plugin(lamina):
    lines = lamina("plugins", "ls", "-d", "id==overlayfs").splitlines()
    assert lines[:2] == [f"Type:          {SNAPSHOTTER}", "ID:            overlayfs"]
    assert "Requires:      io.lamina.metastore.v1" in lines
    assert "Status:        ok" in lines


def test_details_of_no_plugin_are_no_line(lamina):
    assert lamina("plugins", "ls", "-d", "id==nothing") == ""


def test_details_show_the_duration_of_the_init(lamina):
    (line,) = [line for line in lamina("plugins", "ls", "-d", "id==overlayfs").splitlines() if "Millisec" in line]
    assert float(line.removeprefix("Milliseconds:")) > 0


def test_why_queries_the_host(lamina):
    lines = lamina("plugins", "why", f"{SNAPSHOTTER}.overlayfs").splitlines()
    assert lines[0].startswith(f"{SNAPSHOTTER}.overlayfs: ok: initialised in ")
    assert lines[-1] == f"Reported by the host at {lamina.address}."


def test_json_has_all_fields(lamina):
    (plugin,) = json.loads(lamina("plugins", "ls", "--json", "id==overlayfs"))
    assert (plugin["Type"], plugin["ID"], plugin["Status"]) == (SNAPSHOTTER, "overlayfs", "ok")
    assert plugin["Requires"] == ["io.lamina.metastore.v1"]
    assert "rebase" in plugin["Capabilities"]


def test_a_bad_filter_is_explained(lamina):
    assert lamina("plugins", "ls", "id=x", code=1).startswith("lamina: filters: parse error: ")
