"""The kernel's own messages."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from lamina.diagnosis._kernel_log import _messages
from lamina.plugins.snapshots.overlay import probe

pytestmark = pytest.mark.requires("root", "overlay")


def test_a_failed_mount_is_in_the_kernel_log_with_its_time(tmp_path: Path) -> None:
    layer = tmp_path / "gone"
    command = ["mount", "-t", "overlay", "-o", f"lowerdir={layer}:{layer}", "overlay", tmp_path]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode != 0
    ((text, moment),) = [one for one in _messages().items() if str(layer) in one[0]]
    assert text.startswith("overlayfs: failed to resolve")
    assert abs(moment - time.time()) < 60


def test_messages_about_probes_of_lamina_are_ignored(tmp_path: Path) -> None:
    before = _messages()
    with pytest.raises(Exception, match="bogus"):
        probe(os.fspath(tmp_path), ("bogus=1",), remap_ids=True)
    assert not [text for text in _messages() if text not in before and str(tmp_path) in text]
