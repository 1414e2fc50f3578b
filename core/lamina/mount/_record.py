"""The mount record."""

from __future__ import annotations

import attrs


@attrs.frozen
class Mount:
    """One mount(2) call that somebody is to make: containerd's `types.Mount`."""

    type: str
    """File system type: `overlay`, `bind`, …"""
    source: str
    """Device, directory or name to mount."""
    options: tuple[str, ...] = ()
    """fstab-style options, in the order in which they are passed."""
    target: str = ""
    """Path below the mount point; "" is the mount point itself."""
