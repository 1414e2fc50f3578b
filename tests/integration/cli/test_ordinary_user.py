"""The command line and a host of a user who is not root."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.processes.diagnoses import NOBODY, diagnose
from tests.support.processes.hosts import LAMINA, Host

pytestmark = pytest.mark.requires("root")


def test_without_a_name_commands_use_a_snapshotter_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_directory() as directory:
        os.chown(directory, 65534, 65534)
        monkeypatch.setenv("HOME", str(directory))
        with Host(directory, prefix=NOBODY).running() as host:
            environment = {"LAMINA_ADDRESS": host.address}

            def lamina(*words: str) -> str:
                return run(*NOBODY, *LAMINA, *words, env=environment)

            lamina("snapshots", "prepare", "work")
            (snapshot,) = json.loads(lamina("snapshots", "--snapshotter", "native", "ls", "--json"))
            assert snapshot["Name"] == "work"
            assert [one["Name"] for one in json.loads(lamina("snapshots", "ls", "--json"))] == ["work"]
            found = diagnose("work", "-a", environment["LAMINA_ADDRESS"], prefix=NOBODY)
            assert found.one("snapshot work", "record")["Status"] == "ok"
