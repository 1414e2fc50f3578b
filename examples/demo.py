"""Start a host in a temporary directory, build three layers, mount and list them, and stop the host.

Run it as root with `make demo`. Lines that begin with `$` are commands that you can run yourself.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

LAMINA = str(Path(sys.executable).with_name("lamina"))
LAYERS = {
    "base": {"etc/os-release": "NAME=demo\n", "bin/app": "v1\n", "etc/obsolete": "to be deleted\n"},
    "app": {"bin/app": "v2\n", "etc/obsolete": None},
    "config": {"etc/app.conf": "threads = 2\n"},
}


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("the demo mounts overlays: run it as root (sudo make demo)")
    with tempfile.TemporaryDirectory(prefix="lamina-demo-") as name:
        directory = Path(name)
        host = start(directory)
        try:
            show(directory)
        finally:
            host.send_signal(signal.SIGTERM)
            host.wait(timeout=30)
        print(f"# host down, exit code {host.returncode}")
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if name in line]
    print(f"# mounts left: {len(mounts)}, directory left: {Path(name).exists()}")


def start(directory: Path) -> subprocess.Popen[bytes]:
    """Start a host and wait until it is ready (sd_notify(3))."""
    os.environ["LAMINA_ADDRESS"] = str(directory / "lamina.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, (directory / "log").open("wb") as log:
        notify.bind(str(directory / "notify"))
        notify.settimeout(30)
        command = ["serve", "--root", f"{directory}/root", "--state", f"{directory}/state"]
        command += ["--address", os.environ["LAMINA_ADDRESS"]]
        print("$ export", f"LAMINA_ADDRESS={shlex.quote(os.environ['LAMINA_ADDRESS'])}")
        print("$", shlex.join(["lamina", *command]), "&")
        environment = {**os.environ, "NOTIFY_SOCKET": str(directory / "notify")}
        host = subprocess.Popen([LAMINA, *command], stdout=log, stderr=log, env=environment)
        while b"READY=1" not in notify.recv(4096):
            pass
    return host


def show(directory: Path) -> None:
    run("plugins", "ls")
    parent = ""
    target = directory / "mnt"
    target.mkdir()
    for name, files in LAYERS.items():
        key = f"making-{name}"
        run("snapshots", "prepare", key, *([parent] if parent else []), quiet=True)
        run("snapshots", "mount", key, str(target))
        for path, content in files.items():
            write(target / path, content)
        run("snapshots", "unmount", str(target))
        run("snapshots", "commit", name, key)
        parent = name
    run("snapshots", "view", "look", parent, quiet=True)
    run("snapshots", "mount", "look", str(target))
    for path in sorted(path for path in target.rglob("*") if path.is_file()):
        print(f"  {path.relative_to(target)}: {path.read_text().strip()}")
    run("snapshots", "unmount", str(target))
    run("snapshots", "tree")
    run("snapshots", "usage")
    run("snapshots", "rm", "look", *reversed(LAYERS))


def write(path: Path, content: str | None) -> None:
    """Write a file, or delete it if `content` is None."""
    if content is None:
        print(f"  delete {path.name}")
        path.unlink()
        return
    print(f"  write {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def run(*arguments: str, quiet: bool = False) -> None:
    """Print and run a `lamina` command."""
    print("$", shlex.join(["lamina", *arguments]))
    output = subprocess.PIPE if quiet else None
    sys.stdout.flush()
    subprocess.run([LAMINA, *arguments], check=True, stdout=output)


if __name__ == "__main__":
    main()
