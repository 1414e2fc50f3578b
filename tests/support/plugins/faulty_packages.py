"""Packages with plugins, each of which does one thing wrong, beside one that does nothing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.support.processes.installations import wheel

PREAMBLE = """\
import threading

from lamina.plugin import PluginType, Registration, hookimpl


def works(ic):
    return object()


def plugin(type, id, init=works, *requires):
    return Registration(type=type, id=id, requires=requires, init=init)

"""

REGISTER = """\

@hookimpl
def lamina_register():
    return [{}]
"""

PACKAGES = {
    "good": (
        """
class Closes:
    def close(self):
        print("good is closed", flush=True)
def init(ic):
    return Closes()
""",
        'plugin("good.v1", "good", init), plugin("zgood.v1", "user", works, "good.v1")',
    ),
    "import-fails": ("import does_not_exist\n", ""),
    "registers-nonsense": ("", '"nonsense"'),
    "init-raises": ("def init(ic):\n    raise ValueError('cable cut')\n", 'plugin("raises.v1", "x", init)'),
    "init-hangs": (
        """
def init(ic):
    wait_for_ever()
def wait_for_ever():
    threading.Event().wait()
""",
        'plugin("hangs.v1", "x", init), plugin("hangs.user.v1", "x", works, "hangs.v1")',
    ),
    "close-hangs": (
        """
class Stuck:
    def close(self):
        threading.Event().wait()
""",
        'plugin("stuck.v1", "x", lambda ic: Stuck())',
    ),
    "wrong-type": ("def init(ic):\n    return 5\n", 'plugin(PluginType.SNAPSHOTTER, "number", init)'),
    "taken-id": ("", 'plugin(PluginType.SNAPSHOTTER, "native")'),
    "circle": ("", 'plugin(PluginType.SNAPSHOTTER, "round", works, PluginType.SERVICE)'),
    "star-among-others": ("", 'plugin("star.v1", "x", works, "*", "good.v1")'),
    "star-required": ("", 'plugin(PluginType.SNAPSHOTTER, "star", works, "*")'),
    "lonely": ("", 'plugin("lonely.v1", "x", works, "nobody.v1")'),
}
"""The code of each package, and what it registers."""


def wheels(directory: Path) -> Iterator[Path]:
    """Make a wheel of each package in a directory."""
    for name, (code, registrations) in PACKAGES.items():
        module = name.replace("-", "_")
        source = PREAMBLE + code + REGISTER.format(registrations)
        yield wheel(directory, name, {f"{module}.py": source}, f"[lamina.plugins]\nmain = {module}\n")
