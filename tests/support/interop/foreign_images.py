"""Images that other programs made, with what their layers seldom have in them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.commands import run
from tests.support.interop.cache import debian
from tests.support.interop.images import IMAGE, OWNED, TEMPLATES, make_image
from tests.support.interop.podman import podman

CAPABILITY: Final = bytes.fromhex("0100000200200000000000000000000000000000")
"""CAP_NET_RAW, permitted and effective, as security.capability has it (`struct vfs_cap_data`, revision 2)."""
_ACL: Final = bytes.fromhex(
    "0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff"
)
"""user::rw-, user:1000:r--, group::r--, mask::r--, other::---, as system.posix_acl_access has it (acl(5))."""


def of_umoci(directory: Path) -> Path:
    """Make the image `IMAGE`, whose layers do not bring the directories above what they bring."""
    make_image(directory)
    return directory / "layout"


def docker_archive_of_skopeo(directory: Path) -> Path:
    """Make the same as an archive of `docker save`."""
    return _copied(make_image(directory), f"docker-archive:{directory}/docker.tar:{IMAGE}")


def zstd_of_skopeo(directory: Path) -> Path:
    """Make the same with layers compressed by zstd."""
    options = ("--dest-compress", "--dest-compress-format", "zstd")
    return _copied(make_image(directory), f"oci-archive:{directory}/zstd.tar:{IMAGE}", *options)


def of_buildah(directory: Path) -> Path:
    """Make an image of two layers with buildah; see `_fill` and `_change`."""
    storage = ("--root", directory / "root", "--runroot", directory / "runroot", "--storage-driver", "vfs")

    def buildah(*arguments: str | Path) -> str:
        return run("buildah", *storage, *arguments).strip()

    def layer(base: str, name: str, change: Callable[[Path], None]) -> None:
        container = buildah("from", "--pull-never", base)
        change(Path(buildah("mount", container)))
        buildah("umount", container)
        if base != "scratch":
            (directory / "through").write_text("copied through a symbolic link\n")
            buildah("copy", "--quiet", container, directory / "through", "/lib/through")
        buildah("commit", "--quiet", "--rm", container, name)

    layer("scratch", "base", _fill)
    layer("localhost/base", "top", _change)
    archive = directory / "buildah.tar"
    buildah("push", "--quiet", "localhost/top", f"oci-archive:{archive}:{IMAGE}")
    return archive


def docker_archive_of_podman(directory: Path) -> Path:
    """Load buildah's image into podman, and save it as `docker save` does."""
    return _saved(of_buildah(directory), directory, "docker-archive")


def oci_archive_of_podman(directory: Path) -> Path:
    """The same as an OCI archive."""
    return _saved(of_buildah(directory), directory, "oci-archive")


def of_gnu_tar(directory: Path) -> Path:
    """Make an image of layers that GNU tar wrote. The upper one depends on the lower one:

    - `lib/through` without `lib`, which is a symbolic link below;
    - `tmp/new` without `tmp`, whose mode is 1777 below;
    - a hard link to a file that is only below.
    """
    image = f"{directory}/layout:latest"
    run("umoci", "init", "--layout", directory / "layout")
    run("umoci", "new", "--image", image)
    lower, upper = directory / "lower", directory / "upper"
    lower.mkdir()
    _fill(lower)
    _fill_more(lower)
    (upper / "lib").mkdir(parents=True)
    (upper / "tmp").mkdir()
    (upper / "data").mkdir()
    (upper / "lib/through").write_text("through a symbolic link\n")
    (upper / "tmp/new").touch()
    for name in ("data/removed", "data/below"):
        whiteout = upper / name
        whiteout.with_name(f".wh.{whiteout.name}").touch()
    (upper / "bin").mkdir()
    (upper / "bin/busybox").touch()
    os.link(upper / "bin/busybox", upper / "data/link")
    layers = (directory / "lower.tar", directory / "upper.tar")
    options = ("--format=pax", "--xattrs", "--xattrs-include=*", "--sparse", "--create")
    run("tar", *options, "--file", layers[0], "--directory", lower, ".")
    names = ("lib/through", "tmp/new", "data/.wh.removed", "data/.wh.below", "bin/busybox", "data/link")
    run("tar", *options, "--file", layers[1], "--directory", upper, *names)
    run("tar", "--delete", "--file", layers[1], "bin/busybox")
    for layer in layers:
        run("umoci", "raw", "add-layer", "--image", image, layer)
    return directory / "layout"


def of_debian(directory: Path) -> Path:
    """Make an image of packages of Debian that mmdebstrap extracts, a directory of this machine, and deletions."""
    layout, base = directory / "layout", directory / "base"
    archive = debian("bookworm", "extract", "base-files", "passwd", "mount")
    base.mkdir()
    run("tar", "--directory", base, "--extract", "--xattrs", "--xattrs-include=*", "--file", archive)
    image = f"{layout}:latest"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", image)
    run("umoci", "insert", "--image", image, base, "/")
    run("umoci", "insert", "--image", image, TEMPLATES, "/opt/templates")
    for deleted in ("/usr/share/doc", "/usr/share/locale", "/opt/templates"):
        run("umoci", "insert", "--image", image, "--whiteout", deleted)
    shutil.rmtree(base)
    return layout


def _fill(root: Path) -> None:
    """Make a tree of all types of files, with owners, capabilities and hard links."""
    for name in ("usr/lib", "bin", "tmp", "data/below"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    os.symlink("usr/lib", root / "lib")
    shutil.copy("/bin/busybox", root / "bin")
    os.chown(root / "bin/busybox", *OWNED)
    (root / "bin/busybox").chmod(0o4711)
    os.setxattr(root / "bin/busybox", "security.capability", CAPABILITY)
    for name in ("usr/lib/old", "data/one", "data/removed", "data/below/file"):
        (root / name).write_text(f"{name}\n")
    os.link(root / "data/one", root / "data/two")
    os.chown(root / "data/one", *OWNED)
    os.setxattr(root / "data/one", "user.note", b"of both names")
    os.mknod(root / "data/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mkfifo(root / "data/fifo")
    os.utime(root / "data", ns=(0, 1_000_000_000_123_456_789))


def _fill_more(root: Path) -> None:
    """Add what containers/storage leaves out or GNU tar alone writes."""
    (root / "data" / ("long " * 40)).mkdir()
    (root / "data" / ("long " * 40) / ("name " * 40)).touch()
    with open(os.fsencode(root) + b"/data/no UTF-8 \xff\xfe", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"in the middle of a hole")
    os.setxattr(root / "data/below", "trusted.note", b"\0binary\xff")
    os.setxattr(root / "data/below/file", "system.posix_acl_access", _ACL)
    os.mknod(root / "data/block", 0o600 | stat.S_IFBLK, os.makedev(259, 70_000))


def _change(root: Path) -> None:
    """Delete, replace and add files, one of them as a further hard link."""
    os.link(root / "data/two", root / "data/third")
    shutil.rmtree(root / "data/below")
    (root / "data/removed").unlink()
    (root / "data/fifo").unlink()
    (root / "data/fifo").mkdir(0o700)
    (root / "usr/lib/old").unlink()
    os.symlink("/data/one", root / "usr/lib/old")
    (root / "tmp/new").touch()


def _copied(archive: Path, target: str, *options: str) -> Path:
    run("skopeo", "--insecure-policy", "copy", "--quiet", *options, f"oci-archive:{archive}", target)
    return Path(target.split(":")[1])


def _saved(archive: Path, directory: Path, form: str) -> Path:
    podman(directory, "load", "--quiet", "--input", archive)
    saved = directory / "podman.tar"
    podman(directory, "save", "--quiet", "--format", form, "--output", saved, IMAGE)
    return saved
