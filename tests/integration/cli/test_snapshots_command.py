"""`lamina snapshots` against a running host, with real overlay mounts."""

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.processes import forked

pytestmark = pytest.mark.requires("root", "overlay")

ODD_KEY = "a\tb\n\x1b[31m\\層"


@pytest.fixture
def target(tmp_path):
    directory = tmp_path / "target"
    directory.mkdir()
    return directory


def test_writes_to_a_mounted_snapshot_are_visible_in_its_children(lamina, target):
    for key, parent in (("base", []), ("app", ["base"])):
        lamina("snapshots", "prepare", "box", *parent)
        assert lamina("snapshots", "mount", "box", target) == ""
        (target / key).write_text(key)
        assert lamina("snapshots", "unmount", target) == ""
        assert lamina("snapshots", "commit", key, "box") == ""
    lamina("snapshots", "view", "look", "app")
    lamina("snapshots", "mount", "look", target)
    assert sorted(path.name for path in target.iterdir()) == ["app", "base"]
    with pytest.raises(OSError, match="Read-only"):
        (target / "new").touch()
    lamina("snapshots", "unmount", target)
    assert list(target.iterdir()) == []
    assert lamina("snapshots", "unmount", target, code=1) == f"lamina: nothing is mounted on {target}\n"


def test_the_printed_mount_commands_work_in_a_shell(lamina, layer, tmp_path):
    layer("base", one="1")
    target = tmp_path / "it's a target"
    target.mkdir()
    commands = lamina("snapshots", "prepare", "-t", target, "box", "base")
    assert commands == lamina("snapshots", "mounts", target, "box")
    subprocess.run(["sh", "-euc", commands], check=True)
    assert (target / "one").read_text() == "1"
    lamina("snapshots", "unmount", target)


def test_prepare_without_a_target_prints_nothing(lamina):
    assert lamina("snapshots", "prepare", "box") == ""


def test_prepare_prints_the_mounts_as_json(lamina, layer):
    layer("base")
    (mount,) = json.loads(lamina("snapshots", "prepare", "--json", "box", "base"))
    assert (mount["Type"], mount["Source"], mount["Target"]) == ("overlay", "overlay", "")
    assert [option.partition("=")[0] for option in mount["Options"]][:3] == ["workdir", "upperdir", "lowerdir"]
    assert json.loads(lamina("snapshots", "mounts", "--json", "/mnt", "box")) == [mount]


def test_a_view_has_a_read_only_mount(lamina, layer):
    layer("base")
    (mount,) = json.loads(lamina("snapshots", "view", "--json", "look", "base"))
    assert (mount["Type"], mount["Options"]) == ("bind", ["ro", "rbind"])


def test_ls_shows_keys_parents_and_kinds(lamina, layer):
    layer("base")
    lamina("snapshots", "prepare", "box", "base")
    lamina("snapshots", "view", "look", "base")
    assert lamina("snapshots", "ls") == (
        "KEY     PARENT    KIND\n"
        "base              Committed\n"
        "box     base      Active\n"
        "look    base      View\n"
    )  # fmt: skip


def test_ls_accepts_filters(lamina, layer):
    layer("base")
    lamina("snapshots", "prepare", "--label", "team=a", "box", "base")
    assert lamina("snapshots", "ls", "labels.team==a").splitlines()[1:] == ["box    base      Active"]
    assert "unsupported operator" in lamina("snapshots", "ls", "kind=active", code=1)


def test_json_of_ls_is_exact_and_its_table_readable(lamina):
    lamina("snapshots", "prepare", "--label", "k=v\nw", ODD_KEY)
    (document,) = json.loads(lamina("snapshots", "ls", "--json"))
    assert (document["Name"], document["Kind"], document["Labels"]) == (ODD_KEY, "Active", {"k": "v\nw"})
    assert lamina("snapshots", "ls").splitlines()[1] == r"a\tb\n\x1b[31m\\層              Active"
    assert json.loads(lamina("snapshots", "info", ODD_KEY)) == document


def test_ls_without_snapshots_prints_an_empty_table_or_array(lamina):
    assert lamina("snapshots", "ls") == "KEY    PARENT    KIND\n"
    assert json.loads(lamina("snapshots", "ls", "--json")) == []


def test_info_has_containerds_form(lamina, layer):
    layer("base")
    text = lamina("snapshots", "info", "base")
    document = json.loads(text)
    assert list(document) == ["Kind", "Name", "Created", "Updated"]
    assert text.startswith('{\n    "Kind": "Committed",\n    "Name": "base",\n')
    assert document["Created"] == document["Updated"]
    assert datetime.fromisoformat(document["Created"]).tzname() == "UTC"


def test_no_labels_are_added(lamina):
    lamina("snapshots", "prepare", "--label", "a=1", "--label", "b", "box")
    assert json.loads(lamina("snapshots", "info", "box"))["Labels"] == {"a": "1", "b": "true"}
    lamina("snapshots", "commit", "--label", "c=3", "base", "box")
    assert json.loads(lamina("snapshots", "info", "base"))["Labels"] == {"c": "3"}


def test_tree_shows_children_below_their_parents(lamina, layer):
    layer("base")
    layer("app", "base")
    lamina("snapshots", "prepare", "box", "app")
    assert lamina("snapshots", "tree") == " base\n  \\_ app\n    \\_ box\n"
    assert json.loads(lamina("snapshots", "tree", "--json")) == [
        {
            "Name": "base",
            "Kind": "Committed",
            "Children": [
                {
                    "Name": "app",
                    "Kind": "Committed",
                    "Children": [{"Name": "box", "Kind": "Active", "Children": []}],
                }
            ],
        }
    ]


def test_usage_counts_written_data(lamina, layer):
    layer("base", big="x" * 100_000)
    lamina("snapshots", "prepare", "box", "base")
    used = {each["Key"]: each for each in json.loads(lamina("snapshots", "usage", "--json"))}
    assert set(used) == {"base", "box"}
    assert used["base"]["Size"] >= 100_000
    assert used["base"]["Inodes"] == 2
    in_bytes = lamina("snapshots", "usage", "-b", "base").splitlines()
    assert [line.split() for line in in_bytes] == [
        ["KEY", "SIZE", "INODES"],
        ["base", str(used["base"]["Size"]), "2"],
    ]
    assert lamina("snapshots", "usage", "base").splitlines()[1].split()[2] == "KiB"


def test_label_sets_deletes_and_prints(lamina):
    lamina("snapshots", "prepare", "box")
    assert lamina("snapshots", "label", "box") == ""
    assert (
        lamina("snapshots", "label", "box", "b=2", "containerd.io/gc.root") == "b=2,containerd.io/gc.root=true\n"
    )
    assert lamina("snapshots", "label", "box", "b=") == "containerd.io/gc.root=true\n"
    assert lamina("snapshots", "label", "box") == "containerd.io/gc.root=true\n"


def test_rm_stops_at_the_first_error_and_names_the_obstacle(lamina, layer):
    layer("base")
    lamina("snapshots", "prepare", "box", "base")
    lamina("snapshots", "prepare", "other")
    message = lamina("snapshots", "rm", "other", "base", "box", code=1)
    assert message.startswith("lamina: cannot remove snapshot with child: 'base'")
    assert "'box'" in message
    assert message.count("\n") == 1
    assert lamina("snapshots", "tree") == " base\n  \\_ box\n"
    assert lamina("snapshots", "rm", "box", "base") == ""


def test_rm_prints_what_it_removed_as_json_although_a_later_removal_fails(lamina, layer):
    layer("base")
    lamina("snapshots", "prepare", "box", "base")
    done = forked.run("snapshots", "rm", "--json", "box", "none", env=lamina.environment())
    assert (done.returncode, [one["Name"] for one in json.loads(done.stdout)]) == (1, ["box"])
    assert "'none'" in done.stderr


def test_an_existing_key_is_reported_with_its_kind(lamina, layer):
    layer("base")
    lamina("snapshots", "prepare", "box")
    for command, key, kind in (("prepare", "base", "a committed"), ("view", "box", "an active")):
        message = lamina("snapshots", command, key, code=1)
        assert message.startswith(f"lamina: snapshot '{key}' ")
        assert message.endswith(f"exists as {kind} snapshot\n")


def test_a_missing_snapshot_is_named(lamina):
    for command in (["info"], ["usage"], ["label"], ["rm"], ["mounts", "/mnt"]):
        assert "'gone'" in lamina("snapshots", *command, "gone", code=1)


def test_a_failed_mount_shows_the_kernels_message_and_where_to_find_more(lamina, layer, target):
    layer("base")
    (mount,) = json.loads(lamina("snapshots", "prepare", "--json", "box", "base"))
    shutil.rmtree(next(option for option in mount["Options"] if option.startswith("workdir="))[8:])
    message = lamina("snapshots", "mount", "box", target, code=1)
    assert message.startswith(f"lamina: mount overlay 'overlay' on {target}: No such file or directory")
    assert message.endswith("(for more: dmesg | tail)\n")
    assert message.count("\n") == 1


def test_a_target_that_is_not_a_directory_is_a_usage_error(lamina, tmp_path):
    lamina("snapshots", "prepare", "box")
    (tmp_path / "file").touch()
    for path in (tmp_path / "missing", tmp_path / "file"):
        assert str(path) in lamina("snapshots", "mount", "box", path, code=2)


def test_commit_can_set_the_parent(lamina, layer):
    layer("base")
    lamina("snapshots", "prepare", "box")
    lamina("snapshots", "commit", "--parent", "base", "app", "box")
    assert json.loads(lamina("snapshots", "info", "app"))["Parent"] == "base"


def test_cleanup_deletes_removed_data(lamina, layer):
    layer("base")
    (mount,) = json.loads(lamina("snapshots", "view", "--json", "look", "base"))
    lamina("snapshots", "rm", "look", "base")
    assert lamina("snapshots", "cleanup") == ""
    assert not Path(mount["Source"]).exists()


def test_another_snapshotter_is_named_before_or_after_the_command(lamina):
    lamina("snapshots", "prepare", "box")
    for words in (["--snapshotter", "lamina", "ls"], ["ls", "--snapshotter", "lamina"]):
        assert lamina("snapshots", *words) == "KEY    PARENT    KIND\n"
    assert "nowhere" in lamina("snapshots", "ls", "--snapshotter", "nowhere", code=1)


def test_a_terminal_gets_rows_that_fit_and_a_confirmation(lamina, layer, target):
    key = "sha256:" + "0123456789abcdef" * 4
    layer("base")
    shown = lamina.on_terminal("snapshots", "prepare", key, "base")
    assert shown.endswith("lamina snapshots mount " + key + " TARGET\n")
    rows = lamina.on_terminal("snapshots", "ls", columns=60).splitlines()
    assert all(len(row) <= 60 for row in rows), rows
    assert "".join(row[:39].rstrip() for row in rows[2:]) == key
    assert lamina.on_terminal("snapshots", "mount", key, target) == f"mounted {key} on {target}\n"
    lamina("snapshots", "unmount", target)
