"""Run a command in parallel copy-on-write sandboxes and discard them, without a daemon, a socket or an image.

Run it as root with a directory for the base tree. Each sandbox has its number in `$SANDBOX`::

    python examples/sandboxes.py /var/tmp/sandboxes -n 8 -- sh -c 'echo $SANDBOX > file; cat file'
"""

import argparse
import signal
import sys
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, Popen, check_call

from lamina.errdefs import Error
from lamina.host import Host
from lamina.mount import temporary_mount
from lamina.plugin import PluginType
from lamina.snapshots import Snapshotter


def commit_base(snapshotter: Snapshotter, base: str, tree: str) -> None:
    with temporary_mount(snapshotter.prepare("making base")) as root:
        if tree:
            check_call(["cp", "--archive", f"{tree}/.", root])
        else:
            check_call(["install", "-D", "/bin/busybox", f"{root}/bin/busybox"])
            check_call(["chroot", root, "/bin/busybox", "--install", "/bin"])
    snapshotter.commit(base, "making base")


def run(snapshotter: Snapshotter, base: str, number: int, command: list[str], running: list[Popen[bytes]]) -> int:
    mounts = snapshotter.prepare(key := f"sandbox {number}", base)
    try:
        with temporary_mount(mounts) as root:
            # All processes of a pid namespace end with its first one, so none keeps the root mounted.
            isolated = ["unshare", "--pid", "--kill-child", f"--root={root}", "--wd=/", "--", *command]
            env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SANDBOX": str(number)}
            process = Popen(isolated, env=env, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
            running.append(process)
            output = process.communicate()[0].decode(errors="replace")
        size = snapshotter.usage(key).size
    finally:
        snapshotter.remove(key)
    print(f"{key}: exit code {process.returncode}, {size} bytes written\n{output}", end="", flush=True)
    return process.returncode


def main(snapshotter: Snapshotter, count: int, tree: str, command: list[str]) -> bool:
    base, running = f"base {tree}", list[Popen[bytes]]()
    for leftover in list(snapshotter.walk("kind==active")):  # of a run that was killed
        snapshotter.remove(leftover.name)
    if not any(info.name == base for info in snapshotter.walk()):
        commit_base(snapshotter, base, tree)
    interrupts = list[int]()
    signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    with ThreadPoolExecutor(count) as pool:
        runs = [pool.submit(run, snapshotter, base, number, command, running) for number in range(count)]
        while wait(runs, timeout=0.1).not_done:
            for process in running if interrupts else ():
                process.kill()
    if interrupts:
        raise KeyboardInterrupt
    codes = [one.result() for one in runs]
    return any(codes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("-n", type=int, default=2, help="number of sandboxes")
    parser.add_argument("--base", default="", metavar="TREE", help="initial content; busybox by default")
    parser.add_argument("command", nargs="+", help="command to run, with its arguments")
    options = parser.parse_args()
    try:
        with Host.from_config({"root": options.directory / "root", "state": options.directory / "state"}) as host:
            sys.exit(main(host.get(PluginType.SNAPSHOTTER, "overlayfs"), options.n, options.base, options.command))
    except (Error, CalledProcessError, ValueError, KeyboardInterrupt) as error:
        sys.exit(f"sandboxes: {type(error).__name__}: {error}")
