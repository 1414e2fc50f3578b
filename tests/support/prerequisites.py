"""What a test may need of the machine: `@pytest.mark.requires("root", "overlay")`.

Where something is missing the test is skipped with the reason, or fails if the environment variable LAMINA_REQUIRE
is `all` or a comma list that names it: so a build machine on which everything should be there cannot
quietly test nothing.
"""

from __future__ import annotations

import functools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.commands import CommandFailed
from tests.support.interop import docker, releases

CNI = Path("/usr/lib/cni")
"""Where Debian has the plugins of the Container Network Interface."""

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"  # not on every user's PATH


@functools.cache
def missing(name: str) -> str | None:
    """Why a prerequisite is not there; None where it is. Tried once per process."""
    return PREREQUISITES[name]()


def demanded() -> frozenset[str]:
    """The prerequisites that must be there, from LAMINA_REQUIRE."""
    names = frozenset(filter(None, os.environ.get("LAMINA_REQUIRE", "").split(",")))
    if names == {"all"}:
        return frozenset(PREREQUISITES)
    if unknown := names - PREREQUISITES.keys():
        raise ValueError(
            f"LAMINA_REQUIRE names {', '.join(sorted(unknown))}; known: all, {', '.join(PREREQUISITES)}"
        )
    return names


def _root() -> str | None:
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
    sys_admin = 1 << 21  # CAP_SYS_ADMIN, include/uapi/linux/capability.h
    return None if os.geteuid() == 0 and int(status["CapEff"], 16) & sys_admin else "needs root with CAP_SYS_ADMIN"


def _overlay() -> str | None:
    with _directory() as directory:
        for name in ("lower", "upper", "work", "merged"):
            (directory / name).mkdir()
        options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
        return _try_mount(directory / "merged", "-t", "overlay", "-o", options, "overlay")


def _btrfs() -> str | None:
    if reason := _loop() or _program("mkfs.btrfs")() or _program("btrfs")():
        return reason
    with _directory() as directory:
        image = _image(directory, megabytes=128)
        mountpoint = directory / "mnt"
        mountpoint.mkdir()
        return _run("mkfs.btrfs", "--quiet", image) or _try_mount(mountpoint, "-t", "btrfs", "-o", "loop", image)


def _loop() -> str | None:
    if reason := _program("losetup")():
        return reason
    with _directory() as directory:
        command = ("losetup", "--find", "--show", _image(directory, megabytes=1))
        attached = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
        if attached.returncode:
            return f"no loop device: {attached.stderr.strip()}"
        return _run("losetup", "--detach", attached.stdout.strip())


def _fuse() -> str | None:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return str(error)
    return None


def _static_busybox() -> str | None:
    path = Path("/bin/busybox")
    if not path.exists():
        return f"there is no {path} (Debian: busybox-static)"
    return f"{path} is linked dynamically (Debian: busybox-static)" if _has_interpreter(path) else None


def _has_interpreter(path: Path) -> bool:
    """Whether an ELF file names a dynamic loader: a program header of type PT_INTERP (elf(5))."""
    data = path.read_bytes()
    wide = data[4] == 2  # ELFCLASS64
    (offset,) = struct.unpack_from("<Q" if wide else "<I", data, 32 if wide else 28)
    size, count = struct.unpack_from("<HH", data, 54 if wide else 42)
    return any(struct.unpack_from("<I", data, offset + size * index)[0] == 3 for index in range(count))


def _package_index() -> str | None:
    with _directory() as directory:
        pip = (sys.executable, "-m", "pip", "--quiet")
        return _run(*pip, "download", "--no-deps", "--dest", directory, "hatchling")


def _packages(suite: str, *packages: str) -> Callable[[], str | None]:
    def check() -> str | None:
        if reason := _program("apt-get")() or _program("patchelf")():
            return reason
        try:
            releases.fetched(suite, *packages)
        except (CommandFailed, subprocess.TimeoutExpired) as error:
            return f"{packages[0]} of Debian's {suite}: {error}"
        return None

    return check


def _program(name: str) -> Callable[[], str | None]:
    def check() -> str | None:
        return None if shutil.which(name, path=_environment()["PATH"]) else f"there is no program {name}"

    return check


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"}


def _run(*command: str | Path) -> str | None:
    """Run a program; returns what it complained of, or None."""
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    return f"{' '.join(map(str, command))}: {done.stderr.strip()}" if done.returncode else None


def _try_mount(mountpoint: Path, *arguments: str | Path) -> str | None:
    return _run("mount", *arguments, mountpoint) or _run("umount", mountpoint)


def _image(directory: Path, megabytes: int) -> Path:
    image = directory / "image"
    image.touch()
    os.truncate(image, megabytes << 20)
    return image


@contextmanager
def _directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lamina-prerequisite") as directory:
        yield Path(directory)


PREREQUISITES: dict[str, Callable[[], str | None]] = {
    "root": _root,
    "overlay": _overlay,
    "btrfs": _btrfs,
    "loop": _loop,
    "busybox-static": _static_busybox,
    "cc": _program("cc"),
    "containerd": _program("containerd"),
    "ctr": _program("ctr"),
    "runc": _program("runc"),
    "umoci": _program("umoci"),
    "buildah": _program("buildah"),
    "docker-registry": _program("docker-registry"),
    "openssl": _program("openssl"),
    "podman": _program("podman"),
    "mmdebstrap": _program("mmdebstrap"),
    "skopeo": _program("skopeo"),
    "mkfs.ext4": _program("mkfs.ext4"),
    "mkfs.xfs": _program("mkfs.xfs"),
    "fuse": _fuse,
    "curl": _program("curl"),
    "systemd-analyze": _program("systemd-analyze"),
    "strace": _program("strace"),
    "tar": _program("tar"),
    "package-index": _package_index,
    "cni": lambda: None if CNI.is_dir() else f"there is no {CNI} (Debian: containernetworking-plugins)",
    **{f"containerd-{suite}": _packages(suite, "containerd", "runc") for suite in releases.SUITES},
    "soci-snapshotter": _packages("forky", "soci-snapshotter"),
    "docker.io": _packages(docker.SUITE, *docker.PACKAGES),
}
"""Name to check. A check returns why the thing is not there, or None."""
