"""The output of snapshots, mounts and labels."""

import shlex

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.cli.snapshots.labels import format_labels, parse_labels
from lamina.cli.snapshots.records import info_document, mount_command, mount_document, usage_document
from lamina.mount import Mount
from lamina.snapshots import Info, Kind, Usage

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def parse(*words):
    return parse_labels(click.Context(click.Command("label")), click.Argument(["labels"]), words)


def test_a_mount_command_is_the_one_that_ctr_prints():
    mount = Mount("overlay", "overlay", ("workdir=/s/5/work", "upperdir=/s/5/fs", "lowerdir=/s/2/fs:/s/1/fs"))
    assert mount_command(mount, "/mnt") == (
        "mount -t overlay overlay /mnt -o workdir=/s/5/work,upperdir=/s/5/fs,lowerdir=/s/2/fs:/s/1/fs"
    )


def test_a_mount_without_options_has_no_option_o():
    assert mount_command(Mount("tmpfs", "tmpfs"), "/mnt") == "mount -t tmpfs tmpfs /mnt"


def test_a_mount_with_a_target_goes_below_the_mount_point():
    assert mount_command(Mount("tmpfs", "tmpfs", target="/run"), "/mnt") == "mount -t tmpfs tmpfs /mnt/run"


@given(WORDS, WORDS, st.lists(WORDS, min_size=1))
def test_mount_commands_are_quoted_for_a_shell(source, target, options):
    words = shlex.split(mount_command(Mount("bind", source, tuple(options)), target))
    assert words == ["mount", "-t", "bind", source, target, "-o", ",".join(options)]


def test_a_mount_in_json_has_containerds_keys():
    assert mount_document(Mount("bind", "/s/1/fs", ("ro", "rbind"))) == {
        "Type": "bind",
        "Source": "/s/1/fs",
        "Target": "",
        "Options": ["ro", "rbind"],
    }


def test_info_in_json_has_containerds_keys_in_containerds_order():
    info = Info("app", Kind.ACTIVE, "base", {"b": "2", "a": "1"}, created=1_500_000_000, updated=2 * 10**9 + 7)
    assert list(info_document(info).items()) == [
        ("Kind", "Active"),
        ("Name", "app"),
        ("Parent", "base"),
        ("Labels", {"a": "1", "b": "2"}),
        ("Created", "1970-01-01T00:00:01.5Z"),
        ("Updated", "1970-01-01T00:00:02.000000007Z"),
    ]


def test_json_omits_empty_fields():
    assert list(info_document(Info("base"))) == ["Kind", "Name", "Created", "Updated"]


def test_usage_in_json_is_in_bytes():
    assert usage_document("k", Usage(4096, 2)) == {"Key": "k", "Size": 4096, "Inodes": 2}


def test_labels_are_set_set_to_true_and_deleted():
    assert parse("a=1", "b", "c=", "d=x=y") == {"a": "1", "b": "true", "c": "", "d": "x=y"}


def test_the_last_label_of_a_key_counts():
    assert parse("a=1", "a=2") == {"a": "2"}


def test_a_label_without_a_key_is_a_usage_error():
    with pytest.raises(click.BadParameter, match="'=v' has no key"):
        parse("=v")


def test_labels_are_printed_sorted_on_one_line():
    assert format_labels({"b": "2\n3", "a": ""}) == r"a=,b=2\n3"
