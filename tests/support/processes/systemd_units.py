"""What a systemd unit says, and programs run as it says, as far as that goes without systemd as process 1."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.commands import run

_SECCOMP = Path(__file__).with_name("seccomp.py")
_READ_ONLY = {
    ("ProtectSystem", "full"): ("/usr", "/boot", "/efi", "/etc"),
    ("ProtectKernelTunables", "yes"): ("/proc/sys", "/sys"),
}
"""What settings make read-only (systemd.exec(5))."""
_MOUNT = """\
for path in $READ_ONLY; do
    [ -d "$path" ] || continue
    mount --rbind "$path" "$path" && mount -o remount,bind,ro "$path" || exit 1
done
exec "$@"
"""
"""In a mount namespace of one's own: a bind mount that is read-only changes nothing for anybody else."""


class Unit:
    """The settings of a unit file."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self._values: dict[str, list[str]] = {}
        for line in path.read_text().splitlines():
            name, assigned, value = line.partition("=")
            if assigned and not line.startswith(("#", ";")):
                self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        """The value of a setting; of one that is given several times, all of them as one list."""
        return " ".join(self._values[name])

    def get(self, name: str) -> str | None:
        """The value of a setting, or None."""
        return self[name] if name in self._values else None

    @property
    def capabilities(self) -> list[str]:
        """What it leaves in the bounding set: `sys_admin`, and so on."""
        return [name.removeprefix("CAP_").lower() for name in self["CapabilityBoundingSet"].split()]

    def sandbox(self, capabilities: Iterable[str]) -> tuple[str, ...]:
        """What to put before a command so that it runs in the unit's sandbox.

        That is: a mount namespace that sends no mounts back, with the unit's directories read-only; the
        capabilities; no new privileges; and the system calls that it forbids.

        Args:
            capabilities: The unit's, or fewer.
        """
        paths = [path for (name, value), paths in _READ_ONLY.items() if self.get(name) == value for path in paths]
        return (
            *("env", f"READ_ONLY={' '.join(paths)}", "unshare", "--mount", "--propagation", "slave"),
            *("sh", "-c", _MOUNT, "-"),
            *("setpriv", "--no-new-privs", f"--bounding-set=-all,{','.join(f'+{name}' for name in capabilities)}"),
            *(sys.executable, str(_SECCOMP), ",".join(self.forbidden_calls())),
        )

    def forbidden_calls(self) -> list[str]:
        """The system calls that its deny list names, those of groups one by one."""
        filtered = self["SystemCallFilter"]
        assert filtered.startswith("~"), "not a deny list"
        return sorted({call for group in filtered[1:].split() for call in _calls(group)})


def _calls(name: str) -> Iterator[str]:
    if not name.startswith("@"):
        yield name
        return
    for line in run("systemd-analyze", "syscall-filter", name).splitlines()[1:]:
        if member := re.sub("#.*", "", line).strip():
            yield from _calls(member)
