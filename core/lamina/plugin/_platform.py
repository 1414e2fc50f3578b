"""The platform of this machine, in Go's notation."""

from __future__ import annotations

import os
from typing import Final

_ARCHITECTURES: Final = {
    "aarch64": "arm64",
    "armv7l": "arm/v7",
    "i686": "386",
    "loongarch64": "loong64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "x86_64": "amd64",
}
"""Machine names of uname(2) and Go's names (`go tool dist list`), which containerd uses."""


def host_platform() -> str:
    """Return the platform of this machine, such as `linux/amd64` or `linux/arm/v7`."""
    machine = os.uname().machine
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"
