"""Another user plants or owns files in what becomes a content store of root, and gains nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest

from lamina.content import NewBlob, ingest, read_blob, verify_blob
from lamina.content.local import LocalContentStore
from lamina.errdefs import Error
from tests.support.blobs import digest_of
from tests.support.hostile.planted import KINDS, Victim, his, plant

pytestmark = [pytest.mark.requires("root"), pytest.mark.timeout(300)]  # nothing waits for what is planted

DATA = b"root:x:0:0\n"
"""What the victim's file has, too."""
DIGEST = digest_of(DATA)
BLOB = f"blobs/sha256/{DIGEST.removeprefix('sha256:')}"
INGEST = f"ingest/{digest_of(f'blob-{DIGEST}'.encode()).removeprefix('sha256:')}"
PLACES = (
    "lamina.lock", "blobs", "blobs/sha256", "ingest", BLOB,
    INGEST, f"{INGEST}/data", f"{INGEST}/ref", f"{INGEST}/total",
)  # fmt: skip


def use(path: Path) -> None:
    """Do everything with a store."""
    store = LocalContentStore(str(path))
    with contextlib.closing(store):
        ingest(store, [NewBlob(DIGEST, DATA), NewBlob(digest_of(b"other"), b"other")])
        for info in store.walk():
            verify_blob(store, info.digest)
        assert read_blob(store, DIGEST) == DATA
        list(store.statuses())
        store.delete(DIGEST)


@pytest.mark.parametrize("kind", [*KINDS, "his directory"])
@pytest.mark.parametrize("planted", PLACES)
def test_what_is_planted_is_refused_or_not_followed(place: Path, victim: Victim, planted: str, kind: str) -> None:
    """Also if the store has been used before."""
    path = place / "content"
    use(path)
    with contextlib.closing(LocalContentStore(str(path))) as store:
        store.writer(f"blob-{DIGEST}", size=len(DATA)).close()
    if (path / planted).is_dir():
        shutil.rmtree(path / planted)
    (path / planted).unlink(missing_ok=True)
    if kind == "his directory":
        his(path / planted)
    else:
        plant(path / planted, kind, victim)
    with contextlib.suppress(Error):
        use(path)


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_store_that_others_may_write_to_is_refused(place: Path, mode: int) -> None:
    for name in ("", "blobs", "blobs/sha256", "ingest"):
        path = place / f"content-{os.path.basename(name)}"
        use(path)
        (path / name / "planted").touch()
        (path / name).chmod(mode)
        with pytest.raises(Error, match=f"mode {mode:04o}"):
            use(path)
