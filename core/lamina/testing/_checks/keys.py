"""Checks of keys and names."""

from __future__ import annotations

import pytest

from lamina.errdefs import InvalidArgument, NotFound
from lamina.snapshots import Snapshotter
from lamina.testing._checks.subject import Checks, Subject, keys, mounted

KEYS: dict[str, str] = {
    "a path": "/var/lib/snapshots/sha256:0123",
    "a relative path": "../../etc/passwd",
    "a dot": ".",
    "slashes": "//a//",
    "a line break": "one\ntwo",
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f",
    "spaces": " a  b ",
    "quotes": "\"'`\\",
    "mount separators": "a:b,c=d",
    "percent": "%s %2F {}",
    "accents": "né\u0301",
    "other scripts": "スナップショット",
    "emoji": "👩\u200d💻",
    "a number": "1",
    "a long one": "k" * 3000,
}


class KeyChecks(Checks):
    """Keys and names are any text up to a length. No character has a meaning."""

    @pytest.mark.parametrize("kind", KEYS)
    def test_a_key_may_be(self, snapshotter: Snapshotter, kind: str) -> None:
        """Any text, through the whole life of a snapshot."""
        key = KEYS[kind]
        with mounted(snapshotter.prepare(key)) as root:
            (root / "x").touch()
        snapshotter.commit(key + "-name", key)
        snapshotter.view(key, key + "-name")
        assert (snapshotter.stat(key).name, snapshotter.stat(key).parent) == (key, key + "-name")
        with mounted(snapshotter.mounts(key)) as root:
            assert (root / "x").exists()
        assert keys(snapshotter) == [key, key + "-name"]
        snapshotter.remove(key)
        snapshotter.remove(key + "-name")
        assert keys(snapshotter) == []

    def test_keys_that_look_alike_are_different(self, snapshotter: Snapshotter) -> None:
        """By case, slashes, spaces and Unicode normalization form."""
        alike = ["a", "A", "a/", "a ", "/a", "a/b", "\u00e9", "e\u0301"]
        for key in alike:
            snapshotter.prepare(key, labels={"is": key})
        assert [snapshotter.stat(key).labels["is"] for key in alike] == alike

    def test_a_key_may_be_as_long_as_the_limit(self, subject: Subject) -> None:
        """As a key and as a name, through the whole life of a snapshot."""
        key, name = "k" * subject.traits.max_key_bytes, "n" * subject.traits.max_key_bytes
        subject.snapshotter.prepare(key)
        subject.snapshotter.commit(name, key)
        subject.snapshotter.view(key, name)
        assert subject.snapshotter.stat(key).parent == name
        assert keys(subject.snapshotter) == [key, name]
        subject.snapshotter.remove(key)
        subject.snapshotter.remove(name)
        assert keys(subject.snapshotter) == []

    def test_a_key_cannot_be_longer_than_the_limit(self, subject: Subject) -> None:
        """As a key and as a name."""
        key = "k" * (subject.traits.max_key_bytes + 1)
        snapshotter = subject.snapshotter
        snapshotter.prepare("a")
        with pytest.raises(InvalidArgument):
            snapshotter.prepare(key)
        with pytest.raises(InvalidArgument):
            snapshotter.view(key)
        with pytest.raises(InvalidArgument):
            snapshotter.commit(key, "a")
        assert keys(snapshotter) == ["a"]

    def test_the_limit_counts_bytes(self, subject: Subject) -> None:
        """Not characters."""
        key = "é" * (subject.traits.max_key_bytes // 2)
        subject.snapshotter.prepare(key)
        assert subject.snapshotter.stat(key).name == key
        with pytest.raises(InvalidArgument):
            subject.snapshotter.prepare("é" * (subject.traits.max_key_bytes // 2 + 1))

    def test_long_keys_may_differ_in_their_last_byte_only(self, subject: Subject) -> None:
        """Keys are never truncated, and walked in order."""
        long = [("k" * (subject.traits.max_key_bytes - 1)) + last for last in "zayb"]
        for key in long:
            subject.snapshotter.prepare(key, labels={"last": key[-1]})
        assert [subject.snapshotter.stat(key).labels["last"] for key in long] == list("zayb")
        assert keys(subject.snapshotter) == sorted(long)
        subject.snapshotter.remove(long[0])
        with pytest.raises(NotFound):
            subject.snapshotter.stat(long[0])
        assert keys(subject.snapshotter) == sorted(long[1:])

    @pytest.mark.parametrize("operation", ["prepare", "view"])
    def test_a_key_cannot_be_empty(self, snapshotter: Snapshotter, operation: str) -> None:
        """In any operation that creates a snapshot."""
        with pytest.raises(InvalidArgument):
            getattr(snapshotter, operation)("")
        assert keys(snapshotter) == []

    def test_a_name_cannot_be_empty(self, snapshotter: Snapshotter) -> None:
        """The active snapshot remains."""
        snapshotter.prepare("a")
        with pytest.raises(InvalidArgument):
            snapshotter.commit("", "a")
        assert keys(snapshotter) == ["a"]

    def test_a_key_must_be_unicode(self, snapshotter: Snapshotter) -> None:
        """The protocol cannot represent a lone surrogate."""
        with pytest.raises(InvalidArgument):
            snapshotter.prepare("half \ud800")
        assert keys(snapshotter) == []
