"""Lists beside lists that nobody reads, on one snapshotter: `python -m tests.benchmarks.lists`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1]))  # where the tests' own modules are

from lamina.api.messages import snapshots_pb2 as pb
from tests.support.directories import short_directory
from tests.support.hostile.clients import SNAPSHOTS, SNAPSHOTTER, channel, flood
from tests.support.processes.hosts import LAMINA, Host

KEYS, KEY_BYTES = 200, 30_000
PAUSE = 0.05
"""Seconds after which a client that is refused tries again."""
SECONDS = 60.0


@contextlib.contextmanager
def host(engine: str) -> Iterator[str]:
    """The socket of a host that has six megabytes to list."""
    with short_directory() as directory:
        config = f'[plugins."io.containerd.server.v1.grpc"]\nengine = "{engine}"\n'
        with Host(directory, config, lamina=LAMINA).running() as served:
            keys = [f"{number}".rjust(KEY_BYTES, "k") for number in range(KEYS)]
            requests = [pb.PrepareSnapshotRequest(snapshotter=SNAPSHOTTER, key=key) for key in keys]
            flood(served.address, f"{SNAPSHOTS}/Prepare", requests, seconds=SECONDS)
            yield served.address


def begin(made: grpc.Channel) -> Iterator[bytes]:
    """Begin a list."""
    request = pb.ListSnapshotsRequest(snapshotter=SNAPSHOTTER).SerializeToString()
    return made.unary_stream(f"/{SNAPSHOTS}/List")(request, timeout=SECONDS)


def lists(path: str, seconds: float) -> list[float]:
    """How long each list takes of a client that makes one after the other, and again where it is refused."""
    taken = []
    ends = time.monotonic() + seconds
    with channel(path) as made:
        while (began := time.monotonic()) < ends:
            while True:
                try:
                    list(begin(made))
                    break
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise
                    time.sleep(PAUSE)
            taken.append(time.monotonic() - began)
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks lists", description=__doc__)
    parser.add_argument("--unread", type=int, default=33, help="lists that nobody reads")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(arguments)
    table = Table("engine", "beside", "lists", "median", "longest")
    for engine in ("native", "grpcio"):
        with host(engine) as path, channel(path) as slow:
            rows = {"nothing": lists(path, options.seconds)}
            unread = [begin(slow) for _ in range(options.unread)]
            rows[f"{len(unread)} unread lists"] = lists(path, options.seconds)
        for beside, taken in rows.items():
            median = sorted(taken)[len(taken) // 2]
            table.add_row(
                engine, beside, f"{len(taken)}", f"{median * 1000:.0f} ms", f"{max(taken) * 1000:.0f} ms"
            )
    Console().print(table)


if __name__ == "__main__":
    main()
