"""Cancelled walks of a large tree."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.context import use
from lamina.errdefs import Canceled
from lamina.fs import disk_usage, remove_tree
from tests.support.trees import Steps

FILES = 200_000
LINKS = 50_000  # ext4 allows 65,000 links to an inode


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "large"
    root.mkdir()
    directory = os.open(root, os.O_RDONLY)
    for number in range(FILES):
        if number % LINKS == 0:
            first = str(number)
            os.close(os.open(first, os.O_CREAT | os.O_WRONLY, dir_fd=directory))
        else:
            os.link(first, str(number), src_dir_fd=directory, dst_dir_fd=directory)
    os.close(directory)
    yield root
    remove_tree(str(root))
    assert not root.exists()


def test_a_walk_of_200000_files_ends_before_its_end_when_another_thread_cancels_it(large: Path) -> None:
    under_way, cancelled = threading.Event(), threading.Event()

    def step(number: int) -> None:
        if number == 1000:
            under_way.set()
            assert cancelled.wait(timeout=60)

    context = Steps(step)

    def walk() -> tuple[int, int]:
        with use(context):
            return disk_usage(str(large))

    with ThreadPoolExecutor(1) as pool:
        walking = pool.submit(walk)
        assert under_way.wait(timeout=60)
        context.cancel()
        cancelled.set()
        assert isinstance(walking.exception(timeout=60), Canceled)
    assert context.checks < FILES
    assert disk_usage(str(large))[1] == 1 + FILES // LINKS
