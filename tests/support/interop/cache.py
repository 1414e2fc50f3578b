"""A cache of what is fetched from Debian, for the tests of all runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.commands import CommandFailed, run

_SECONDS_TO_KEEP = 7 * 86_400
_SECONDS_TO_MAKE = 600


def cache() -> Path:
    """The directory `LAMINA_TEST_CACHE`, else `lamina-tests` where the user's caches are."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LAMINA_TEST_CACHE") or caches / "lamina-tests").absolute()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out: each of pytest's workers needs the same."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def debian(suite: str, variant: str, *packages: str) -> Path:
    """Make an archive of a Debian with mmdebstrap, unless the cache has one: of this week, if Debian answers.

    Args:
        suite: Debian's name of the suite.
        variant: mmdebstrap's name of what is always in it.
        packages: What is in it besides.

    Raises:
        CommandFailed: The cache has none, and the suite cannot be reached, or has no such packages.
    """
    directory = cache() / suite
    directory.mkdir(parents=True, exist_ok=True)
    archive = directory / f"{'-'.join((variant, *packages))}.tar"
    with locked(archive.with_suffix(".lock")):
        if is_older(archive, _SECONDS_TO_KEEP):
            new = archive.with_suffix(".new.tar")
            options = (
                "--quiet",
                f"--variant={variant}",
                "--dpkgopt=force-unsafe-io",
                f"--include={','.join(packages)}",
            )
            with kept_on_failure(archive):
                run("mmdebstrap", *options, suite, new, seconds=_SECONDS_TO_MAKE)
                os.replace(new, archive)
    return archive


def is_older(file: Path, seconds: float) -> bool:
    """Return whether a file of the cache is missing, or older than so many seconds."""
    return not file.exists() or time.time() - file.stat().st_mtime > seconds


@contextmanager
def kept_on_failure(file: Path) -> Iterator[None]:
    """Keep a file of the cache, which then counts as new, if a program fails in the block that is to replace it.

    Raises:
        CommandFailed: The program failed, and there is no such file.
        TimeoutExpired: It took too long, and there is none.
    """
    try:
        yield
    except (CommandFailed, subprocess.TimeoutExpired):
        if not file.exists():
            raise
        file.touch()
