"""The platform of this machine, in Go's words."""

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
"""uname(2)'s names and Go's (`go tool dist list`), as containerd's platforms use them."""


def host_platform() -> str:
    """Such as `linux/amd64`, or `linux/arm/v7`."""
    machine = os.uname().machine
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"
