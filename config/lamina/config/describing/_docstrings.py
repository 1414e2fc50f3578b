"""What the classes of a configuration say of themselves."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap

import attrs


def class_docstring(cls: type) -> str:
    """A class's docstring without its indentation; "" where there is none."""
    return inspect.cleandoc(cls.__doc__ or "")


def attribute_docstrings(cls: type) -> dict[str, str]:
    """The strings below a class's fields, its bases' included. Python does not keep them: the source has them."""
    docstrings: dict[str, str] = {}
    for base in filter(attrs.has, reversed(cls.__mro__)):
        try:
            source = inspect.getsource(base)
        except (OSError, TypeError):
            continue  # no source was installed: then there are none
        definition = ast.parse(textwrap.dedent(source)).body[0]
        for field, below in itertools.pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                    docstrings[name] = inspect.cleandoc(docstring)
    return docstrings


def first_sentence(docstring: str) -> str:
    """A docstring up to its first full stop, on one line."""
    sentence, end, _ = (" ".join(docstring.split()) + " ").partition(". ")
    return f"{sentence}." if end else sentence.strip()
