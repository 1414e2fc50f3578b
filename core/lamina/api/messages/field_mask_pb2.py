"""Generated from google/protobuf/field_mask.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n google/protobuf/field_mask.proto\x12\x0fgoogle.protobuf"!\n\tFieldMask'
    b'\x12\x14\n\x05paths\x18\x01 \x03(\tR\x05pathsB\x85\x01\n\x13com.google.protobufB\x0eFieldMaskProtoP\x01'
    b'Z2google.golang.org/protobuf/types/known/fieldmaskpb\xf8\x01\x01\xa2\x02\x03GPB\xaa\x02\x1e'
    b'Google.Protobuf.WellKnownTypesb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
