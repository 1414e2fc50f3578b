"""Words that lamina's classes are named with are plain words, words of the field, or in `docs/glossary.md`."""

from __future__ import annotations

import ast
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tests.support.directories import CHECKOUT

GLOSSARY = (CHECKOUT / "docs/glossary.md").read_text()
TERMS = re.findall(r"^\| (\S.*?) \| \S", GLOSSARY, re.MULTILINE)[1:]
LIBRARY = Path(sysconfig.get_path("stdlib"))
AREAS = (
    "",
    "asyncio",
    "collections",
    "concurrent/futures",
    "email",
    "http",
    "importlib",
    "logging",
    "multiprocessing",
    "unittest",
)
"""Parts of the standard library whose names are taken for words of the field."""
PLAIN = """
already applied area attempt authorizer backup btrfs change collector column concurrency containerd credentials
cursor damage deadline denied diagnose download duration edges environment exceeded exhausted explanation
extensible fair filesystem flight fs garbage grpc grpcio health held histogram how ids introspection json
lamina lease leases lifecycle loss marking measuring metadata metered metrics migrated mismatch opaque overlay
permission precondition problem progress pulled protection rate rebuilt records rejection reloaded relocation
repair repository rewritten slow sweep transaction unauthenticated upload verified whiteout xattr zstd
"""
"""Words of class names that a dictionary has, or gRPC, registries, containerd, Prometheus and file systems."""


def test_terms_are_in_alphabetical_order() -> None:
    assert sorted(TERMS, key=str.casefold) == TERMS


def test_a_term_has_one_line() -> None:
    assert len(set(TERMS)) == len(TERMS)


def test_a_coined_word_is_in_the_glossary() -> None:
    known = {
        stem(word) for word in (*library_words(), *PLAIN.split(), *re.findall(r"\w+", " ".join(TERMS).lower()))
    }
    coined = {word: name for name in class_names() for word in words(name) if stem(word) not in known}
    assert coined == {}, "use a word of the field, or give the coined word a line in docs/glossary.md"


def class_names() -> Iterator[str]:
    for root in ("core", "plugins", "config"):
        for file in (CHECKOUT / root).rglob("*.py"):
            if not file.stem.endswith("_pb2"):
                found = ast.walk(ast.parse(file.read_text()))
                yield from (node.name for node in found if isinstance(node, ast.ClassDef))


def library_words() -> Iterator[str]:
    for area in AREAS:
        for file in (LIBRARY / area).glob("*.py"):
            for name in (file.stem, *re.findall(r"^\s*(?:class|def) (\w+)", file.read_text(), re.MULTILINE)):
                yield from words(name)


def words(name: str) -> list[str]:
    """The words of a name: `_OpenHow` has "open" and "how"."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def stem(word: str) -> str:
    """A word without the ending of its plural, its participles or of who does it."""
    return re.sub(r"(?<=\w{3})(ies|ing|ers?|ed|e?s|e|y|d)$", "", word)
