"""Programs as Debian's suites have them: the packages are unpacked into a cache directory, and not installed.

Every program is bound to the C library of its suite, which may be newer than the machine's.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from tests.support.commands import run
from tests.support.interop.cache import cache, is_older, kept_on_failure, locked

SUITES = ("bookworm", "trixie", "forky")
"""With containerd 1.6, 1.7 and 2. Debian's `sid` may be newer than `forky` by days, but not always installable."""

_PROGRAMS = {
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "runc": ("runc",),
    "soci-snapshotter": ("soci-snapshotter-grpc",),
    "docker.io": ("dockerd",),
    "docker-cli": ("docker",),
    "docker-buildx": ("docker-buildx",),
}
"""By Debian's package."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SECONDS_BETWEEN_LOOKS = 86_400
_SECONDS_TO_FETCH = 600

_APT_CONFIG = """\
Dir::State "{0}/state";
Dir::State::status "/dev/null";
Dir::Cache "{0}/cache";
Dir::Etc::SourceList "{0}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
"""
"""apt.conf(5). Nothing is installed, says the status, so that the C library is fetched too."""


@attrs.frozen
class Release:
    """A containerd that is unpacked.

    Attributes:
        suite: Debian's name of the suite.
        version: containerd's own, as (major, minor).
        package: The version of Debian's package.
        programs: The directory of `containerd`, `ctr`, the shim and `runc`.
    """

    suite: str
    version: tuple[int, int]
    package: str
    programs: Path

    @property
    def upstream(self) -> str:
        """containerd's version, like `1.7.24`."""
        return re.split("[~+-]", self.package)[0]


def release(suite: str) -> Release:
    """Fetch the newest containerd of a suite, unless the cache has it.

    Raises:
        CommandFailed: The suite cannot be reached, or has no such package.
    """
    package, programs = fetched(suite, "containerd", "runc")
    major, minor = package.split(".")[:2]
    return Release(suite, (int(major), int(minor)), package, programs)


@functools.cache
def fetched(suite: str, *packages: str) -> tuple[str, Path]:
    """Fetch the newest packages of a suite, unless the cache has some: of this day, if Debian answers.

    Returns:
        The version of the first, and the directory of their programs.

    Raises:
        CommandFailed: The cache has none, and the suite cannot be reached, or has no such packages.
    """
    directory = cache() / suite
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / "lock"):
        newest = directory / f"newest-{packages[0]}"
        if is_older(newest, _SECONDS_BETWEEN_LOOKS):
            with kept_on_failure(newest):
                found = directory / "found"
                found.write_text("\n".join(_fetch_newest(directory, suite, packages)))
                os.replace(found, newest)
        version, unpacked = newest.read_text().splitlines()
    return version, directory / unpacked / "programs"


def _fetch_newest(directory: Path, suite: str, packages: Sequence[str]) -> tuple[str, str]:
    """Have the newest packages unpacked; returns the version of the first and the name of the directory."""
    apt = _Apt(directory / "apt", suite, packages)
    wanted = apt.wanted()
    unpacked = directory / hashlib.sha256("\n".join(wanted).encode()).hexdigest()[:16]
    if not unpacked.exists():
        _unpack(apt.download(), unpacked, [program for package in packages for program in _PROGRAMS[package]])
    (version,) = (name.split("_")[1] for name in wanted if name.startswith(f"{packages[0]}_"))
    return version, unpacked.name


class _Apt:
    """apt-get(8) with lists, sources and archives of its own."""

    def __init__(self, directory: Path, suite: str, packages: Sequence[str]) -> None:
        self._packages = packages
        self._archives = directory / "cache/archives"
        for part in (directory / "state/lists/partial", self._archives / "partial"):
            part.mkdir(parents=True, exist_ok=True)
        (directory / "sources.list").write_text("".join(_sources(suite)))
        (directory / "apt.conf").write_text(_APT_CONFIG.format(directory))
        self._environment = {"APT_CONFIG": str(directory / "apt.conf")}

    def wanted(self) -> list[str]:
        """The newest files of the packages and of what they depend on."""
        self._run("update", "--error-on=any")
        lines = self._run("install", "--yes", "--print-uris", *self._packages).splitlines()
        return sorted(line.split()[1] for line in lines if line.startswith("'"))

    def download(self) -> list[Path]:
        """Fetch them, with their signatures and digests checked."""
        self._run("clean")
        self._run("install", "--yes", "--download-only", *self._packages)
        return sorted(self._archives.glob("*.deb"))

    def _run(self, *arguments: str) -> str:
        return run("apt-get", "-qq", *arguments, env=self._environment, seconds=_SECONDS_TO_FETCH)


def _sources(suite: str) -> Iterator[str]:
    """sources.list(5) with the mirrors that this machine's own packages come from."""
    listed = run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Origin: Debian").splitlines()
    mirrors = dict(line.split() for line in listed)
    for label, names in (("Debian", (suite, f"{suite}-updates")), ("Debian-Security", (f"{suite}-security",))):
        for name in names:
            if label in mirrors:
                yield f"deb [signed-by={_KEYRING}] {mirrors[label]} {name} main\n"


def _unpack(archives: list[Path], target: Path, names: Sequence[str]) -> None:
    """Unpack packages, then bind the programs to the C library among them, at the path that they get."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="unpacking-") as temporary:
        root, programs = Path(temporary, "made/root"), Path(temporary, "made/programs")
        programs.mkdir(parents=True)
        for archive in archives:
            run("dpkg-deb", "--extract", archive, root)
            archive.unlink()
        libraries = {target / "root" / file.parent.relative_to(root) for file in root.rglob("lib*.so.[0-9]")}
        for name in names:
            shutil.move(_program(root, name), programs)
            interpreter = Path(run("patchelf", "--print-interpreter", programs / name).strip())
            loader = _file(root, f"**/{interpreter.name}")
            run(
                *("patchelf", "--set-interpreter", target / "root" / loader.relative_to(root)),
                *("--force-rpath", "--set-rpath", ":".join(map(str, sorted(libraries))), programs / name),
            )
        os.rename(programs.parent, target)


def _program(root: Path, name: str) -> Path:
    """A program of the packages, or a plugin of one."""
    return _file(root, f"usr/*bin/{name}", f"usr/libexec/**/{name}")


def _file(root: Path, *patterns: str) -> Path:
    """The one file that is no link to another: some packages link to where a merged /usr has them."""
    files = itertools.chain.from_iterable(map(root.glob, patterns))
    (found,) = (file for file in files if file.is_file() and not file.is_symlink())
    return found
