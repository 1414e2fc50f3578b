"""The names of code on the pages exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from lamina import plugin, snapshots
from lamina.api import Method, Target
from lamina.host import Host
from lamina.plugin import discover
from tests.support.directories import CHECKOUT

PAGES = sorted(
    [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"), *CHECKOUT.glob("examples/*/README.md")]
)
FILES = {"lock", "mdb", "schema", "service", "services", "sock", "toml", "yaml"}
"""What follows `lamina.` in names of files and of gRPC services."""
OWNERS = {
    "Host": Host,
    "InSteps": snapshots.InSteps,
    "InitContext": plugin.InitContext,
    "Method": Method,
    "Plan": plugin.Plan,
    "PluginType": plugin.PluginType,
    "Registration": plugin.Registration,
    "Target": Target,
}
"""Classes whose attributes the pages name without the package."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_the_names_on_a_page_exist(page: Path) -> None:
    text = page.read_text()
    names = {name.removesuffix(".py") for name in re.findall(r"(?<![\w./-])lamina(?:\.[A-Za-z]\w*)+", text)}
    missing = {name for name in names if name.split(".")[1] not in FILES and not exists(name)}
    for owner, name in re.findall(rf"`({'|'.join(OWNERS)})\.(\w+)", text):
        if not (hasattr(OWNERS[owner], name) or name in getattr(OWNERS[owner], "__annotations__", {})):
            missing.add(f"{owner}.{name}")
    assert missing == set()


def test_the_table_of_hooks_is_complete() -> None:
    table = (CHECKOUT / "docs/plugins/hooks.md").read_text()
    shown = dict(re.findall(r"^\| `(lamina_\w+)\((.*?)\)` \|", table, re.MULTILINE))
    hooks = discover(entry_points=()).manager.hook
    assert shown == {name: ", ".join(hook.spec.argnames) for name, hook in vars(hooks).items() if hook.spec}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return part in getattr(found, "__annotations__", {})
            found = getattr(found, part)
        return True
    return False
