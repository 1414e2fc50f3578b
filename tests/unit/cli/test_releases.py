"""The table of containerd's releases."""

import pytest

from lamina.cli.containerd.release import Release
from lamina.errdefs import InvalidArgument


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("1.6", (1, 6, 0)),
        ("1.6.20~ds1", (1, 6, 20)),
        ("v2.0.0-rc.1", (2, 0, 0)),
        ("1.7.0+unknown", (1, 7, 0)),
        (" 2.1.4\n", (2, 1, 4)),
        ("2.99", (2, 99, 0)),
    ],
)
def test_versions_of_containerd_and_its_packages_are_parsed(text, release):
    assert Release.parse(text) == Release(*release)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a version of containerd: expected one such as 1.6, 1.7.23 or 2.1"),
        ("2", "'2' is not a version"),
        ("latest", "'latest' is not a version"),
        ("1.6.20.1", "'1.6.20.1' is not a version"),
        ("\u0661.\u0666", "is not a version"),  # digits elsewhere
        ("-1.6", "is not a version"),
        ("0.2.9", "containerd 0.2.9 has no proxy plugins: they were added in 1.2.0"),
        ("1.1.8", "containerd 1.1.8 has no proxy plugins"),
        ("1.8", "there is no containerd 1.8.0: 2.0 followed 1.7"),
        ("3.0", "containerd 3.0.0 is not supported: the formats known are those of 1.2 to 2.x"),
    ],
)
def test_unknown_and_unsupported_versions_are_refused_with_the_reason(text, message):
    with pytest.raises(InvalidArgument) as caught:
        Release.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("1.2", []),
        ("1.6.31", []),
        ("1.6.32", ["platform", "exports"]),
        ("1.6.39", ["platform", "exports"]),
        ("1.7", []),
        ("1.7.15", []),
        ("1.7.16", ["platform", "exports"]),
        ("1.7.22", ["platform", "exports"]),
        ("1.7.23", ["platform", "exports", "capabilities"]),
        ("2.0", ["platform", "exports", "capabilities"]),
        ("2.6", ["platform", "exports", "capabilities"]),
    ],
)
def test_each_release_has_the_settings_of_its_release_notes(text, keys):
    release = Release.parse(text)
    assert [key for key in ("platform", "exports", "capabilities") if release.reads(key)] == keys
    assert release.reads("type")
    assert release.reads("address")


@pytest.mark.parametrize(("text", "capabilities"), [("1.7.29", {"rebase"}), ("2.0", {"rebase", "remap-ids"})])
def test_a_release_without_id_mapped_mounts_gets_no_such_capabilities(text, capabilities):
    assert set(filter(Release.parse(text).knows, ("rebase", "remap-ids"))) == capabilities
