"""Generated from lamina/services/metastore/v1/metastore.proto by `python -m lamina.api.generate`."""

from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n,lamina/services/metastore/v1/metastore.proto\x12\x1clamina.services.'
    b'metastore.v1"\r\n\x0bCopyRequest""\n\x0cCopyResponse\x12\x12\n\x04data\x18\x01 \x01(\x0cR\x04data2'
    b'l\n\tMetastore\x12_\n\x04Copy\x12).lamina.services.metastore.v1.CopyRequest\x1a'
    b'*.lamina.services.metastore.v1.CopyResponse0\x01b\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
