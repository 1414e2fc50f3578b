"""Generated from google/rpc/error_details.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x1egoogle/rpc/error_details.proto\x12\ngoogle.rpc"\xb9\x01\n\tErrorInfo\x12\x16\n\x06re'
    b'ason\x18\x01 \x01(\tR\x06reason\x12\x16\n\x06domain\x18\x02 \x01(\tR\x06domain\x12?\n\x08metadata\x18\x03 \x03(\x0b2#.g'
    b'oogle.rpc.ErrorInfo.MetadataEntryR\x08metadata\x1a;\n\rMetadataEntry\x12\x10\n\x03'
    b'key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01b\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
