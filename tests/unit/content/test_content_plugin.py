"""The content store as a plugin of a host."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lamina.content import ContentStore, NewBlob, ingest, read_blob
from lamina.content.local import LocalContentStore
from lamina.errdefs import PluginFailed
from lamina.host import Host
from lamina.plugin import Finding, PluginType, Registration, Verdict, diagnose, hookimpl
from lamina.plugins.content.plugin import ContentConfig, lamina_register
from lamina.testing import HostFactory
from tests.support.blobs import digest_of

URI = "io.containerd.content.v1.content"
DIGEST = digest_of(b"data")
[REGISTRATION] = lamina_register()


@hookimpl
def lamina_register() -> Iterable[Registration[Any]]:
    return [Registration(type=PluginType.CONTENT, id="other", init=lambda _: object())]


def content(host: Host) -> LocalContentStore:
    store: LocalContentStore = host.get(PluginType.CONTENT, "content")
    return store


def store_blob(store: ContentStore) -> None:
    ingest(store, [NewBlob(DIGEST, b"data", {"kept": "yes"})])


def findings(root: Path, *, whole: bool) -> list[Finding]:
    return diagnose(REGISTRATION, config=ContentConfig(), root=root, state=root, whole=whole)


def test_blobs_and_their_labels_survive_a_restart(lamina_host: HostFactory) -> None:
    host = lamina_host()
    store_blob(content(host))
    host.stop()
    store = content(lamina_host())
    assert read_blob(store, DIGEST) == b"data"
    assert store.info(DIGEST).labels == {"kept": "yes"}


def test_the_directory_is_the_plugins_own_or_a_configured_one(lamina_host: HostFactory, tmp_path: Path) -> None:
    host = lamina_host()
    assert content(host).path == str(tmp_path / "root" / URI)
    host.stop()
    store = content(lamina_host(plugins={URI: {"root_path": str(tmp_path / "blobs")}}))
    store_blob(store)
    assert (tmp_path / "blobs/blobs/sha256" / DIGEST.removeprefix("sha256:")).read_bytes() == b"data"


def test_a_store_of_a_third_party_must_have_the_methods_of_the_contract(lamina_host: HostFactory) -> None:
    with pytest.raises(PluginFailed, match="writer"):
        lamina_host(__name__).get(PluginType.CONTENT, "other")


def test_a_diagnosis_finds_the_directory_and_who_holds_its_lock(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path / URI))
    found = findings(tmp_path, whole=False)
    store.close()
    assert [finding.check for finding in found] == ["directory", "lock"]
    assert str(os.getpid()) in found[1].found


def test_an_examination_counts_blobs(tmp_path: Path) -> None:
    [finding] = findings(tmp_path, whole=True)
    assert (finding.status, finding.found) == (Verdict.OK, f"{tmp_path / URI} has no blobs yet")
    store = LocalContentStore(str(tmp_path / URI))
    store_blob(store)
    store.close()
    [finding] = findings(tmp_path, whole=True)
    assert finding.status is Verdict.OK
    assert finding.found.startswith("1 blob")


def test_an_examination_finds_what_is_no_blob_and_repairs_modes(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path / URI))
    store_blob(store)
    store.close()
    directory = tmp_path / URI / "blobs/sha256"
    blob = directory / DIGEST.removeprefix("sha256:")
    blob.chmod(0o666)
    (directory / "planted").touch()
    (directory / ("0" * 64)).mkdir()
    warnings = [finding for finding in findings(tmp_path, whole=True) if finding.status is Verdict.WARNING]
    assert {Path(finding.found.split()[0]).name for finding in warnings} == set(os.listdir(directory))
    [repair] = [finding.repair for finding in warnings if finding.repair]
    repair.run()
    assert blob.stat().st_mode & 0o777 == 0o444


def test_an_examination_finds_a_directory_that_others_may_write_to(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path / URI))
    store_blob(store)
    store.close()
    (tmp_path / URI / "blobs/sha256").chmod(0o777)
    [problem] = [finding for finding in findings(tmp_path, whole=True) if finding.status is Verdict.PROBLEM]
    assert problem.check == "modes and owners"
