"""examples/kubernetes, for a node that is a test's."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.support.commands import run
from tests.support.directories import CHECKOUT
from tests.support.interop.releases import Release

DIRECTORY = CHECKOUT / "examples/kubernetes"
DOCUMENTS = {
    document["kind"]: document
    for file in DIRECTORY.glob("*.yaml")
    for document in yaml.safe_load_all(file.read_text())
}
"""The manifests by kind."""
HANDLER: str = DOCUMENTS["RuntimeClass"]["handler"]
ANNOTATIONS: dict[str, str] = DOCUMENTS["Pod"]["metadata"]["annotations"]


def moved(text: str, directory: Path) -> str:
    """A configuration with its paths below a directory, and cgroups as where no systemd manages them."""
    text = text.replace("/var/lib/lamina", f"{directory}/root").replace("/run/lamina", f"{directory}/state")
    return text.replace("SystemdCgroup = true", "SystemdCgroup = false")


def configure(configuration: Path, release: Release, directory: Path) -> None:
    """Add to containerd's file what it needs to know of lamina, as the comments of the example say."""
    name = "containerd-2.toml" if release.version >= (2, 0) else "containerd-1.7.toml"
    example = moved((DIRECTORY / name).read_text(), directory)
    if release.version >= (2, 0):
        drop_in = configuration.with_name("lamina.toml")
        if "version = 2\n" in configuration.read_text():
            migrated = run(release.programs / "containerd", "--config", configuration, "config", "migrate")
            configuration.write_text(re.sub(r"^imports = .*\n", "", migrated, flags=re.MULTILINE))
        drop_in.write_text(example)
        configuration.write_text(f'imports = ["{drop_in}"]\n{configuration.read_text()}')
    else:
        text = configuration.read_text()
        if "runtimes.runc]" not in text:
            example = re.sub(r"^# (?=\[plugins|runtime_type|SystemdCgroup)", "", example, flags=re.MULTILINE)
        configuration.write_text(text + example.replace("version = 2\n", ""))
