"""The command line and a host of a user who is not root."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.commands import environment, run
from tests.support.directories import short_directory
from tests.support.processes import forked
from tests.support.processes.diagnoses import NOBODY, diagnose
from tests.support.processes.hosts import LAMINA, Host

pytestmark = pytest.mark.requires("root")


def test_without_a_name_commands_use_a_snapshotter_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with short_directory() as directory:
        os.chown(directory, 65534, 65534)
        monkeypatch.setenv("HOME", str(directory))
        with Host(directory, prefix=NOBODY).running() as host:
            variables = {"LAMINA_ADDRESS": host.address}

            def lamina(*words: str) -> str:
                return run(*NOBODY, *LAMINA, *words, env=variables)

            lamina("snapshots", "prepare", "work")
            (snapshot,) = json.loads(lamina("snapshots", "--snapshotter", "native", "ls", "--json"))
            assert snapshot["Name"] == "work"
            assert [one["Name"] for one in json.loads(lamina("snapshots", "ls", "--json"))] == ["work"]
            found = diagnose("work", "-a", host.address, prefix=NOBODY)
            assert found.one("snapshot work", "record")["Status"] == "ok"


def test_root_is_told_as_whom_to_examine_the_host_of_another_user() -> None:
    with short_directory() as directory:
        os.chown(directory, 65534, 65534)
        with Host(directory, prefix=NOBODY).running() as host:
            found = diagnose("-a", host.address)
            assert [one["Remedy"] for one in found.findings if "chown" in one["Remedy"]] == []
            owners = found.one("directories", "owners")
            assert (owners["Status"], owners["Remedy"].endswith("sudo -u nobody")) == ("unknown", True)
            done = forked.run("doctor", "-a", host.address, env=environment())
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr.endswith("run the same command as that user: sudo -u nobody\n")
            run(*NOBODY, *LAMINA, "doctor", "-a", host.address, env={"HOME": str(directory)})
