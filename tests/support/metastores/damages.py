"""Damages to the file of a metastore: flipped bits, lost and exchanged pages, pages of two moments."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from lamina.store._meta import Meta, newest_meta
from lamina.store._pages import Pages

PAGE = 4096
STALE = "a stale page"
TWO_MOMENTS = "a quarter of the pages stale"
"""The one damage after which records of an earlier moment are served: pages of all kinds agree on them."""


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
        return STALE

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
