"""Run with `make bench`, or `python -m tests.benchmarks NAME...`; each module can be run by itself as well."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.benchmarks import copy, metrics, start, sync

BENCHMARKS: dict[str, tuple[str, Callable[[int], None]]] = {
    "start": ("start-up and memory next to containerd's: seconds; containerd must be installed", start.run),
    "sync": ("commits with and without sync_fs: seconds; as root", sync.run),
    "metrics": ("what metrics cost: seconds", metrics.run),
    "copy": ("copies of trees next to cp's: minutes; as root", copy.run),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure, side by side.",
        epilog="\n".join(f"{name:8}{what}" for name, (what, _) in BENCHMARKS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run, of those below; nothing: list them")
    parser.add_argument("--rounds", type=int, default=10, help="how often each thing is measured (default 10)")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"{', '.join(unknown)}: no such benchmark; there are {', '.join(BENCHMARKS)}")
    if not options.names:
        parser.print_help()
    for name in options.names:
        BENCHMARKS[name][1](options.rounds)


if __name__ == "__main__":
    main()
