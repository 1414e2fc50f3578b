"""However a file's contents are copied, they are the same, holes too."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.fs._file_data import BUFFER, SMALL, DataCopier

BLOCK = 4096
WAYS = {
    "the quickest way that works": {},
    "in the kernel": {"shares_blocks": False},
    "read and written": {"shares_blocks": False, "copies_in_kernel": False},
}


def copy(source: int, target: int, **ways: bool) -> None:
    DataCopier(lambda: None, **ways).copy(source, target, os.fstat(source))


def content(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size + 1, 0)


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
@given(
    blocks=st.lists(st.booleans(), max_size=20),
    rest=st.integers(0, BLOCK - 1),
    scale=st.sampled_from([1, 16]),
)
def test_data_and_holes_are_where_they_were(
    ways: dict[str, bool], blocks: list[bool], rest: int, scale: int
) -> None:
    """A file of blocks with data and blocks without, and of a length that need not be a multiple of one."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        for number, has_data in enumerate(blocks):
            if has_data:
                os.pwrite(source.fileno(), bytes([number + 1]) * (scale * BLOCK), number * scale * BLOCK)
        os.truncate(source.fileno(), max(0, len(blocks) * scale * BLOCK - rest))
        copy(source.fileno(), target.fileno(), **ways)
        assert content(target.fileno()) == content(source.fileno())
        assert os.fstat(target.fileno()).st_blocks <= os.fstat(source.fileno()).st_blocks


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("size", [1, SMALL, SMALL + 1, BUFFER, BUFFER + 1, 3 * BUFFER - 1])
def test_every_size_is_copied_whole(ways: dict[str, bool], size: int) -> None:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        os.pwrite(source.fileno(), os.urandom(size), 0)
        copy(source.fileno(), target.fileno(), **ways)
        assert content(target.fileno()) == content(source.fileno())


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_a_file_that_has_become_shorter_is_copied_as_far_as_it_goes(ways: dict[str, bool]) -> None:
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        os.pwrite(source.fileno(), b"x" * 1000, 0)
        before = os.fstat(source.fileno())
        os.truncate(source.fileno(), 10)
        DataCopier(lambda: None, **ways).copy(source.fileno(), target.fileno(), before)
        assert content(target.fileno()) == b"x" * 10


def test_a_way_that_does_not_exist_is_not_tried_again() -> None:
    """Files of different file systems share no blocks, and some kernels do not copy between them."""
    with open("/proc/self/mounts", "rb") as source, tempfile.TemporaryFile() as target:
        contents = DataCopier(lambda: None)
        assert not contents._share(source.fileno(), target.fileno())
        assert not contents.shares_blocks


def test_content_that_the_kernel_does_not_see_is_read() -> None:
    """Files of proc(5) are made when they are read; a copy within the kernel finds nothing in some of them."""
    with open("/proc/version", "rb") as source, tempfile.TemporaryFile() as target:
        DataCopier(lambda: None)._copy_range(source.fileno(), target.fileno(), 0, 10)
        assert content(target.fileno()) == os.pread(source.fileno(), 10, 0)
