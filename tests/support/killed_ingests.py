"""Ingests that SIGKILL ends between two system calls.

`python -m tests.support.killed_ingests DIRECTORY ROUNDS` forks a process for each attempt, so that Python and
lamina are imported once. Each stores the same blobs in a new store and dies before its n-th call of a function of
`os` or `fcntl`; a second one goes on and dies, too; a third one checks what is there and stores the blobs. What
does not hold is printed as JSON, with the number of attempts that died first, and of the calls that it takes to
store the blobs.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import stat
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from lamina.content import Blob, NewBlob, ingest, read_blob, verify_blob
from lamina.content.local import LocalContentStore
from tests.support.blobs import digest_of

COUNTED: Final = frozenset({"posix", "fcntl"})
"""The modules whose functions are counted."""
BLOBS: Final = (b"\x01" * (1 << 20), os.urandom(1_500_000), b"{}", b"")


def store_blobs(directory: Path) -> None:
    """Store all blobs: one by itself, then the others together."""
    store = LocalContentStore(str(directory / "content"))
    with open(directory / "archive", "rb") as archive:
        blobs, offset = [], 0
        for data in BLOBS:
            blobs.append(NewBlob(digest_of(data), Blob(archive.fileno(), len(data), offset)))
            offset += len(data)
        ingest(store, blobs[:1])
        ingest(store, blobs)
    store.close()


def count_calls(act: Callable[[int], object]) -> None:
    """From now on, call a function before each call that counts, with its number from 1."""
    numbers = itertools.count(1)

    def profile(_: FrameType, event: str, function: object) -> None:
        if event == "c_call" and getattr(function, "__module__", "") in COUNTED:
            act(next(numbers))

    sys.setprofile(profile)


def killed(directory: Path, count: int) -> None:
    """Store all blobs, and die before the n-th call."""
    count_calls(lambda number: number == count and os.kill(os.getpid(), signal.SIGKILL))
    store_blobs(directory)


def forked(work: Callable[[], object]) -> bool:
    """Run a function in a child process; return whether it was not killed.

    Raises:
        ChildProcessError: It failed.
    """
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the parent learns of it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise ChildProcessError("a process failed; its traceback is above")
    return os.WIFEXITED(status)


def attempt(directory: Path, first: int, second: int) -> bool:
    """Be killed twice, then check; return whether the first one was killed."""
    ended = forked(lambda: killed(directory, first))
    forked(lambda: killed(directory, second))
    forked(lambda: check(directory))
    return not ended


def check(directory: Path) -> None:
    """Check that all blobs are whole, and that storing them all succeeds and leaves nothing else."""
    store = LocalContentStore(str(directory / "content"))
    for info in store.walk():
        verify_blob(store, info.digest)
    store.close()
    store_blobs(directory)
    store = LocalContentStore(str(directory / "content"))
    assert sorted(read_blob(store, digest_of(data)) for data in BLOBS) == sorted(BLOBS)
    files = sorted((directory / "content/blobs/sha256").iterdir())
    assert [f"sha256:{file.name}" for file in files] == [info.digest for info in store.walk()]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o444}
    assert os.listdir(directory / "content/ingest") == []


def main(directory: str, rounds: str) -> None:
    """Make as many attempts, with the first kill spread over all calls."""
    calls = calls_of_one(make(Path(directory, "none")))
    problems: list[str] = []
    died = 0
    for number in range(int(rounds)):
        place = make(Path(directory, str(number)))
        first, second = 1 + number * calls // int(rounds), random.randrange(1, calls)
        try:
            died += attempt(place, first, second)
        except ChildProcessError as error:
            problems.append(f"killed at call {first} and {second} of {calls}: {error}")
        shutil.rmtree(place)
    print(json.dumps({"problems": problems, "died": died, "calls": calls}))


def make(directory: Path) -> Path:
    """Make a directory with an archive of all blobs."""
    directory.mkdir(mode=0o700)
    (directory / "archive").write_bytes(b"".join(BLOBS))
    return directory


def calls_of_one(directory: Path) -> int:
    """Return how many calls it takes to store all blobs."""
    numbers = [0]
    count_calls(numbers.append)
    store_blobs(directory)
    sys.setprofile(None)
    return numbers[-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
