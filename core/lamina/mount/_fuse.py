"""FUSE file systems, which a mount helper starts (mount.fuse3(8))."""

from __future__ import annotations

from typing import Final

from lamina.errdefs import MountFailed, Unimplemented
from lamina.mount._record import Mount

_HELPERS: Final = {"fuse": "mount.fuse", "fuse3": "mount.fuse3"}
"""The helper for each prefix of a type."""


def is_fuse(mount: Mount) -> bool:
    """Return whether a helper makes the mount."""
    word, dot, _ = mount.type.partition(".")
    return bool(dot) and word in _HELPERS


def mount_fuse(mount: Mount, path: str) -> None:
    """Run the helper and return when the file system is mounted.

    Raises:
        Unimplemented: There is no helper.
        MountFailed: The helper failed. The message has its output.
    """
    import subprocess

    word, _, program = mount.type.partition(".")
    helper = _HELPERS[word]
    operation = f"mount {mount.type} {mount.source!r} on {path}"
    options = [word for option in mount.options for word in ("-o", option)]
    command = [helper, mount.source, path, *options, "-t", program]
    try:
        # The file system stays as a process, which closes these pipes when it becomes a daemon.
        done = subprocess.run(  # noqa: S603 - who may mount may do anything
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Unimplemented(f"{operation}: there is no program {helper} (Debian: fuse3)") from error
    if done.returncode:
        raise MountFailed(f"{operation}: {helper}: exit code {done.returncode}: {done.stderr.strip()}")
