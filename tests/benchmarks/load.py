"""Callers of a server, each with one call at a time: processes of `load.c`, or goroutines of `load.go`."""

from __future__ import annotations

import array
import contextlib
import itertools
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import attrs
from google.protobuf.message import Message

from lamina.api.messages import snapshots_pb2 as messages
from lamina.api.messages.empty_pb2 import Empty

NAMESPACE = "benchmark"
LABELS = {"containerd.io/gc.root": "1"}
"""containerd removes by itself what nothing refers to, except what has this label."""
_FOREVER = 1 << 30
"""Loops."""
PATIENCE = 600
"""Seconds that a script may take."""


@attrs.frozen
class Call:
    method: str
    frames: bytes
    """As `load.c` takes them: HEADERS and DATA of RFC 9113, on stream 0."""


def call(path: str, request: Message) -> Call:
    """A call of the method at a path, `/<service>/<method>`."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        "containerd-namespace": NAMESPACE,
    }
    body = request.SerializeToString()
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
    frames = _frame(1, 4, block) + _frame(0, 1, struct.pack(">BI", 0, len(body)) + body)
    return Call(path.rpartition("/")[2], frames)


def _text(text: str) -> bytes:
    """A string of RFC 7541: neither indexed nor compressed, which is little to send and nothing to remember."""
    assert len(text) < 127
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags, 0, 0, 0, 0]) + payload


VERSION = call("/containerd.services.version.v1.Version/Version", Empty())


@attrs.frozen
class Snapshots:
    """Calls of one snapshotter."""

    snapshotter: str

    def prepare(self, key: str, parent: str = "") -> Call:
        return self._call("Prepare", messages.PrepareSnapshotRequest(key=key, parent=parent, labels=LABELS))

    def view(self, key: str, parent: str = "") -> Call:
        return self._call("View", messages.ViewSnapshotRequest(key=key, parent=parent, labels=LABELS))

    def commit(self, name: str, key: str) -> Call:
        return self._call("Commit", messages.CommitSnapshotRequest(name=name, key=key, labels=LABELS))

    def remove(self, key: str) -> Call:
        return self._call("Remove", messages.RemoveSnapshotRequest(key=key))

    def stat(self, key: str) -> Call:
        return self._call("Stat", messages.StatSnapshotRequest(key=key))

    def mounts(self, key: str) -> Call:
        return self._call("Mounts", messages.MountsRequest(key=key))

    def usage(self, key: str) -> Call:
        return self._call("Usage", messages.UsageRequest(key=key))

    def list(self) -> Call:
        return self._call("List", messages.ListSnapshotsRequest())

    def layers(self, name: str, depth: int) -> list[Call]:
        """A chain of committed layers: `<name>-1`, `<name>-2` on that, and so on."""
        names = [f"{name}-{level}" for level in range(1, depth + 1)]
        return [
            one
            for layer, below in zip(names, ["", *names], strict=False)
            for one in (self.prepare(f"making {layer}", below), self.commit(layer, f"making {layer}"))
        ]

    def _call(self, method: str, request: Message) -> Call:
        request.snapshotter = self.snapshotter
        return call(f"/containerd.services.snapshots.v1.Snapshots/{method}", request)


@attrs.frozen
class Played:
    """What callers did in one window. The times are of the monotonic clock, in seconds, by method."""

    begun: dict[str, list[float]]
    ended: dict[str, list[float]]
    client_seconds: float
    """CPU time of the callers."""

    @property
    def seconds(self) -> float:
        """From the first call to the last answer."""
        return max(map(max, self.ended.values())) - min(map(min, self.begun.values()))

    def rate(self, method: str) -> float:
        """Calls a second."""
        return len(self.ended[method]) / self.seconds

    def latencies(self, *methods: str) -> list[float]:
        """Seconds from each call to its answer."""
        return [
            ended - begun
            for method in methods
            for begun, ended in zip(self.begun[method], self.ended[method], strict=True)
        ]


def merged(each: Sequence[Played]) -> Played:
    """What several callers did, together."""
    methods = {method: None for played in each for method in played.begun}
    return Played(
        {method: [time for played in each for time in played.begun.get(method, ())] for method in methods},
        {method: [time for played in each for time in played.ended.get(method, ())] for method in methods},
        sum(played.client_seconds for played in each),
    )


class Client:
    """One process. It connects at once, and calls when it is told to."""

    def __init__(
        self,
        command: Sequence[str | Path],
        server: Path,
        scripts: Sequence[Sequence[Call]],
        files: Path,
        *,
        loops: int = 1,
        group: int = 1,
    ) -> None:
        """Start it.

        Args:
            command: `load.c`, which takes one script, or `load.go`, compiled; and what comes before the socket.
            server: The server's socket.
            scripts: What each caller calls, in order.
            files: The path of its files, without a suffix.
            loops: How often it plays the scripts.
            group: When it is stopped, each caller has made a multiple of so many calls.
        """
        self._scripts = [(script, files.with_suffix(f".{number}")) for number, script in enumerate(scripts)]
        paths: list[Path] = []
        for script, results in self._scripts:
            calls = results.with_suffix(f"{results.suffix}-calls")
            calls.write_bytes(b"".join(struct.pack("=I", len(one.frames)) + one.frames for one in script))
            paths += (calls, results)
        self._process = subprocess.Popen(
            (*command, server, str(loops), str(group), *paths), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_until_ready(self) -> None:
        assert self._process.stdout
        if self._process.stdout.readline() != b"ready\n":
            raise SystemExit("a client could not connect")

    def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def result(self) -> Played:
        """Wait for its end."""
        output, _ = self._process.communicate(timeout=PATIENCE)
        if self._process.returncode:
            raise SystemExit(f"a client failed, exit code {self._process.returncode}")
        played = Played({}, {}, int(output.split()[-1]) / 1e9)
        for script, results in self._scripts:
            numbers = array.array("Q", results.read_bytes())
            results.unlink()
            records = zip(itertools.cycle(script), numbers[::3], numbers[1::3], numbers[2::3], strict=False)
            for one, begun, ended, size in records:
                if not size:
                    raise SystemExit(f"{one.method} failed: {one.frames!r}")
                played.begun.setdefault(one.method, []).append(begun / 1e9)
                played.ended.setdefault(one.method, []).append(ended / 1e9)
        return played


class Load:
    """Makes clients of one caller each. Use `compiled`."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._numbers = itertools.count()

    def client(self, server: Path, scripts: Sequence[Sequence[Call]], *, loops: int = 1, group: int = 1) -> Client:
        """As `Client`."""
        files = self._program.with_name(f"client-{next(self._numbers)}")
        return Client(self._command, server, scripts, files, loops=loops, group=group)

    @property
    def _command(self) -> tuple[str | Path, ...]:
        return self._program, "play"

    def _shared_out(self, scripts: Sequence[Sequence[Call]]) -> Sequence[Sequence[Sequence[Call]]]:
        """The scripts of each client."""
        return [[script] for script in scripts]

    def play(
        self, server: Path, scripts: Sequence[Sequence[Call]], *, seconds: float | None = None, group: int = 0
    ) -> Played:
        """Let callers play, all at once.

        Args:
            server: The server's socket.
            scripts: What each of them calls.
            seconds: How long; None: until the end of the script. It starts again at its end, if `group` is 0.
            group: When the time is over, each has made so many calls, or a multiple; 0: as many as its script has.
        """
        loops = _FOREVER if seconds and not group else 1
        with contextlib.ExitStack() as stack:
            clients = [
                stack.enter_context(self.client(server, some, loops=loops, group=group or len(some[0])))
                for some in self._shared_out(scripts)
            ]
            for each in clients:
                each.wait_until_ready()
            for each in clients:
                each.go()
            if seconds:
                time.sleep(seconds)  # the window in which is measured
                for each in clients:
                    each.stop()
            return merged([each.result() for each in clients])

    def capacity(self, callers: int, seconds: float) -> float:
        """Calls a second to a server that does nothing: what the callers themselves could do."""
        answers = self._program.with_name("answers")
        with subprocess.Popen([self._program, "answer", answers]) as server:
            try:
                return self.play(answers, [[VERSION]] * callers, seconds=seconds).rate("Version")
            finally:
                server.kill()
                answers.unlink()


@contextlib.contextmanager
def compiled(directory: Path) -> Iterator[Load]:
    """Compile the client into a directory of its own, which is gone after the block."""
    directory.mkdir()
    try:
        program = directory / "load"
        source = Path(__file__).with_name("load.c")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", program, source], check=True)
        yield Load(program)
    finally:
        shutil.rmtree(directory)
