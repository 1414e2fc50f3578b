"""FUSE file systems: programs, which a mount helper starts (mount.fuse3(8))."""

from __future__ import annotations

from typing import Final

from lamina.errdefs import MountFailed, Unimplemented
from lamina.mount._record import Mount

_HELPERS: Final = {"fuse": "mount.fuse", "fuse3": "mount.fuse3"}
"""The helper for types that begin with a word and a dot."""


def is_fuse(mount: Mount) -> bool:
    """Whether a mount is one that a helper makes."""
    word, dot, _ = mount.type.partition(".")
    return bool(dot) and word in _HELPERS


def mount_fuse(mount: Mount, path: str) -> None:
    """Have the helper mount a file system, and return when it is mounted.

    Args:
        mount: What to mount.
        path: Where.

    Raises:
        Unimplemented: There is no helper.
        MountFailed: It failed. The message has what it printed.
    """
    import subprocess

    word, _, program = mount.type.partition(".")
    helper = _HELPERS[word]
    asked = f"mount {mount.type} {mount.source!r} on {path}"
    options = [word for option in mount.options for word in ("-o", option)]
    command = [helper, mount.source, path, *options, "-t", program]
    try:
        # The file system lives on as a process, which lets go of these pipes when it becomes a daemon.
        done = subprocess.run(  # noqa: S603 - who may mount may do anything
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Unimplemented(f"{asked}: there is no program {helper} (Debian: fuse3)") from error
    if done.returncode:
        raise MountFailed(f"{asked}: {helper}: exit code {done.returncode}: {done.stderr.strip()}")
