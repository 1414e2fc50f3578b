"""Generated from containerd/services/namespaces/v1/namespaces.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import empty_pb2, field_mask_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n2containerd/services/namespaces/v1/namespaces.proto\x12!containerd'
    b'.services.namespaces.v1\x1a\x1bgoogle/protobuf/empty.proto\x1a google/pro'
    b'tobuf/field_mask.proto"\xac\x01\n\tNamespace\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12P\n\x06labe'
    b'ls\x18\x02 \x03(\x0b28.containerd.services.namespaces.v1.Namespace.LabelsEnt'
    b'ryR\x06labels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05valu'
    b'e:\x028\x01")\n\x13GetNamespaceRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name"b\n\x14GetNamespace'
    b'Response\x12J\n\tnamespace\x18\x01 \x01(\x0b2,.containerd.services.namespaces.v1.'
    b'NamespaceR\tnamespace"/\n\x15ListNamespacesRequest\x12\x16\n\x06filter\x18\x01 \x01(\tR\x06f'
    b'ilter"f\n\x16ListNamespacesResponse\x12L\n\nnamespaces\x18\x01 \x03(\x0b2,.containerd'
    b'.services.namespaces.v1.NamespaceR\nnamespaces"d\n\x16CreateNamespace'
    b'Request\x12J\n\tnamespace\x18\x01 \x01(\x0b2,.containerd.services.namespaces.v1.N'
    b'amespaceR\tnamespace"e\n\x17CreateNamespaceResponse\x12J\n\tnamespace\x18\x01 \x01('
    b'\x0b2,.containerd.services.namespaces.v1.NamespaceR\tnamespace"\xa1\x01\n\x16U'
    b'pdateNamespaceRequest\x12J\n\tnamespace\x18\x01 \x01(\x0b2,.containerd.services.n'
    b'amespaces.v1.NamespaceR\tnamespace\x12;\n\x0bupdate_mask\x18\x02 \x01(\x0b2\x1a.google.'
    b'protobuf.FieldMaskR\nupdateMask"e\n\x17UpdateNamespaceResponse\x12J\n\tnam'
    b'espace\x18\x01 \x01(\x0b2,.containerd.services.namespaces.v1.NamespaceR\tname'
    b'space",\n\x16DeleteNamespaceRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name2\xe0\x04\n\nNamespac'
    b'es\x12v\n\x03Get\x126.containerd.services.namespaces.v1.GetNamespaceReques'
    b't\x1a7.containerd.services.namespaces.v1.GetNamespaceResponse\x12{\n\x04Li'
    b'st\x128.containerd.services.namespaces.v1.ListNamespacesRequest\x1a9.c'
    b'ontainerd.services.namespaces.v1.ListNamespacesResponse\x12\x7f\n\x06Creat'
    b'e\x129.containerd.services.namespaces.v1.CreateNamespaceRequest\x1a:.c'
    b'ontainerd.services.namespaces.v1.CreateNamespaceResponse\x12\x7f\n\x06Upda'
    b'te\x129.containerd.services.namespaces.v1.UpdateNamespaceRequest\x1a:.'
    b'containerd.services.namespaces.v1.UpdateNamespaceResponse\x12[\n\x06Del'
    b'ete\x129.containerd.services.namespaces.v1.DeleteNamespaceRequest\x1a\x16'
    b'.google.protobuf.Emptyb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
