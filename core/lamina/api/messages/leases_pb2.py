"""Generated from containerd/services/leases/v1/leases.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import empty_pb2, timestamp_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n*containerd/services/leases/v1/leases.proto\x12\x1dcontainerd.service'
    b's.leases.v1\x1a\x1bgoogle/protobuf/empty.proto\x1a\x1fgoogle/protobuf/timest'
    b'amp.proto"\xd7\x01\n\x05Lease\x12\x0e\n\x02id\x18\x01 \x01(\tR\x02id\x129\n\ncreated_at\x18\x02 \x01(\x0b2\x1a.google'
    b'.protobuf.TimestampR\tcreatedAt\x12H\n\x06labels\x18\x03 \x03(\x0b20.containerd.serv'
    b'ices.leases.v1.Lease.LabelsEntryR\x06labels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01'
    b' \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01"\xac\x01\n\rCreateRequest\x12\x0e\n\x02id\x18\x01 \x01('
    b'\tR\x02id\x12P\n\x06labels\x18\x03 \x03(\x0b28.containerd.services.leases.v1.CreateRequ'
    b'est.LabelsEntryR\x06labels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05valu'
    b'e\x18\x02 \x01(\tR\x05value:\x028\x01"L\n\x0eCreateResponse\x12:\n\x05lease\x18\x01 \x01(\x0b2$.containerd'
    b'.services.leases.v1.LeaseR\x05lease"3\n\rDeleteRequest\x12\x0e\n\x02id\x18\x01 \x01(\tR\x02i'
    b'd\x12\x12\n\x04sync\x18\x02 \x01(\x08R\x04sync"\'\n\x0bListRequest\x12\x18\n\x07filters\x18\x01 \x03(\tR\x07filters"L'
    b'\n\x0cListResponse\x12<\n\x06leases\x18\x01 \x03(\x0b2$.containerd.services.leases.v1.L'
    b'easeR\x06leases".\n\x08Resource\x12\x0e\n\x02id\x18\x01 \x01(\tR\x02id\x12\x12\n\x04type\x18\x02 \x01(\tR\x04type"i\n\x12'
    b"AddResourceRequest\x12\x0e\n\x02id\x18\x01 \x01(\tR\x02id\x12C\n\x08resource\x18\x02 \x01(\x0b2'.container"
    b'd.services.leases.v1.ResourceR\x08resource"l\n\x15DeleteResourceRequest'
    b"\x12\x0e\n\x02id\x18\x01 \x01(\tR\x02id\x12C\n\x08resource\x18\x02 \x01(\x0b2'.containerd.services.leases."
    b'v1.ResourceR\x08resource"&\n\x14ListResourcesRequest\x12\x0e\n\x02id\x18\x01 \x01(\tR\x02id"^\n'
    b"\x15ListResourcesResponse\x12E\n\tresources\x18\x01 \x03(\x0b2'.containerd.services."
    b'leases.v1.ResourceR\tresources2\xd6\x04\n\x06Leases\x12e\n\x06Create\x12,.containerd.'
    b'services.leases.v1.CreateRequest\x1a-.containerd.services.leases.v1'
    b'.CreateResponse\x12N\n\x06Delete\x12,.containerd.services.leases.v1.Delete'
    b'Request\x1a\x16.google.protobuf.Empty\x12_\n\x04List\x12*.containerd.services.le'
    b'ases.v1.ListRequest\x1a+.containerd.services.leases.v1.ListResponse'
    b'\x12X\n\x0bAddResource\x121.containerd.services.leases.v1.AddResourceReque'
    b'st\x1a\x16.google.protobuf.Empty\x12^\n\x0eDeleteResource\x124.containerd.servic'
    b'es.leases.v1.DeleteResourceRequest\x1a\x16.google.protobuf.Empty\x12z\n\rLi'
    b'stResources\x123.containerd.services.leases.v1.ListResourcesRequest'
    b'\x1a4.containerd.services.leases.v1.ListResourcesResponseb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
