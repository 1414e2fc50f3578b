"""Generated from containerd/types/mount.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x1ccontainerd/types/mount.proto\x12\x10containerd.types"e\n\x05Mount\x12\x12\n\x04typ'
    b'e\x18\x01 \x01(\tR\x04type\x12\x16\n\x06source\x18\x02 \x01(\tR\x06source\x12\x16\n\x06target\x18\x03 \x01(\tR\x06target\x12\x18\n'
    b'\x07options\x18\x04 \x03(\tR\x07optionsb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
