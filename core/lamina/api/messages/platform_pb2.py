"""Generated from containerd/types/platform.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n\x1fcontainerd/types/platform.proto\x12\x10containerd.types"\x98\x01\n\x08Platform'
    b'\x12\x0e\n\x02os\x18\x01 \x01(\tR\x02os\x12"\n\x0carchitecture\x18\x02 \x01(\tR\x0carchitecture\x12\x18\n\x07variant\x18'
    b'\x03 \x01(\tR\x07variant\x12\x1d\n\nos_version\x18\x04 \x01(\tR\tosVersion\x12\x1f\n\x0bos_features\x18\x05 \x03'
    b'(\tR\nosFeaturesb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
