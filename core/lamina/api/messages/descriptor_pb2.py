"""Generated from containerd/types/descriptor.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n!containerd/types/descriptor.proto\x12\x10containerd.types"\xe8\x01\n\nDescri'
    b'ptor\x12\x1d\n\nmedia_type\x18\x01 \x01(\tR\tmediaType\x12\x16\n\x06digest\x18\x02 \x01(\tR\x06digest\x12\x12\n\x04s'
    b'ize\x18\x03 \x01(\x03R\x04size\x12O\n\x0bannotations\x18\x05 \x03(\x0b2-.containerd.types.Descript'
    b'or.AnnotationsEntryR\x0bannotations\x1a>\n\x10AnnotationsEntry\x12\x10\n\x03key\x18\x01 \x01('
    b'\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01b\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
