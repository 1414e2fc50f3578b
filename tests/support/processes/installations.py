"""Packages that tests make and really install, in a virtual environment of their own."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.support.commands import run
from tests.support.directories import CHECKOUT


def wheel(directory: Path, name: str, modules: Mapping[str, str], entry_points: str) -> Path:
    """Make a wheel (packaging.python.org/specifications/binary-distribution-format).

    Args:
        directory: Where to put it.
        name: The distribution.
        modules: Their sources, by path in the wheel.
        entry_points: The content of `entry_points.txt`.
    """
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    files = {
        **modules,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    made = directory / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return made


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


ROOTS = [CHECKOUT / root for root in ("core", "plugins", "config")]


class Environment:
    """A virtual environment with lamina, as it is in this checkout, and what lamina needs."""

    def __init__(self, directory: Path, *, has_copy: bool = False) -> None:
        """Make it.

        Args:
            directory: Where; it must not exist.
            has_copy: Whether it has lamina's files itself, as after an installation with pip, and not those of the
                checkout.
        """
        venv.create(directory, symlinks=True)
        self.python = directory / "bin" / "python"
        self.command = (self.python, "-m", "lamina.cli.main")
        """The command `lamina` of this environment."""
        ours = Path(sysconfig.get_path("purelib"))
        self.packages = Path(sysconfig.get_path("purelib", vars={"base": str(directory)}))
        """The directory of the installed packages."""
        if has_copy:
            self.copy()
        # What lies in a directory that a .pth file names counts as installed, lamina's entry points among it.
        paths = [*([] if has_copy else ROOTS), ours]
        (self.packages / "lamina.pth").write_text("".join(f"{path}\n" for path in paths))

    def copy(self) -> None:
        """Copy lamina's files from the checkout, and its metadata, over those that are there."""
        unfinished = shutil.ignore_patterns("*.pyc.*")  # byte code that a test beside this one is writing
        for root in ROOTS:
            shutil.copytree(root / "lamina", self.packages / "lamina", ignore=unfinished, dirs_exist_ok=True)
        (metadata,) = Path(sysconfig.get_path("purelib")).glob("lamina-*.dist-info")
        shutil.copytree(metadata, self.packages / metadata.name, dirs_exist_ok=True)

    def replace(self, package: str, source: str) -> None:
        """Replace the files of all modules of a package by others, as pip does, with the same source."""
        new = self.packages / "new.py"
        for path in (self.packages / package).rglob("*.py"):
            path.unlink()
            new.write_text(source)
            os.rename(new, path)

    def install(self, wheels: Iterable[Path]) -> None:
        """Install wheels with pip."""
        pip = (sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "install")
        run(*pip, "--quiet", "--no-index", "--no-deps", "--no-compile", *wheels)
