"""A metastore as it was stored before entries had checksums."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path

from lamina.snapshots import Info, Kind, Usage
from lamina.snapshots.storage import Record

UUID = "3d7a24eb-d4df-4a8c-b34f-434dd07a7481"
BOOT = "0b7f3c4e-2f52-4a3c-9d47-6c6d2e1f6b11"
LONG = "long " + "x" * 600


def _record(id_: int, key: str, kind: Kind, parent: str, labels: dict[str, str], nanos: int) -> Record:
    time = 1795765167_000000000 + nanos
    info = Info(key, kind, parent, labels, created=time, updated=time)
    usage = Usage(4096, 2) if kind is Kind.COMMITTED else Usage()
    return Record(id_, info, usage, (1,) if parent else ())


RECORDS = {
    ("overlayfs", "overlayfs"): [
        _record(1, "base", Kind.COMMITTED, "", {"containerd.io/gc.root": "2026"}, 646810515),
        _record(2, "child", Kind.ACTIVE, "base", {"a": "1"}, 652515579),
        _record(4, LONG, Kind.ACTIVE, "base", {}, 670802404),
        _record(3, "view", Kind.VIEW, "base", {}, 660141059),
    ],
    ("overlayfs", "containerd"): [_record(5, "child", Kind.ACTIVE, "", {}, 673141494)],
    ("native", "native"): [_record(1, "n", Kind.ACTIVE, "", {}, 690714753)],
}
"""All records, by snapshotter and keyspace, in the order of a walk."""


def write_schema_2(directory: Path) -> None:
    """Put the metastore into a directory, which is made."""
    directory.mkdir(parents=True)
    (directory / "data.mdb").write_bytes(gzip.decompress(base64.b64decode(_DATA)))


_DATA = (
    "H4sIAAAAAAACA+2aS2jUQByHJ5Pso7G7W0oLvRTfr9rVbjbtVk8F8eDFgyCI4iGbZHVpm5XutiqiotZ6ED3oQa+CggdFRVHwUBVF8NJzBZ9Y"
    "0JMvpB6K6CaZPDbd9UWror8Pmnlkks5Mkt3/txNCHKLW9umdt6McqaDH2jaYLbw9gTaEsjRcUVu7fTNLQyyNsLSeAAAAAAAAAAAAYKbhZtj/"
    "Iz/o/y01jovhkgAAAAAAAAAAADMO9eV6yH3uDB2LkdhJ/kL8XWxBrD48Ru9zD+IN8XnRntgb+py7mBhNjCVKdCSxhe7kcwnM4J/HfuciRvLl"
    "rcDquN7yJmSQPtbCLjpX2/k1ZqG56a1LX16+YvfBYD6A4D9OnC9yRgtdUB+9/OrceLjh4PtLD2lbRcnuSZwUDaWUH9IJS8rdaLL2RIjhVrFe"
    "C5zbv0VWKpJsYUgf6FP25Iod2Uwurcp6Usp1SklZSavJ1ZqcSXapXZqkp3Jd2VRK9M2Ec66QOXRe3ZHv08hOdlavypkR5z2Upc4sLJu7cTKY"
    "rzIj7nHiYjFkndE3K5PnP9/xZsUq2SNtJkV3XEQtGCUlb+gDmtkrso3aLVTf0+mMRegrGNvn7QZgFvjCTX96BPNRobjt/lWGXqyPn172acOH"
    "a3frUvzjR1vXHdp/5EBb683R4WeLo5v2jlsfQV843Ab/9W1AK4MAetT5alw6dXYimJ8entBt9rH2ceY5xOGQ+ARfZ2D2aBSySlH3hWMT997c"
    "9sIxq0SceKxatMUP5fVdpK5KTMlbH4fm7n1WuY64FW4T1rzdfTo2f+SD+SoBpfPX7j4pbaJgnpgNh3OHc/j1y1vecKxS6BujoVZ0Wi1Cpr3u"
    "bjLii5BpRYRM2RGdziCWTJyZCuZrRMhmmnQHlGaR8rQLNHX15E1vRFZJCouc0silql0F+0vJPMcJ/1UwK/jA4Ne5HT1+7FQwby1ue4MUfBq1"
    "RFwr2r3k3V6eOn3jutdLqyS1is1eGL8yX1i1XV05UCiUGgWpQ+rqtU/X5I/6vVz5vzaxWTf8tVxQiuxMlPSrhUGjpA90siYR0l9Ud+j9irSI"
    "uUz/4GBeS2sZRZL1bFKTtVxZmLrVZDYtl3NpWdM6MkpG7k4R3uf/a0iJTvd/z/4994f5g1+npv8T+D/8H8D/AfwfwP8BgP/D/+H/1fxfngH/"
    "F3z+30SuJMYTVyyzr+3/sH8w+8D/4f8A/g/g/wD+DwD8H/7/v/t/C/sNYE7g/f1IoOy0EwP14YDvhLD+D/6W9X+8/w//B/B/AP8H8H8A4P/w"
    "f/j/rK3/h396/R/+D/D+P/wfwP8B/B/A/+H/AP4P/4f//671//rAur7gu+3IT7wnEIH/A6z/w/8B/B/+D/GD/+M2gP8D+D/8H/7/1/p/7Dvv"
    "9f/o7wRfASiqfXQAgAAA"
)
