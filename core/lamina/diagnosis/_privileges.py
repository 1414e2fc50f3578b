"""Check the privileges of a process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

from lamina.diagnosis._process import AS_ROOT, Process, process
from lamina.errdefs import Error
from lamina.mount import Mount, temporary_mount
from lamina.plugin import Finding

_SYS_ADMIN: Final = 21
_NEEDED: Final = {
    _SYS_ADMIN: ("CAP_SYS_ADMIN", "it cannot mount"),
    0: ("CAP_CHOWN", "it cannot change the owners of files"),
    1: ("CAP_DAC_OVERRIDE", "it cannot access files of a container's users"),
    3: ("CAP_FOWNER", "it cannot change the modes of files of a container's users"),
    27: ("CAP_MKNOD", "it cannot copy devices or overlay's whiteouts, which are devices"),
    31: ("CAP_SETFCAP", "it cannot copy file capabilities"),
}
"""The numbers in include/uapi/linux/capability.h, and what a host without the capability cannot do."""


def may_mount() -> bool:
    """Return whether this process has CAP_SYS_ADMIN."""
    me = process(os.getpid())
    return me is not None and _has(me, _SYS_ADMIN)


def privileges(host_pid: int | None) -> Iterator[Finding]:
    """Report the privileges of the running host, or of a host started like this process if none runs.

    Args:
        host_pid: The process of the host; None if none runs.
    """
    subject = process(os.getpid() if host_pid is None else host_pid)
    if subject is None:  # it has just exited
        return
    who = "this command" if host_pid is None else f"the host, process {subject.pid},"
    yield _capabilities(subject, who)
    if subject.in_user_namespace:
        yield Finding.ok(
            "user namespace", (f"{who} is in a user namespace: overlayfs needs the option userxattr there")
        )
    if may_mount():
        yield _mounting()


def _capabilities(subject: Process, who: str) -> Finding:
    check = "capabilities"
    missing = {number: names for number, names in _NEEDED.items() if not _has(subject, number)}
    if not missing:
        return Finding.ok(check, f"{who} runs as {subject.user} and has all that are needed")
    if subject.pid == os.getpid() and os.geteuid() != 0:
        return Finding.unknown(check, f"{who} runs as {subject.user}, which may not mount", AS_ROOT)
    lacks = "; ".join(f"{name}: {meaning}" for name, meaning in missing.values())
    names = [name for name, _ in missing.values()]
    added = " ".join(f"--cap-add {name.removeprefix('CAP_')}" for name in names)
    make = Finding.problem if _SYS_ADMIN in missing else Finding.warning
    return make(
        check,
        f"{who} runs as {subject.user} and lacks {lacks}",
        f"run it as root; in its systemd unit, add {' '.join(names)} to CapabilityBoundingSet=; in Docker, "
        f"docker run {added}; in Kubernetes, securityContext: {{privileged: true}}",
    )


def _mounting() -> Finding:
    check = "mounting"
    try:
        with temporary_mount([Mount("tmpfs", "tmpfs", ("size=4k",))]):
            return Finding.ok(check, "a tmpfs was mounted and unmounted")
    except Error as error:
        guards = " and ".join(_guards()) or "a security module"
        return Finding.problem(
            check,
            f"{error}. This process has CAP_SYS_ADMIN: {guards} may forbid it",
            "in Docker, docker run --security-opt apparmor=unconfined --security-opt seccomp=unconfined; in "
            "Kubernetes, securityContext: {privileged: true}; in a systemd unit, SystemCallFilter=@mount. With "
            "SELinux, ausearch -m avc -ts recent shows what was denied",
        )


def _guards() -> Iterator[str]:
    """Yield what restricts this process besides its capabilities."""
    me = process(os.getpid())
    if me is not None and me.seccomp:
        yield "its seccomp filter"
    with contextlib.suppress(OSError):  # no security module provides labels
        with open("/proc/self/attr/current", encoding="utf-8", errors="replace") as file:
            label = file.read().strip("\0\n ")
        if label and label != "unconfined":
            yield f"its label {label} (AppArmor or SELinux)"


def _has(subject: Process, number: int) -> bool:
    return bool(subject.capabilities >> number & 1)
