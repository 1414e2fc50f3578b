"""Generated from containerd/services/introspection/v1/introspection.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import any_pb2, empty_pb2, platform_pb2, status_pb2, timestamp_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n8containerd/services/introspection/v1/introspection.proto\x12$cont'
    b'ainerd.services.introspection.v1\x1a\x1fcontainerd/types/platform.prot'
    b'o\x1a\x19google/protobuf/any.proto\x1a\x1bgoogle/protobuf/empty.proto\x1a\x1fgoogl'
    b'e/protobuf/timestamp.proto\x1a\x17google/rpc/status.proto"\xe6\x02\n\x06Plugin\x12\x12'
    b'\n\x04type\x18\x01 \x01(\tR\x04type\x12\x0e\n\x02id\x18\x02 \x01(\tR\x02id\x12\x1a\n\x08requires\x18\x03 \x03(\tR\x08requires\x128'
    b'\n\tplatforms\x18\x04 \x03(\x0b2\x1a.containerd.types.PlatformR\tplatforms\x12S\n\x07expo'
    b'rts\x18\x05 \x03(\x0b29.containerd.services.introspection.v1.Plugin.ExportsE'
    b'ntryR\x07exports\x12"\n\x0ccapabilities\x18\x06 \x03(\tR\x0ccapabilities\x12-\n\x08init_err\x18\x07 '
    b'\x01(\x0b2\x12.google.rpc.StatusR\x07initErr\x1a:\n\x0cExportsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03k'
    b'ey\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01"*\n\x0ePluginsRequest\x12\x18\n\x07filters\x18\x01 \x03(\tR'
    b'\x07filters"Y\n\x0fPluginsResponse\x12F\n\x07plugins\x18\x01 \x03(\x0b2,.containerd.servic'
    b'es.introspection.v1.PluginR\x07plugins"\x83\x01\n\x12DeprecationWarning\x12\x0e\n\x02id'
    b'\x18\x01 \x01(\tR\x02id\x12\x18\n\x07message\x18\x02 \x01(\tR\x07message\x12C\n\x0flast_occurrence\x18\x03 \x01(\x0b2\x1a.'
    b'google.protobuf.TimestampR\x0elastOccurrence"\xaa\x01\n\x0eServerResponse\x12\x12\n\x04'
    b'uuid\x18\x01 \x01(\tR\x04uuid\x12\x10\n\x03pid\x18\x02 \x01(\x04R\x03pid\x12\x14\n\x05pidns\x18\x03 \x01(\x04R\x05pidns\x12\\\n\x0cdepr'
    b'ecations\x18\x04 \x03(\x0b28.containerd.services.introspection.v1.Deprecatio'
    b'nWarningR\x0cdeprecations"g\n\x11PluginInfoRequest\x12\x12\n\x04type\x18\x01 \x01(\tR\x04type\x12'
    b'\x0e\n\x02id\x18\x02 \x01(\tR\x02id\x12.\n\x07options\x18\x03 \x01(\x0b2\x14.google.protobuf.AnyR\x07options"'
    b'\x86\x01\n\x12PluginInfoResponse\x12D\n\x06plugin\x18\x01 \x01(\x0b2,.containerd.services.int'
    b'rospection.v1.PluginR\x06plugin\x12*\n\x05extra\x18\x02 \x01(\x0b2\x14.google.protobuf.An'
    b'yR\x05extra2\xe0\x02\n\rIntrospection\x12v\n\x07Plugins\x124.containerd.services.intr'
    b'ospection.v1.PluginsRequest\x1a5.containerd.services.introspection.'
    b'v1.PluginsResponse\x12V\n\x06Server\x12\x16.google.protobuf.Empty\x1a4.container'
    b'd.services.introspection.v1.ServerResponse\x12\x7f\n\nPluginInfo\x127.conta'
    b'inerd.services.introspection.v1.PluginInfoRequest\x1a8.containerd.s'
    b'ervices.introspection.v1.PluginInfoResponseb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
