"""Modules that are imported, and values that are made, when they are first used."""

import importlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from lamina.lazy._code import keep_code

__all__ = ["code_was_replaced", "keep_code", "lazy_exports", "once"]

T = TypeVar("T")


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package, which imports a module when one of its names is first used (PEP 562).

    Args:
        package: The package's `__name__`.
        modules: The names that each module of the package exports, separated by blanks.
    """
    homes = {name: f"{package}.{module}" for module, names in modules.items() for name in names.split()}

    def __getattr__(name: str) -> object:  # noqa: N807 # the name that Python looks for
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__


def once(make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that makes a value when it is first called, and returns the same one from then on.

    Any thread may call it: the others wait for the one that makes the value. If that raises, the next call tries
    again.

    Args:
        make: Makes the value. It must not call the function that is returned.
    """
    lock = threading.Lock()
    made: list[T] = []

    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get


def code_was_replaced() -> bool:
    """Return whether the files of lamina differ from those that this process imported, as after an upgrade.

    Another process that imports lamina runs other code then. It takes a few microseconds, because one file stands
    for all: installers replace every file, after they have removed the old ones.
    """
    return _own_file() != _OWN_FILE


def _own_file() -> tuple[int, int] | None:
    """Return the time and size of this module's file; None if it is gone, or in an archive.

    Inode numbers do not count, because some file systems change them.
    """
    try:
        status = os.stat(__file__)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


_OWN_FILE: Final = _own_file()

__getattr__ = lazy_exports(__name__, {"_code": "keep_code"})
