"""A process that imports an image with a host of its own, and tells each step, so that it can be killed there.

python -m tests.support.images.importing DIRECTORY ARCHIVE
"""

from __future__ import annotations

import sys

from lamina.host import Host
from lamina.images import Progress, Transfer
from lamina.plugin import PluginType


def tell(progress: Progress) -> None:
    print(progress.what, progress.done, flush=True)


def main(directory: str, archive: str) -> None:
    """Import an archive and unpack its image, with root and state in a directory."""
    print("begin", flush=True)
    with Host.from_config({"root": f"{directory}/root", "state": f"{directory}/state"}) as host:
        transfer: Transfer = host.get(PluginType.TRANSFER, "local")
        transfer.import_(archive, progress=tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
