"""Check the features of the kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator

from lamina.mount import system_calls
from lamina.plugin import Finding


def kernel() -> Iterator[Finding]:
    """Report the kernel's version, and whether it has the features that lamina uses if available."""
    system = os.uname()
    yield Finding.ok("version", f"Linux {system.release} {system.machine}")
    yield _system_calls()
    yield _user_namespaces()


def file_system(name: str) -> Finding:
    """Check whether the kernel supports a file system.

    Args:
        name: The name in /proc/filesystems.
    """
    check = f"kernel's {name}"
    with open("/proc/filesystems", encoding="ascii") as file:
        if any(line.split()[-1] == name for line in file):
            return Finding.ok(check, "registered in /proc/filesystems")
    release = os.uname().release
    modules = f"/lib/modules/{release}"
    remedy = f"modprobe {name}; to load it at boot: echo {name} > /etc/modules-load.d/{name}.conf"
    if not os.path.isdir(modules):
        return Finding.unknown(check, f"not registered, and there is no {modules} to look for a module in", remedy)
    if any(_lists(f"{modules}/{index}", f"/{name}.ko") for index in ("modules.dep", "modules.builtin")):
        return Finding.ok(check, "not loaded, but there is a module, which the first mount loads")
    return Finding.problem(
        check,
        f"Linux {release} has no {name}, and no module of it is in {modules}",
        f"{remedy}. If there is no module, install the kernel's extra modules (Ubuntu: apt install "
        f"linux-modules-extra-{release}) or another kernel; if the kernel was updated since boot, reboot",
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
        return Finding.ok(check, f"{', '.join(there)}: available")
    return Finding.warning(
        check,
        f"missing, or forbidden to this process: {', '.join(missing)}. Id-mapped layers cannot be mounted, nor "
        "layers whose paths together exceed a page",
        "use Linux 6.7 or newer; in a container, use a seccomp profile that allows them (docker run "
        "--security-opt seccomp=unconfined)",
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
        "disabled: snapshots cannot be id-mapped",
        "sysctl -w user.max_user_namespaces=10000 (and in /etc/sysctl.d, to keep it); the kernel needs "
        "CONFIG_USER_NS",
    )
