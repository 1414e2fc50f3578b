"""Generated from google/protobuf/empty.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x1bgoogle/protobuf/empty.proto\x12\x0fgoogle.protobuf"\x07\n\x05EmptyB}\n\x13com.g'
    b'oogle.protobufB\nEmptyProtoP\x01Z.google.golang.org/protobuf/types/k'
    b'nown/emptypb\xf8\x01\x01\xa2\x02\x03GPB\xaa\x02\x1eGoogle.Protobuf.WellKnownTypesb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
