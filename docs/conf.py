"""How Sphinx builds the site, for `make docs`.

The sources are the repository's own pages, at their own places: a link works in the repository and on the site.
"""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc import Options
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.logging import getLogger

_log = getLogger(__name__)

project = "lamina"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxcontrib.mermaid"]
include_patterns = ["*.md", "docs/**.md", "examples/**/README.md"]
root_doc = "docs/index"
html_theme = "furo"
html_title = "lamina"
html_copy_source = False
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
default_role = "code"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
suppress_warnings = ["ref.python"]  # `type` in a signature could be any attribute of that name: no link is made


def setup(app: Sphinx) -> None:
    """Connect what autodoc does not do by itself."""
    app.connect("autodoc-process-docstring", _as_restructured_text)
    app.connect("builder-inited", _import_names)
    app.connect("builder-inited", _adopt_constants)
    app.connect("env-check-consistency", _check_names)


def _as_restructured_text(_: Sphinx, what: str, name: str, item: object, __: Options, lines: list[str]) -> None:
    """Turn a docstring into reStructuredText: code blocks after a colon, `word`s, and Google's sections."""
    text = re.sub(r"(?<!:):(?=\n\n +\S)", "::", "\n".join(lines))
    lines[:] = re.sub(r"(`[^`\n]+`)(?=\w)", r"\1\\ ", text).split("\n")
    # Not of attributes: napoleon takes what is before a colon for the attribute's type.
    if what in {"class", "exception", "function", "method"}:
        lines[:] = GoogleDocstring(lines, Config(), what=what, name=name, obj=item).lines()


def _import_names(_: Sphinx) -> None:
    """Import the names that a package exports lazily: autodoc finds only those that are there."""
    for package in map(import_module, _packages()):
        for name in getattr(package, "__all__", ()):
            setattr(package, name, getattr(package, name))


def _adopt_constants(_: Sphinx) -> None:
    """Give each public package the docstrings of the constants that it imports from its private modules."""
    for package in _packages():
        public = _analysed(package)
        for statement in ast.walk(ast.parse(public.code)):
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("lamina."):
                private = _analysed(str(statement.module))
                for name in statement.names:
                    if text := private.attr_docs.get(("", name.name)):
                        public.attr_docs["", name.name] = text


def _check_names(_: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each public name that the reference leaves out: autodoc leaves out what has no docstring."""
    described = env.domains.python_domain.objects
    for package in map(import_module, _packages()):
        for name in getattr(package, "__all__", ()):
            item = getattr(package, name)
            defined = f"{getattr(item, '__module__', '')}.{getattr(item, '__qualname__', '')}"
            if not {f"{package.__name__}.{name}", defined} & set(described):
                _log.warning("%s.%s is not in the reference: it has no docstring", package.__name__, name)


def _packages() -> list[str]:
    """The packages that have a page."""
    return sorted(f"lamina.{page.stem}" for page in (Path(__file__).parent / "reference").glob("*.md"))


def _analysed(module: str) -> ModuleAnalyzer:
    analyser = ModuleAnalyzer.for_module(module)
    analyser.analyze()
    return analyser
