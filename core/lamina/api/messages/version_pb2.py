"""Generated from containerd/services/version/v1/version.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import empty_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n,containerd/services/version/v1/version.proto\x12\x1econtainerd.servi'
    b'ces.version.v1\x1a\x1bgoogle/protobuf/empty.proto"G\n\x0fVersionResponse\x12\x18'
    b'\n\x07version\x18\x01 \x01(\tR\x07version\x12\x1a\n\x08revision\x18\x02 \x01(\tR\x08revision2]\n\x07Version\x12'
    b'R\n\x07Version\x12\x16.google.protobuf.Empty\x1a/.containerd.services.version'
    b'.v1.VersionResponseb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
