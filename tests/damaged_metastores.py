"""Metastores with three data roots that are damaged on purpose, opened in a process each, and what became of them.

Run as a program it prints a line of JSON for each damage: `python damaged_metastores.py DIRECTORY FIRST COUNT`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Info
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore, _checking
from lamina.snapshots.storage._meta import Meta, newest_meta
from lamina.snapshots.storage._pages import Pages

NAMES = ("one", "two", "three")
SNAPSHOTS = 24
PAGE = 4096
TWO_MOMENTS = "a quarter of the pages stale"
"""The one damage after which records of an earlier moment are served: pages of all kinds agree on them."""
LIMITS = (_checking.SMALL, _checking.LARGE)
SECONDS = 30
"""How long an opening may take."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[dict[str, LocalSnapshotter | Exception]]:
    """The snapshotters of a metastore, or what kept each from opening."""
    with contextlib.ExitStack() as stack:
        store = MetaStore.open(str(path / "metastore"))
        stack.callback(store.close)
        found: dict[str, LocalSnapshotter | Exception] = {}
        for name in NAMES:
            try:
                found[name] = LocalSnapshotter.open(
                    NativeBackend(str(path / name)), store.snapshotter(name), sync_fs=False
                )
                stack.callback(found[name].close)
            except Exception as error:  # noqa: BLE001 - all are told
                found[name] = error
        yield found


def populate(path: Path) -> None:
    """Make a metastore with three data roots, in which each snapshot's data says whose it is, and its truth."""
    random = Random(0)
    with opened(path) as snapshotters:
        for name, snapshotter in snapshotters.items():
            assert isinstance(snapshotter, LocalSnapshotter)
            _fill(snapshotter, name, random)
        earlier = {name: _listed(one) for name, one in snapshotters.items() if isinstance(one, LocalSnapshotter)}
        shutil.copyfile(path / "metastore/data.mdb", path / "earlier.mdb")
    with opened(path) as snapshotters:
        for snapshotter in snapshotters.values():
            assert isinstance(snapshotter, LocalSnapshotter)
            for number in range(0, SNAPSHOTS, 5):
                snapshotter.remove(f"child {number}")
            snapshotter.prepare("late", labels={"l": "late"})
            snapshotter._root.records.flush()
            snapshotter.cleanup()
        truth = {name: _listed(one) for name, one in snapshotters.items() if isinstance(one, LocalSnapshotter)}
        ids = {
            name: sorted(map(str, one._store.ids()))
            for name, one in snapshotters.items()
            if isinstance(one, LocalSnapshotter)
        }
    for name, own in ids.items():
        for id_ in own:
            (path / name / "snapshots" / id_ / "id").write_text(f"{name} {id_}")
    (path / "truth.json").write_text(json.dumps({"infos": truth, "ids": ids, "earlier": earlier}))


def _fill(snapshotter: LocalSnapshotter, name: str, random: Random) -> None:
    other = snapshotter.keyspace(f"client of {name}")
    for number in range(SNAPSHOTS):
        labels = {f"label{n}": "v" * random.randrange(200) for n in range(random.randrange(4))}
        snapshotter.prepare(f"making {number}", "" if number % 4 == 0 else f"base {number - 1}")
        snapshotter.commit(f"base {number}", f"making {number}", labels)
        snapshotter.prepare(f"child {number}", f"base {number}", labels)
        other.prepare(f"other {number}", labels=labels)
    snapshotter.prepare("large", labels={str(n): "v" * 4000 for n in range(3)})
    snapshotter.prepare("long " + "x" * 600)


def _listed(snapshotter: LocalSnapshotter) -> dict[str, list[Any]]:
    keyspaces = (snapshotter, snapshotter.keyspace(f"client of {snapshotter._store.name}"))
    infos = [info for one in keyspaces for info in one.walk()]
    for one in keyspaces:
        for info in one.walk():
            assert one.stat(info.name) == info
    return {info.name: _told(info) for info in infos}


def _told(info: Info) -> list[Any]:
    return [info.kind.name, info.parent, dict(info.labels), info.created, info.updated]


class Damager:
    """Damages the file of a metastore."""

    def __init__(self, data: bytes, earlier: bytes, random: Random) -> None:
        self.data = bytearray(data)
        self._earlier = earlier
        self._random = random
        meta, damages = newest_meta(lambda offset, size: data[offset : offset + size])
        assert meta is not None
        assert not damages
        self._meta: Meta = meta
        pages = Pages(lambda offset, size: data[offset : offset + size], meta)
        self._keys = [key for key, _ in pages.entries(meta.main)]
        self._main = sorted(pages.used)
        pages.free()
        self._used = sorted(pages.used)

    def damage(self) -> str:
        """Do one of many kinds of damage; returns what it was."""
        kinds: list[Callable[[], str]] = [
            *[self._flip_in_entry] * 6,
            self._zero_page,
            self._zero_page,
            self._zero_sector,
            self._swap_pages,
            self._copy_page,
            self._cut,
            self._stale_page,
            self._stale_page,
            self._garbage,
            self._swap_pointers,
            self._swap_pointers,
            self._meta_damage,
            self._meta_damage,
            self._flip_in_header,
            self._flip_anywhere,
            self._free_list,
            self._stale_file,
        ]
        return self._random.choice(kinds)()

    def _page(self) -> int:
        return self._random.choice(self._used)

    def _flip(self, at: int) -> None:
        self.data[at] ^= 1 << self._random.randrange(8)

    def _write(self, page: int, data: bytes) -> None:
        self.data[page * PAGE : page * PAGE + len(data)] = data

    def _flip_in_entry(self) -> str:
        kind = self._random.choice(sorted({key[:1] for key in self._keys}))
        key = self._random.choice([key for key in self._keys if key[:1] == kind])
        places = [page * PAGE + at for page in self._main if (at := self._read(page).find(key)) >= 0]
        at = self._random.choice(places)
        self._flip(min(at + self._random.randrange(-8, len(key) + 60), len(self.data) - 1))
        return f"a bit at an entry {kind.decode()}"

    def _read(self, page: int) -> bytes:
        return bytes(self.data[page * PAGE : (page + 1) * PAGE])

    def _zero_page(self) -> str:
        self._write(self._page(), bytes(PAGE))
        return "a zeroed page"

    def _zero_sector(self) -> str:
        at = self._page() * PAGE + self._random.randrange(8) * 512
        self.data[at : at + 512] = bytes(512)
        return "a zeroed sector"

    def _swap_pages(self) -> str:
        first, second = self._random.sample(self._used, 2)
        contents = self._read(first), self._read(second)
        self._write(second, contents[0])
        self._write(first, contents[1])
        return "swapped pages"

    def _copy_page(self) -> str:
        first, second = self._random.sample(self._used, 2)
        self._write(second, self._read(first))
        return "a page over another"

    def _cut(self) -> str:
        del self.data[self._random.randrange(1, len(self.data)) :]
        return "a cut file"

    def _stale_page(self) -> str:
        pages = [n for n in self._used if self._earlier[n * PAGE : (n + 1) * PAGE] not in (self._read(n), b"")]
        page = self._random.choice(pages)
        self._write(page, self._earlier[page * PAGE : (page + 1) * PAGE].ljust(PAGE, b"\0"))
        return "a stale page"

    def _stale_file(self) -> str:
        """A file that is put together from two moments."""
        pages = self._random.sample(self._used, max(1, len(self._used) // 4))
        for page in pages:
            self._write(page, self._earlier[page * PAGE : (page + 1) * PAGE].ljust(PAGE, b"\0"))
        return TWO_MOMENTS

    def _garbage(self) -> str:
        at = self._page() * PAGE + self._random.randrange(PAGE - 64)
        self.data[at : at + 64] = self._random.randbytes(64)
        return "garbage"

    def _swap_pointers(self) -> str:
        page = self._random.choice(self._main)
        base = page * PAGE
        count = (int.from_bytes(self.data[base + 12 : base + 14], "little") - 16) // 2
        if count < 2 or self.data[base + 10] == 4:
            return self._flip_in_header()
        first, second = (base + 16 + 2 * at for at in self._random.sample(range(min(count, 2000)), 2))
        self.data[first : first + 2], self.data[second : second + 2] = (
            self.data[second : second + 2],
            self.data[first : first + 2],
        )
        return "keys out of order"

    def _meta_damage(self) -> str:
        page = self._random.randrange(2)
        match self._random.randrange(4):
            case 0:
                self._write(page, bytes(PAGE))
                return "a zeroed meta page"
            case 1:
                self._write(page, self._read(1 - page))
                return "a meta page over the other"
            case 2:
                self._write(0, bytes(2 * PAGE))
                return "both meta pages zeroed"
            case _:
                self._flip(page * PAGE + self._random.randrange(152))
                return "a bit in a meta page"

    def _flip_in_header(self) -> str:
        self._flip(self._page() * PAGE + self._random.randrange(48))
        return "a bit in a page's header"

    def _flip_anywhere(self) -> str:
        for _ in range(self._random.choice((1, 20))):
            self._flip(self._random.randrange(len(self.data)))
        return "bits anywhere"

    def _free_list(self) -> str:
        root = self._meta.free.root * PAGE
        self._flip(root + self._random.randrange(16, PAGE))
        upper = int.from_bytes(self.data[root + 14 : root + 16], "little")
        at = root + upper + self._random.randrange((PAGE - upper) // 8) * 8
        self.data[at : at + 8] = self._random.choice(self._used).to_bytes(8, "little")
        return "a damaged free list"


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = f": {record.exc_info[1]}" if record.exc_info else ""
        self.lines.append(f"{record.levelname} {record.getMessage()}{error}")


def look(path: Path) -> dict[str, Any]:
    """Open everything, list everything, tidy up, and tell what there was."""
    kept = Kept()
    logging.getLogger("lamina").addHandler(kept)
    told: dict[str, Any] = {"error": "", "errors": {}, "infos": {}, "log": kept.lines}
    try:
        with opened(path) as snapshotters:
            for name, snapshotter in snapshotters.items():
                if isinstance(snapshotter, Exception):
                    told["errors"][name] = f"{type(snapshotter).__name__}: {snapshotter}"
                    continue
                try:
                    told["infos"][name] = _listed(snapshotter)
                except Exception as error:  # noqa: BLE001 - all are told
                    told["errors"][name] = f"{type(error).__name__}: {error}"
                snapshotter._tidying().tidy_up()
                snapshotter.cleanup()
    except Exception as error:  # noqa: BLE001 - all are told
        told["error"] = f"{type(error).__name__}: {error}"
    return told


def look_in_child(path: Path) -> tuple[int, dict[str, Any]]:
    """As `look`, in a forked child; returns its wait status as well."""
    result = path / "result.json"
    pid = os.fork()
    if pid == 0:
        signal.alarm(SECONDS)
        try:
            result.write_text(json.dumps(look(path)))
        finally:
            os._exit(0 if result.exists() else 1)
    _, status = os.waitpid(pid, 0)
    told = json.loads(result.read_text()) if result.exists() else {}
    result.unlink(missing_ok=True)
    return status, told


def run(base: Path, seed: int) -> dict[str, Any]:
    """Do one damage to a copy of a populated directory, and open it twice."""
    random = Random(seed)
    path = base.with_name(f"case-{seed}")
    shutil.copytree(base, path)
    try:
        file = path / "metastore/data.mdb"
        damager = Damager(file.read_bytes(), (base / "earlier.mdb").read_bytes(), random)
        what = damager.damage()
        file.write_bytes(damager.data)
        large = random.random() < 0.3
        _checking.SMALL, _checking.LARGE = (0, 0) if large else LIMITS  # type: ignore[misc] # both ways
        looks = [look_in_child(path) for _ in range(2)]
        kept = {
            name: {
                id_: (path / name / "snapshots" / id_ / "id").read_text()
                for id_ in os.listdir(path / name / "snapshots")
                if (path / name / "snapshots" / id_ / "id").exists()
            }
            for name in NAMES
        }
        aside = [name for name in os.listdir(path / "metastore") if ".damaged-" in name]
        return {"seed": seed, "what": what, "large": large, "looks": looks, "kept": kept, "aside": aside}
    finally:
        shutil.rmtree(path)


def main(directory: str, first: str, count: str) -> None:
    """Run damages one after the other."""
    base = Path(directory)
    for seed in range(int(first), int(first) + int(count)):
        print(json.dumps(run(base, seed)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
