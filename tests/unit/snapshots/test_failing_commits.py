"""Commits whose backend fails."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lamina.errdefs import ResourceExhausted
from lamina.plugins.snapshots.native import NativeBackend
from tests.support.snapshotters.native import open_native


@pytest.mark.parametrize("hook", ["finish_quickly", "finish", "commit"])
def test_an_error_of_a_hook_names_the_snapshot_which_stays_active(
    tmp_path: Path, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_native(tmp_path, NativeBackend) as native:
        native.prepare("k")
        with monkeypatch.context() as patch:
            patch.setattr(NativeBackend, "finish_quickly", lambda *_: None)
            patch.setattr(NativeBackend, hook, fail)
            with pytest.raises(ResourceExhausted, match="commit snapshot 'k': "):
                native.commit("c", "k")
        native.commit("c", "k")
