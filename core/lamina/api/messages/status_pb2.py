"""Generated from google/rpc/status.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import any_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x17google/rpc/status.proto\x12\ngoogle.rpc\x1a\x19google/protobuf/any.proto'
    b'"f\n\x06Status\x12\x12\n\x04code\x18\x01 \x01(\x05R\x04code\x12\x18\n\x07message\x18\x02 \x01(\tR\x07message\x12.\n\x07deta'
    b'ils\x18\x03 \x03(\x0b2\x14.google.protobuf.AnyR\x07detailsb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
