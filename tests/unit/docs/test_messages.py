"""The messages that `docs/operations.md` explains are those of the code."""

from __future__ import annotations

import re

import pytest

from tests.support.directories import CHECKOUT

PAGE = (CHECKOUT / "docs/operations.md").read_text()
TABLES = re.findall(r"^\| message \|.*\n\|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
MESSAGES = sorted(
    {
        *(
            text
            for table in TABLES
            for cell in re.findall(r"^\| (.*?) \| ", table, re.MULTILINE)
            for text in re.findall("`(.*?)`", cell)
        ),
        *re.findall(r'msg="(.*?)"', PAGE),
    }
)
VALUES = r"…|process N|user N|60 s|of lamina|overlayfs|btrfs"
"""What a message is filled with on the page."""


def source() -> str:
    files = (file for root in ("core", "plugins", "config") for file in (CHECKOUT / root).rglob("*.py"))
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(file.read_text() for file in files))


SOURCE = source()
"""The code, with strings of several lines joined."""


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_of_the_code(message: str) -> None:
    assert [part for part in map(str.strip, re.split(VALUES, message)) if part not in SOURCE] == []
