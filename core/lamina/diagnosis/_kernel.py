"""What the kernel has."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lamina.mount import system_calls
from lamina.plugin import Finding


def kernel() -> Iterator[Finding]:
    """Which kernel it is, and whether it has what lamina uses where it can."""
    system = os.uname()
    yield Finding.ok("version", f"Linux {system.release} {system.machine}")
    yield _system_calls()
    yield _user_namespaces()


def file_system(name: str) -> Finding:
    """Whether the kernel has a file system.

    Args:
        name: As in /proc/filesystems.
    """
    check = f"kernel's {name}"
    with open("/proc/filesystems", encoding="ascii") as file:
        if any(line.split()[-1] == name for line in file):
            return Finding.ok(check, "registered in /proc/filesystems")
    release = os.uname().release
    modules = f"/lib/modules/{release}"
    remedy = f"modprobe {name}; to have it after a reboot too: echo {name} > /etc/modules-load.d/{name}.conf"
    if not os.path.isdir(modules):
        return Finding.unknown(check, f"not registered, and there is no {modules} to look for a module in", remedy)
    if any(_lists(f"{modules}/{index}", f"/{name}.ko") for index in ("modules.dep", "modules.builtin")):
        return Finding.ok(check, "not loaded, and there is a module, which the first mount loads")
    return Finding.problem(
        check,
        f"Linux {release} has no {name}, and no module of it is in {modules}",
        f"{remedy}. If there is none to load, install the rest of the kernel's modules (Ubuntu: apt install "
        f"linux-modules-extra-{release}) or another kernel; if it was updated since it was booted: reboot",
    )


def _lists(path: str, what: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return any(what in line.partition(":")[0] for line in file)
    except FileNotFoundError:
        return False


def _system_calls() -> Finding:
    check = "system calls"
    there = system_calls()
    missing = [name for name in there if not there[name]]
    if not missing:
        return Finding.ok(check, f"{', '.join(there)}: all there")
    return Finding.warning(
        check,
        f"not there, or forbidden to this process: {', '.join(missing)}. Layers whose paths are together longer "
        "than a page cannot be mounted, nor id-mapped ones",
        "use Linux 6.7 or newer; in a container, a seccomp profile that allows them (docker run --security-opt "
        "seccomp=unconfined)",
    )


def _user_namespaces() -> Finding:
    check = "user namespaces"
    try:
        with open("/proc/sys/user/max_user_namespaces", encoding="ascii") as file:
            limit = int(file.read())
    except FileNotFoundError:
        limit = 0
    if limit:
        return Finding.ok(check, f"up to {limit:,}")
    return Finding.warning(
        check,
        "none can be made: snapshots cannot be id-mapped",
        "sysctl -w user.max_user_namespaces=10000 (and in /etc/sysctl.d, to keep it), with a kernel that has "
        "CONFIG_USER_NS",
    )
