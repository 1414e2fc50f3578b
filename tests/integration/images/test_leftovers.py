"""What a killed unpack left behind is removed by the next one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lamina.content import ContentStore
from lamina.images.unpack import Destination, Unpacker
from lamina.layers import Applier
from lamina.snapshots.temporary import LABEL, Owner
from tests.support.images.built import build_image, layer
from tests.support.images.trees import unfinished

pytestmark = pytest.mark.requires("root", "overlay")

LAYERS = (layer({"file": "1"}),)
KEY = "extract-123456789-AbCd sha256:0123"


def owner_of_another_process(*, ended: bool) -> tuple[str, subprocess.Popen[str]]:
    """The label of an unpacker in another process, which ends when its input is closed."""
    program = "from lamina.snapshots.temporary import Owner; print(Owner().label, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    label = process.stdout.readline().strip()
    if ended:
        process.kill()
        process.wait()
    return label, process


def unpack(content: ContentStore, applier: Applier, destination: Destination) -> None:
    image = build_image(content, LAYERS)
    Unpacker(content, applier).unpack(image.manifest, image.config, destination)


def test_snapshots_of_a_process_that_has_ended_are_removed(
    content: ContentStore, applier: Applier, destination: Destination
) -> None:
    """Also if there is nothing left to unpack."""
    label, process = owner_of_another_process(ended=True)
    for _ in range(2):
        destination.snapshotter.prepare(KEY, labels={LABEL: label})
        destination.snapshotter.view(f"{KEY} view", labels={LABEL: label})
        unpack(content, applier, destination)
        assert unfinished(destination.snapshotter) == set()
    process.communicate()


def test_snapshots_of_a_process_that_runs_are_kept(
    content: ContentStore, applier: Applier, destination: Destination
) -> None:
    label, process = owner_of_another_process(ended=False)
    destination.snapshotter.prepare(KEY, labels={LABEL: label})
    unpack(content, applier, destination)
    assert unfinished(destination.snapshotter) == {KEY}
    process.communicate("\n")


def test_those_of_containerd_and_others_are_kept(
    content: ContentStore, applier: Applier, destination: Destination
) -> None:
    keys = {KEY, "another", f"default/12/{KEY}"}
    for key in keys:
        destination.snapshotter.prepare(key)
    unpack(content, applier, destination)
    assert unfinished(destination.snapshotter) == keys


def test_a_snapshot_is_abandoned_when_nothing_can_go_on_with_it() -> None:
    owner = Owner()
    boot, namespace, pid, started, word = owner.label.split(" ")
    owner.begin(KEY)
    assert not owner.is_abandoned(KEY, owner.label)
    owner.end(KEY)
    assert owner.is_abandoned(KEY, owner.label)
    assert not owner.is_abandoned(KEY, f"{boot} {namespace} {pid} {started} {word[::-1]}x"), "of another unpacker"
    assert owner.is_abandoned(KEY, f"{boot} {namespace} {pid} {int(started) - 1} x"), "the pid was used again"
    assert owner.is_abandoned(KEY, f"another-boot {namespace} {pid} {started} x")
    assert not owner.is_abandoned(KEY, f"{boot} pid:[1] {pid} {int(started) - 1} x"), "cannot be told from here"
    assert not owner.is_abandoned(KEY, "anything")
    assert os.getpid() == int(pid)
