"""A disk in a file: a FUSE file system that is one regular file, for a loop device to stand on.

``python -m tests.support.disks.fuse_disk IMAGE LOG FILE`` shows IMAGE at the mount point FILE, appends every
write and flush to LOG before it is answered (`write_log`), and takes commands from its input, a JSON object a
line, each answered with a line. It ends when FILE is unmounted.

It speaks the protocol of /dev/fuse itself (fuse(4), include/uapi/linux/fuse.h): a file system without
directories needs no more than eight of its requests, so a library would be the larger part, and one that must be
installed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import stat
import struct
import sys
from collections.abc import Callable
from typing import Final

from tests.support.disks.write_log import FLUSH, REFUSED, WRITE, encode

LOOKUP_FORGET, GETATTR, OPEN, READ, WRITE_REQUEST = 2, 3, 14, 15, 16
RELEASE, FSYNC, FLUSH_REQUEST, INIT, INTERRUPT, DESTROY, BATCH_FORGET = 18, 20, 25, 26, 36, 38, 42
UNANSWERED: Final = frozenset({LOOKUP_FORGET, INTERRUPT, BATCH_FORGET})

IN_HEADER: Final = struct.Struct("<IIQQIIIHH")
OUT_HEADER: Final = struct.Struct("<IiQ")
INIT_IN: Final = struct.Struct("<IIII")
INIT_OUT: Final = struct.Struct("<IIIIHHIIHHII24x")
ATTR_OUT: Final = struct.Struct("<QIIQQQQQQIIIIIIIIII")
OPEN_OUT: Final = struct.Struct("<QII")
READ_IN: Final = struct.Struct("<QQII")
WRITE_IN: Final = struct.Struct("<QQIIQII")

MAX_WRITE: Final = 1 << 20
PAGE: Final = 4096
BIG_WRITES, MAX_PAGES, DIRECT_IO = 1 << 5, 1 << 22, 1
"""FUSE_BIG_WRITES and FUSE_MAX_PAGES of INIT, FOPEN_DIRECT_IO of OPEN: no page cache answers for this disk."""
PR_SET_IO_FLUSHER: Final = 57
"""prctl(2): memory for this process is never made free by writing to the device that it is."""
ROOT: Final = 1

_libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """Answers the requests of the kernel."""

    def __init__(self, fuse: int, image: int, log: int) -> None:
        self._fuse = fuse
        self._image = image
        self._log = log
        self._size = os.fstat(image).st_size
        self._containing = b""
        self._skip = self._times = 0
        self._carried_out = False
        self._refused = self._written = 0
        self._answers: dict[int, Callable[[bytes], bytes]] = {
            GETATTR: self._getattr,
            OPEN: lambda _: OPEN_OUT.pack(0, DIRECT_IO, 0),
            READ: self._read,
            WRITE_REQUEST: self._write,
            FSYNC: self._flush,
            INIT: self._init,
            RELEASE: lambda _: b"",
            FLUSH_REQUEST: lambda _: b"",
            DESTROY: lambda _: b"",
        }

    def serve(self) -> bool:
        """Answer one request; return False when the file was unmounted."""
        try:
            request = os.read(self._fuse, MAX_WRITE + PAGE)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise
        _, opcode, unique, *_ = IN_HEADER.unpack_from(request)
        if opcode in UNANSWERED:
            return True
        number, body = 0, b""
        try:
            body = self._answers.get(opcode, _unknown)(request[IN_HEADER.size :])
        except OSError as error:
            number = error.errno or errno.EIO
        os.writev(self._fuse, [OUT_HEADER.pack(OUT_HEADER.size + len(body), -number, unique), body])
        return True

    def command(self, line: str) -> str:
        """Take a command: refuse what is written, or say how much was."""
        fields = json.loads(line)
        if fields:
            self._containing = bytes.fromhex(fields["containing"])
            self._skip, self._times, self._refused = fields["skip"], fields["times"], 0
            self._carried_out = fields["carried_out"]
        return json.dumps({"written": self._written, "refused": self._refused})

    def _init(self, body: bytes) -> bytes:
        major, minor, read_ahead, flags = INIT_IN.unpack_from(body)
        flags &= BIG_WRITES | MAX_PAGES
        pages = MAX_WRITE // PAGE
        return INIT_OUT.pack(major, min(minor, 31), read_ahead, flags, 64, 48, MAX_WRITE, 1, pages, 0, 0, 0)

    def _getattr(self, _: bytes) -> bytes:
        mode = stat.S_IFREG | 0o600
        attributes = (ROOT, self._size, self._size // 512, *(0,) * 6, mode, 1, 0, 0, 0, PAGE, 0)
        return ATTR_OUT.pack(1, 0, 0, *attributes)

    def _read(self, body: bytes) -> bytes:
        _, offset, size, _ = READ_IN.unpack_from(body)
        return os.pread(self._image, size, offset)

    def _write(self, body: bytes) -> bytes:
        _, offset, size, *_ = WRITE_IN.unpack_from(body)
        data = body[WRITE_IN.size : WRITE_IN.size + size]
        self._written += 1
        refused = self._is_refused(data)
        if not refused or self._carried_out:
            os.pwrite(self._image, data, offset)
            os.write(self._log, encode(WRITE, offset, data))
        if refused:
            self._refused += 1
            os.write(self._log, encode(REFUSED, offset, b""))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return struct.pack("<II", size, 0)

    def _is_refused(self, data: bytes) -> bool:
        if not self._times or self._containing not in data:
            return False
        if self._skip:
            self._skip -= 1
            return False
        self._times -= 1
        return True

    def _flush(self, _: bytes) -> bytes:
        os.write(self._log, encode(FLUSH, 0, b""))
        return b""


def _unknown(_: bytes) -> bytes:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def mount(fuse: int, path: str) -> None:
    """Show the disk at a path, which is a regular file.

    Raises:
        OSError: As mount(2).
    """
    options = f"fd={fuse},rootmode={stat.S_IFREG | 0o600:o},user_id=0,group_id=0,max_read={MAX_WRITE}"
    if _libc.mount(b"disk", os.fsencode(path), b"fuse", 0, options.encode()) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)


def main(image: str, log: str, path: str) -> None:
    """Serve until the file is unmounted."""
    # Refused without CAP_SYS_RESOURCE; then only a machine that runs out of memory can make it wait for itself.
    _libc.prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0)
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    disk = Disk(fuse, os.open(image, os.O_RDWR), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    mount(fuse, path)
    print("mounted", flush=True)
    poll = select.poll()
    poll.register(fuse, select.POLLIN)
    poll.register(sys.stdin.fileno(), select.POLLIN)
    commands = True
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if commands and sys.stdin.fileno() in ready:
            line = sys.stdin.readline()
            if line:
                print(disk.command(line), flush=True)
            else:
                poll.unregister(sys.stdin.fileno())
                commands = False
        if fuse in ready and not disk.serve():
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
