"""The code of modules that are not imported yet, so that a later import gets it whatever is on disk then."""

from __future__ import annotations

import contextlib
import marshal
import pkgutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType


def keep_code(packages: Iterable[str], pause: Callable[[], object] = lambda: None) -> int:
    """Read the code of all modules of packages, and have later imports in this process use it. Call it once.

    An upgrade replaces the files of a process that has imported only some of them. After this call, such a process
    does not mix the two versions. Nothing is imported, so no code runs. Only modules in source files are kept: no
    extension modules, data files or archives, and no directories that have no `__init__.py`. It takes a tenth of a
    second for lamina.

    Args:
        packages: The names of packages, whose packages are included. Those that are not imported are left out.
        pause: Called after each module, for example to let the other threads of a busy process go first.

    Returns:
        The number of modules.
    """
    kept = {}
    for package in packages:
        for spec in _not_imported(package, _path(package)):
            if isinstance(spec.loader, SourceFileLoader):
                with contextlib.suppress(OSError, SyntaxError, ValueError):  # its import would fail as well
                    spec.loader = _MemoryLoader(spec.name, spec.loader.path)
                    kept[spec.name] = spec
                pause()
    sys.meta_path.insert(0, _MemoryFinder(kept))
    return len(kept)


def _path(package: str) -> Sequence[str]:
    """Return the directories of an imported package; none for a module that is not a package."""
    path: Sequence[str] = getattr(sys.modules.get(package), "__path__", ())
    return path


def _not_imported(package: str, path: Iterable[str]) -> Iterator[ModuleSpec]:
    """Yield the modules of a package and its packages that are not imported."""
    for finder, name, is_package in pkgutil.iter_modules(path, f"{package}."):
        if name in sys.modules:
            yield from _not_imported(name, _path(name))
        elif spec := finder.find_spec(name, None):
            yield spec
            if is_package:
                yield from _not_imported(name, spec.submodule_search_locations or ())


class _MemoryLoader(SourceFileLoader):
    """Loads a module as its file is when the loader is made."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, path)
        self._code = zlib.compress(marshal.dumps(super().get_code(name)), level=1)

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = marshal.loads(zlib.decompress(self._code))  # noqa: S302 # this object made it
        return code


class _MemoryFinder:
    """The finder of the modules, for `sys.meta_path`."""

    def __init__(self, specs: Mapping[str, ModuleSpec]) -> None:
        self._specs = specs

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module of a name. The interpreter calls it; None leaves the module to the next finder."""
        return self._specs.get(name)
