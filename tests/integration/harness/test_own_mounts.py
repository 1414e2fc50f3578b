"""The mounts of tests are their own."""

import os

import pytest

pytestmark = pytest.mark.requires("root")


def test_a_process_beside_the_tests_does_not_see_their_mounts() -> None:
    assert os.readlink("/proc/self/ns/mnt") != os.readlink(f"/proc/{os.getppid()}/ns/mnt")
