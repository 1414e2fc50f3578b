"""Run with `make bench`, or `python -m tests.benchmarks NAME`; each module can be run by itself as well."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from tests.benchmarks import (
    alternatives,
    check,
    commands,
    commit,
    compare,
    copy,
    images,
    lists,
    metrics,
    pull,
    sync,
    unpack,
)

BENCHMARKS: dict[str, tuple[str, Callable[[Sequence[str]], None]]] = {
    "compare": ("lamina next to containerd, over the same calls: minutes; as root", compare.main),
    "commands": ("commands that only look at something: seconds", commands.main),
    "sync": ("commits with and without sync_fs: seconds; as root", sync.main),
    "check": ("what the check of a metastore costs, and a start with it: a minute", check.main),
    "lists": ("lists beside lists that nobody reads: a minute", lists.main),
    "metrics": ("what metrics cost: seconds", metrics.main),
    "alternatives": ("designs that lamina did not take: seconds", alternatives.main),
    "images": ("images imported and unpacked, beside ctr, umoci and podman: minutes; as root", images.main),
    "pull": ("a pull beside the network and the unpacking alone: minutes; as root", pull.main),
    "commit": ("changes made layers and images, beside ctr, umoci and buildah: minutes; as root", commit.main),
    "unpack": ("where layers are applied: a minute or two; as root", unpack.main),
    "copy": ("copies of trees next to cp's: minutes; as root", copy.main),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure, side by side. NAME --help tells what each takes.",
        epilog="\n".join(f"{name:13}{what}" for name, (what, _) in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", nargs="?", choices=BENCHMARKS, help="one of those below")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="what it takes")
    options = parser.parse_args()
    if not options.name:
        parser.print_help()
        return
    BENCHMARKS[options.name][1](options.arguments)


if __name__ == "__main__":
    main()
