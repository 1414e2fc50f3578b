"""The mount record."""

from __future__ import annotations

import attrs


@attrs.frozen
class Mount:
    """The arguments of a mount(2) call: containerd's `types.Mount`."""

    type: str
    """File system type: `overlay`, `bind`, …"""
    source: str
    """Device, directory or name to mount."""
    options: tuple[str, ...] = ()
    """fstab-style options, in the order in which they are passed."""
    target: str = ""
    """Path relative to the mount point; "" is the mount point itself."""
