"""Docstrings say what a thing is, not what one might ask about it, in words that are read once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
MODULES = sorted(
    path
    for root in ("core", "plugins", "config")
    for path in (CHECKOUT / root).rglob("*.py")
    if not path.stem.endswith("_pb2")
)
PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *(CHECKOUT / "examples").rglob("*.md")]
)

QUESTION = re.compile(r"(?:What|How|Where|Who|Whose|Which|When|Why)\b")
DESCRIPTION = re.compile(r"^ +[*\w]+: (.*)", re.MULTILINE)
"""The description of an argument."""
RESULT = re.compile(r"^ *(?:Returns|Yields):\n +(.*)", re.MULTILINE)

REREAD = {
    r"\bany ?more\b": "no longer",
    r"\bfor the time of\b": "for the duration of",
    r"\b[Ss]top(?:s|ped)? to [a-z]": "stop …ing",
    r"\bso many (?!that)[a-z]": "the number, or at most",
    r", an? \w+ each\b|, one an? \w+\b": "one per …",
    r"\blooks? whether\b": "check whether",
    r"(?<!here )\b(?:is|are) no (?!such)(?:director(?:y|ies)|files?|layer|number|path|text|type)\b": "is not",
    r'"""The (?:most|least|fewest|greatest) (?!severe)': "Maximum number of, minimum",
    r"\bdoes the work\b": "the name of the object",
}
"""Phrases that must be read twice, and what to write instead."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings of a module: of functions, classes and attributes."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def test_a_description_opens_with_a_noun_or_a_verb() -> None:
    questions = [
        f"{path.relative_to(CHECKOUT)}:{line}: {opening}"
        for path in MODULES
        for line, text in docstrings(path)
        for opening in (text, *DESCRIPTION.findall(text), *RESULT.findall(text))
        if QUESTION.match(opening)
    ]
    assert questions == []


def test_no_phrase_must_be_read_twice() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}: {match[0]!r}: write {instead!r}"
        for path in (*MODULES, *PAGES)
        for phrase, instead in REREAD.items()
        for match in re.finditer(phrase, re.sub(r"(?ms)^```.*?^```", "", path.read_text()))
    ]
    assert found == []
