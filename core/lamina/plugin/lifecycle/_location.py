"""Locations of errors in the code of plugins."""

from __future__ import annotations

import functools
import itertools
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import NamedTuple


class Location(NamedTuple):
    """A line of code."""

    file: str
    line: int
    function: str = ""
    """The qualified name of the function, or `<module>` during an import."""
    module: str = ""
    distribution: str = ""
    """The distribution of the plugin if the code is its own; "" for code that it calls."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        if self.function:
            place += f", in {self.function}"
        return f"{place} ({self.distribution})" if self.distribution else place


class Owner:
    """The code that belongs to a plugin."""

    def __init__(self, distribution: str, module: str) -> None:
        """Describe the code.

        Args:
            distribution: The distribution of the plugin.
            module: The module that registered it. Its whole package belongs to the plugin.
        """
        self._distribution = distribution
        self._module = module

    def raised(self, error: BaseException) -> Location | None:
        """Return where an exception was raised: the deepest line of the plugin's code, or else of any code.

        None if the framework itself raised it.
        """
        steps = list(traceback.walk_tb(error.__traceback__))
        return self._deepest((frame, line) for frame, line in reversed(steps)) or self._unparsed(error)

    def running(self, thread: threading.Thread | None) -> Location | None:
        """Return the line that a thread executes, chosen as in `raised`."""
        frame = sys._current_frames().get((thread and thread.ident) or 0)  # noqa: SLF001 # its documented name
        return None if frame is None else self._deepest(traceback.walk_stack(frame))

    def defined(self, function: Callable[..., object]) -> Location | None:
        """Return where a function is defined; None if it is not written in Python."""
        function = unwrapped(function)
        code: object = getattr(function, "__code__", None)
        if not isinstance(code, CodeType):
            return None
        return self._location(code, code.co_firstlineno, str(getattr(function, "__module__", "")))

    def _deepest(self, steps: Iterable[tuple[FrameType, int]]) -> Location | None:
        own = ((frame, line) for frame, line in steps if not _runtime(frame))
        found = [self._location(frame.f_code, line, _module(frame)) for frame, line in own]
        return next((location for location in found if location.distribution), next(iter(found), None))

    def _location(self, code: CodeType, line: int, module: str) -> Location:
        own = f"{module}.".startswith(f"{package_of(self._module)}.")
        return Location(code.co_filename, line, code.co_qualname, module, self._distribution if own else "")

    def _unparsed(self, error: BaseException) -> Location | None:
        """Return the line of a syntax error, for which there is no frame."""
        if not isinstance(error, SyntaxError) or error.filename is None or error.lineno is None:
            return None
        return Location(error.filename, error.lineno, module=self._module, distribution=self._distribution)


def unwrapped(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function of a `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _runtime(frame: FrameType) -> bool:
    """Return whether a frame belongs to the framework or the import system, which are in every traceback."""
    frozen = frame.f_code.co_filename.startswith("<frozen")
    return frozen or f"{_module(frame)}.".startswith(("lamina.plugin.", "importlib."))


def package_of(module: str) -> str:
    """Return the outermost package of a module that is not a namespace package."""
    parts = module.split(".")
    if parts[0] == "lamina":
        return parts[0]
    return next(filter(_closed, itertools.accumulate(parts, "{}.{}".format)), module)


def _closed(package: str) -> bool:
    # A namespace package is in sys.modules without a file; a package that failed to import is not there.
    return package not in sys.modules or getattr(sys.modules[package], "__file__", None) is not None
