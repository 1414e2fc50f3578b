"""Mounts: the record that snapshotters hand out, and the system calls that turn it into a mounted tree."""

from lamina.mount._mount import Mount

__all__ = ["Mount"]
