"""Generated from google/protobuf/timestamp.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x1fgoogle/protobuf/timestamp.proto\x12\x0fgoogle.protobuf";\n\tTimestamp\x12'
    b'\x18\n\x07seconds\x18\x01 \x01(\x03R\x07seconds\x12\x14\n\x05nanos\x18\x02 \x01(\x05R\x05nanosB\x85\x01\n\x13com.google.p'
    b'rotobufB\x0eTimestampProtoP\x01Z2google.golang.org/protobuf/types/know'
    b'n/timestamppb\xf8\x01\x01\xa2\x02\x03GPB\xaa\x02\x1eGoogle.Protobuf.WellKnownTypesb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
