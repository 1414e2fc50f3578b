"""mount(2), which takes all data as one string of at most a page."""

from __future__ import annotations

import contextvars
import mmap
import os
from concurrent.futures import ThreadPoolExecutor

from lamina.errdefs import InvalidArgument
from lamina.mount import _syscalls
from lamina.mount._options import Options, replace_parameter, split_parameters
from lamina.mount._overlay import format_layers, shorten_layers, split_layers, unescape
from lamina.mount._record import Mount


def mount_by_string(mount: Mount, options: Options, place: str) -> None:
    """Mount with mount(2).

    If the layers of an overlay do not fit in a page, they are given relative to their common directory.

    Args:
        mount: The mount; its options are taken from `options`.
        options: Its options.
        place: The mount point.

    Raises:
        OSError: The kernel refused.
        InvalidArgument: The options are malformed, or too long for mount(2).
    """
    if _size(options) <= mmap.PAGESIZE:
        _mount(mount, options, place)
        return
    directory, shorter = _from_common_directory(mount, options)
    size = _size(shorter)
    if size > mmap.PAGESIZE:
        raise InvalidArgument(
            f"mount options is too long: {size} bytes{f' relative to {directory}' if directory else ''}, and "
            f"mount(2) takes {mmap.PAGESIZE}. Use fewer layers, a shorter root_path, or Linux 6.7 or newer, "
            "where overlay takes its layers one by one"
        )
    _mount_from(directory, mount, shorter, os.path.abspath(place))


def _size(options: Options) -> int:
    return len(os.fsencode(",".join(options.data))) + 1


def _mount(mount: Mount, options: Options, place: str) -> None:
    _syscalls.mount(mount.source, place, mount.type, options.flags, ",".join(options.data))


def _from_common_directory(mount: Mount, options: Options) -> tuple[str, Options]:
    """Return the options with layers relative to their common directory, and that directory or ""."""
    parameters = dict(split_parameters(options.data))
    lowerdir = parameters.get("lowerdir")
    if mount.type != "overlay" or lowerdir is None:
        return "", options
    others = [unescape(parameters.get(key) or "/") for key in ("upperdir", "workdir")]
    directory, layers = shorten_layers(split_layers(lowerdir))
    if not all(map(os.path.isabs, (directory, *others))):
        return "", options
    data = replace_parameter(options.data, "lowerdir", format_layers(layers))
    return directory, options._replace(data=data)


def _mount_from(directory: str, mount: Mount, options: Options, place: str) -> None:
    """Mount in a thread with its own working directory; that of the process is unchanged."""

    def mount_there() -> None:
        _syscalls.unshare_directories()
        os.chdir(directory)
        _mount(mount, options, place)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="mount") as executor:
        executor.submit(contextvars.copy_context().run, mount_there).result()
