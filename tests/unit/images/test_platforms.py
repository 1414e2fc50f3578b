"""Platforms: how they are written, and which images a machine runs."""

from __future__ import annotations

import os

import pytest

from lamina.errdefs import InvalidArgument
from lamina.images.documents import Platform

NORMALIZED = {
    "linux/x86_64": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/amd64/v3": "linux/amd64/v3",
    "Linux/AMD64": "linux/amd64",
    "linux/i386": "linux/386",
    "linux/aarch64": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/arm64/8": "linux/arm64",
    "linux/armhf": "linux/arm/v7",
    "linux/armel": "linux/arm/v6",
    "linux/arm": "linux/arm/v7",
    "linux/arm/6": "linux/arm/v6",
    "macos/arm64": "darwin/arm64",
    "linux/sparc64": "linux/sparc64",
}
RUNS = {
    "linux/amd64": ["linux/amd64", "linux/386"],
    "linux/amd64/v3": ["linux/amd64/v3", "linux/amd64/v2", "linux/amd64", "linux/386"],
    "linux/arm/v7": ["linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    "linux/arm64": ["linux/arm64", "linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"],
    "linux/arm64/v8.2": ["linux/arm64/v8.2", "linux/arm64/v8.1", "linux/arm64", "linux/arm/v8"],
    "linux/arm64/v9.1": ["linux/arm64/v9.1", "linux/arm64/v9", "linux/arm64/v8.6", "linux/arm64/v8.5"],
    "linux/riscv64": ["linux/riscv64"],
    "linux/arm64/v8.99999999": ["linux/arm64/v8.99999999", "linux/arm/v8"],
}
"""The first platforms, as containerd's `platforms.Only` orders them."""


@pytest.mark.parametrize("specifier", NORMALIZED)
def test_a_platform_is_normalised(specifier: str) -> None:
    assert str(Platform.parse(specifier)) == NORMALIZED[specifier]


@pytest.mark.parametrize("specifier", RUNS)
def test_a_machine_runs_images_of_older_variants(specifier: str) -> None:
    runs = Platform.parse(specifier).runs()
    assert list(map(str, runs))[: len(RUNS[specifier])] == RUNS[specifier]


def test_the_best_image_has_the_lowest_rank() -> None:
    machine = Platform("linux", "aarch64")
    images = [Platform("linux", "arm", "v6"), Platform("linux", "arm64", "v8"), Platform("linux", "arm")]
    assert sorted(images, key=lambda image: machine.rank(image) or 0) == [images[1], images[2], images[0]]


@pytest.mark.parametrize("image", ["linux/arm64", "windows/amd64", "linux/amd64/v2"])
def test_an_image_of_another_platform_has_no_rank(image: str) -> None:
    assert Platform("linux", "amd64").rank(Platform.parse(image)) is None


def test_half_of_a_specifier_is_completed_by_the_host() -> None:
    host = Platform.host()
    assert Platform.parse("linux") == host
    assert Platform.parse("aarch64") == Platform(host.os, "arm64")


def test_the_host_is_linux_on_this_processor() -> None:
    assert Platform.host() == Platform("Linux", os.uname().machine).normalized()
    assert Platform.host().os == "linux"


@pytest.mark.parametrize("specifier", ["", "linux/", "linux/arm/v7/x", "linux/*", "../amd64", "linux amd64"])
def test_a_malformed_specifier_is_refused(specifier: str) -> None:
    with pytest.raises(InvalidArgument, match="expected os/architecture"):
        Platform.parse(specifier)


def test_an_unknown_word_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidArgument, match=r"'amd46': neither an operating system nor .*: 'amd64' is one"):
        Platform.parse("amd46")


def test_a_word_like_no_known_one_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidArgument, match="expected one of them, or both: linux/arm64"):
        Platform.parse("foo")
