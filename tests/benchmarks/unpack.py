"""Where layers are applied, for `docs/design.md`: `python -m tests.benchmarks unpack`, as root."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import attrs

from lamina.content import ContentStore
from lamina.content.local import LocalContentStore
from lamina.images.unpack import Destination, Unpacker
from lamina.layers import Applier, LocalDiffer
from lamina.layers.workers import WorkerDiffer
from tests.support.images.built import BuiltImage, build_image, layer
from tests.support.snapshotters.overlay import open_overlay

LAYERS = 20
FILES = 2_000
ROUNDS = 3


@attrs.frozen
class Way:
    """A way to unpack an image."""

    name: str
    applier: Callable[[], Applier]
    side_by_side: bool


WAYS = (
    Way("in this process, one after the other", LocalDiffer, side_by_side=False),
    Way("in two threads of this process", LocalDiffer, side_by_side=True),
    Way("in a worker, one after the other", lambda: WorkerDiffer(1), side_by_side=False),
    Way("in two workers", WorkerDiffer, side_by_side=True),
)


def make_image(content: ContentStore) -> BuiltImage:
    """An image with small files, some hundred in each directory."""
    words = random.Random(1)
    layers = []
    for number in range(LAYERS):
        files: dict[str, str | None] = {f"layer{number}": None}
        for directory in range(FILES // 100):
            files[f"layer{number}/{directory}"] = None
            for file in range(100):
                files[f"layer{number}/{directory}/{file}"] = words.randbytes(words.randrange(100, 1500)).hex()
        layers.append(layer(files))
    return build_image(content, layers)


def seconds(way: Way, content: ContentStore, image: BuiltImage, directory: Path) -> float:
    """How long it takes until an image is unpacked durably."""
    with (
        tempfile.TemporaryDirectory(dir=directory) as root,
        open_overlay(Path(root)) as overlay,
        closing(way.applier()) as applier,
    ):
        os.sync()
        begun = time.monotonic()
        destination = Destination("overlayfs", overlay, rebases=way.side_by_side)
        Unpacker(content, applier).unpack(image.manifest, image.config, destination)
        return time.monotonic() - begun


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks unpack", description=__doc__)
    parser.add_argument("--directory", type=Path, help="on the file system to measure; by default a temporary one")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        path = Path(directory)
        with closing(LocalContentStore(str(path / "content"))) as content:
            image = make_image(content)
            print(f"seconds for {LAYERS} layers of {FILES:,} small files: {ROUNDS} rounds, alternating")
            rounds = [[seconds(way, content, image, path) for way in WAYS] for _ in range(ROUNDS)]
    for way, found in zip(WAYS, zip(*rounds, strict=True), strict=True):
        print(f"  {way.name:38} {' '.join(f'{each:6.1f}' for each in found)}")


if __name__ == "__main__":
    main()
