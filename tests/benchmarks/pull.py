"""How long a pull takes beside the network and the unpacking alone: `python -m tests.benchmarks pull`, as root.

The registry is Debian's, behind a proxy that lets only so many bytes through in a second.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from lamina.host import Host
from lamina.images import Transfer
from lamina.plugin import PluginType
from tests.benchmarks.image_inputs import IMAGES, TAG
from tests.support.commands import run
from tests.support.local_servers import running_server
from tests.support.registries.docker_registry import DockerRegistry

_PIECE: Final = 64 << 10
"""Bytes that pass at a time."""


class Throttle:
    """Lets bytes of all connections together through at a rate."""

    def __init__(self, rate: float) -> None:
        """Begin to count; `rate` is in bytes a second."""
        self._rate = rate
        self._free = 0.0
        """When the next bytes may pass, in seconds of `time.monotonic()`."""
        self._guard = threading.Lock()

    def wait(self, count: int) -> None:
        """Wait until so many bytes may pass."""
        with self._guard:
            begin = max(self._free, time.monotonic())
            self._free = begin + count / self._rate
        time.sleep(max(0.0, begin - time.monotonic()))


@contextlib.contextmanager
def throttled(port: int, rate: float) -> Iterator[str]:
    """Pass requests on to the registry on a port, and bodies of answers back at a rate; yield the host."""
    throttle = Throttle(rate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as upstream:
                upstream.request(self.command, self.path, headers=dict(self.headers.items()))
                response = upstream.getresponse()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                while piece := response.read(_PIECE):
                    throttle.wait(len(piece))
                    self.wfile.write(piece)

        do_HEAD = do_GET  # noqa: N815 - http.server's

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running_server(server) as address:
        yield address


def seconds(work: Callable[[Transfer], object], *before: Callable[[Transfer], object]) -> float:
    """Return how long work takes in a new host, after other work."""
    with tempfile.TemporaryDirectory() as directory, _host(Path(directory)) as transfer:
        for prepare in before:
            prepare(transfer)
        begun = time.monotonic()
        work(transfer)
        return time.monotonic() - begun


@contextlib.contextmanager
def _host(directory: Path) -> Iterator[Transfer]:
    with Host.from_config({"root": f"{directory}/root", "state": f"{directory}/state"}) as host:
        yield host.get(PluginType.TRANSFER, "local")


def main(arguments: Sequence[str] | None = None) -> None:
    """Pull an image in three ways, in turns, and print the seconds."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks pull", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=25, help="megabytes a second (default: %(default)s)")
    parser.add_argument("--image", choices=IMAGES, default="many", help="the image (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lamina-pull-") as directory:
        path = Path(directory)
        layout = IMAGES[options.image](path)
        with (
            DockerRegistry(path / "registry").running() as registry,
            throttled(registry.port, options.rate * 1e6) as host,
        ):
            target = f"docker://{registry.host}/image:1"
            run(
                "skopeo",
                "--insecure-policy",
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                f"oci:{layout}:{TAG}",
                target,
                seconds=600,
            )
            name = f"{host}/image:1"
            for _ in range(options.rounds):
                fetched = seconds(lambda transfer: transfer.pull(name, unpack=False))
                unpacked = seconds(
                    lambda transfer: transfer.unpack(name), lambda transfer: transfer.pull(name, unpack=False)
                )
                pulled = seconds(lambda transfer: transfer.pull(name))
                print(
                    f"{options.image}: fetch {fetched:.2f} s, unpack {unpacked:.2f} s, pull {pulled:.2f} s: "
                    f"{pulled - fetched:.2f} s after the fetch alone"
                )


if __name__ == "__main__":
    main()
