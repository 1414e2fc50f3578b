"""Open an image archive of any kind."""

from __future__ import annotations

import contextlib
import os
import stat

from lamina.errdefs import InvalidArgument, translated
from lamina.fs import opened
from lamina.images.archive._agreement import check_agreement
from lamina.images.archive._directory import DirectoryFiles
from lamina.images.archive._docker import DOCKER_MANIFEST_FILE, docker_contents
from lamina.images.archive._files import ArchiveFiles
from lamina.images.archive._oci import INDEX_FILE, oci_contents
from lamina.images.archive._source import Source
from lamina.images.archive._tar import TarFiles
from lamina.images.archive._unpacked import MAX_UNCOMPRESSED, decompress
from lamina.layers import Compression, open_layer


def open_source(
    path: str,
    *,
    directory: str = "/var/tmp",  # noqa: S108 - the file has no name there
    limit: int = MAX_UNCOMPRESSED,
) -> Source:
    """Open an image archive: an OCI layout, as a directory or a tar file, or an archive of `docker save`.

    An archive that is both is read as a layout, if its two descriptions agree. A compressed archive is
    decompressed to a file without a name first.

    Args:
        path: The directory or file. Symbolic links are followed here, but not inside it.
        directory: The directory in which a compressed archive is decompressed: on a disk, since it may be large.
        limit: Its maximum size then, in bytes.

    Raises:
        NotFound: There is no such file.
        InvalidArgument: It is not an image archive, or malformed.
        PermissionDenied: It cannot be read.
        ResourceExhausted: It is larger than `limit` when decompressed, or the disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    with contextlib.ExitStack() as undo:
        files = _open_files(path, directory, limit)
        undo.callback(files.close)
        if files.has(INDEX_FILE):
            contents = oci_contents(files)
            if files.has(DOCKER_MANIFEST_FILE):
                check_agreement(files, Source(files, contents))
        elif files.has(DOCKER_MANIFEST_FILE):
            contents = docker_contents(files)
        else:
            raise InvalidArgument(
                f"{path}: not an image archive: it has neither {INDEX_FILE}, as an OCI layout, nor "
                f"{DOCKER_MANIFEST_FILE}, as an archive of docker save"
            )
        undo.pop_all()
        return Source(files, contents)


def _open_files(path: str, directory: str, limit: int) -> ArchiveFiles:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with translated("open the image archive"), opened(path, flags) as fd:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            return DirectoryFiles(path, os.dup(fd))
        if not stat.S_ISREG(status.st_mode):
            raise InvalidArgument(f"{path}: not an image archive: neither a directory nor a regular file")
        try:
            with open_layer(fd, size=status.st_size) as stream:
                is_plain = stream.compression is Compression.NONE
                plain = os.dup(fd) if is_plain else decompress(stream, directory, limit)
        except InvalidArgument as error:
            raise InvalidArgument(f"{path}: {error}") from error
    with contextlib.ExitStack() as undo:
        undo.callback(os.close, plain)
        files = TarFiles(path, plain)
        undo.pop_all()
        return files
