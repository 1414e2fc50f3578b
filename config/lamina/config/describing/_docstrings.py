"""Docstrings of configuration classes and their fields."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap

import attrs


def class_docstring(cls: type) -> str:
    """Return the dedented docstring of a class, or ""."""
    return inspect.cleandoc(cls.__doc__ or "")


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the docstrings below the fields of a class and its bases, from the source, as Python drops them."""
    docstrings: dict[str, str] = {}
    for base in filter(attrs.has, reversed(cls.__mro__)):
        try:
            definition = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        except (OSError, TypeError, SyntaxError):
            continue  # the source is not installed, or not that of the class
        for field, below in itertools.pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                    docstrings[name] = inspect.cleandoc(docstring)
    return docstrings


def first_sentence(docstring: str) -> str:
    """Return the first sentence of a docstring on one line."""
    sentence, end, _ = (" ".join(docstring.split()) + " ").partition(". ")
    return f"{sentence}." if end else sentence.strip()
