"""Installed distributions of a test, and what `discover` finds of them in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

SCRIPT = """
import json, sys
from lamina.plugin import discover

before = set(sys.modules)
try:
    found = discover(**json.loads(sys.argv[1]))
except Exception as error:
    cause = type(error.__cause__).__name__
    print(json.dumps({"raised": type(error).__name__, "message": str(error), "cause": cause}))
else:
    print(json.dumps({
        "registry": {one.uri: one.distribution for one in found.registry},
        "failed": {
            one.uri: [one.distribution, one.status, one.problem] for one in found.failed
        },
        "hooks": [name for name, _ in found.manager.list_name_plugin()],
        "not_imported": found.not_imported,
        "imported": sorted(set(sys.modules) - before),
    }))
"""


def source(*registrations: str, more: str = "") -> str:
    """A plugin module that registers what these expressions are."""
    return (
        "from lamina.plugin import Registration, hookimpl\n"
        "def plugin(type, id='x', requires=()):\n"
        "    return Registration(type=type, id=id, requires=requires, init=lambda ic: object())\n"
        "@hookimpl\n"
        "def lamina_register():\n"
        f"    return [{', '.join(registrations)}]\n"
        f"{more}\n"
    )


GOOD = source("plugin('good')")


@attrs.define
class Site:
    """A directory of installed distributions, the first on sys.path."""

    path: Path

    def install(self, name: str, modules: Mapping[str, str], entry_points: str | None = None) -> None:
        """Install a distribution: each module, and an entry point of the module's name for it."""
        if entry_points is None:
            entry_points = "[lamina.plugins]\n" + "".join(f"{module} = {module}\n" for module in modules)
        info = self.path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)
        for module, text in modules.items():
            (self.path / f"{module}.py").write_text(text)

    def discover(self, *more_paths: Path, **arguments: Any) -> Any:
        """What `discover` finds, as JSON. The installed lamina is left alone: its plugins are not under test."""
        arguments = {"disabled_distributions": ["lamina"], **arguments}
        return json.loads(self.python("-c", SCRIPT, json.dumps(arguments), more_paths=more_paths))

    def python(self, *arguments: str, more_paths: tuple[Path, ...] = ()) -> str:
        path = os.pathsep.join(map(str, (self.path, *more_paths)))
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
