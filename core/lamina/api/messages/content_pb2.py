"""Generated from containerd/services/content/v1/content.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import empty_pb2, field_mask_pb2, timestamp_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n,containerd/services/content/v1/content.proto\x12\x1econtainerd.servi'
    b'ces.content.v1\x1a\x1bgoogle/protobuf/empty.proto\x1a google/protobuf/fie'
    b'ld_mask.proto\x1a\x1fgoogle/protobuf/timestamp.proto"\xad\x02\n\x04Info\x12\x16\n\x06diges'
    b't\x18\x01 \x01(\tR\x06digest\x12\x12\n\x04size\x18\x02 \x01(\x03R\x04size\x129\n\ncreated_at\x18\x03 \x01(\x0b2\x1a.google'
    b'.protobuf.TimestampR\tcreatedAt\x129\n\nupdated_at\x18\x04 \x01(\x0b2\x1a.google.prot'
    b'obuf.TimestampR\tupdatedAt\x12H\n\x06labels\x18\x05 \x03(\x0b20.containerd.services.'
    b'content.v1.Info.LabelsEntryR\x06labels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR'
    b'\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01"%\n\x0bInfoRequest\x12\x16\n\x06digest\x18\x01 \x01(\tR\x06d'
    b'igest"H\n\x0cInfoResponse\x128\n\x04info\x18\x01 \x01(\x0b2$.containerd.services.conten'
    b't.v1.InfoR\x04info"\x86\x01\n\rUpdateRequest\x128\n\x04info\x18\x01 \x01(\x0b2$.containerd.ser'
    b'vices.content.v1.InfoR\x04info\x12;\n\x0bupdate_mask\x18\x02 \x01(\x0b2\x1a.google.protob'
    b'uf.FieldMaskR\nupdateMask"J\n\x0eUpdateResponse\x128\n\x04info\x18\x01 \x01(\x0b2$.conta'
    b'inerd.services.content.v1.InfoR\x04info".\n\x12ListContentRequest\x12\x18\n\x07fi'
    b'lters\x18\x01 \x03(\tR\x07filters"O\n\x13ListContentResponse\x128\n\x04info\x18\x01 \x03(\x0b2$.cont'
    b'ainerd.services.content.v1.InfoR\x04info".\n\x14DeleteContentRequest\x12\x16\n'
    b'\x06digest\x18\x01 \x01(\tR\x06digest"X\n\x12ReadContentRequest\x12\x16\n\x06digest\x18\x01 \x01(\tR\x06dig'
    b'est\x12\x16\n\x06offset\x18\x02 \x01(\x03R\x06offset\x12\x12\n\x04size\x18\x03 \x01(\x03R\x04size"A\n\x13ReadContentRe'
    b'sponse\x12\x16\n\x06offset\x18\x01 \x01(\x03R\x06offset\x12\x12\n\x04data\x18\x02 \x01(\x0cR\x04data"\xda\x01\n\x06Status\x129\n'
    b'\nstarted_at\x18\x01 \x01(\x0b2\x1a.google.protobuf.TimestampR\tstartedAt\x129\n\nupda'
    b'ted_at\x18\x02 \x01(\x0b2\x1a.google.protobuf.TimestampR\tupdatedAt\x12\x10\n\x03ref\x18\x03 \x01(\t'
    b'R\x03ref\x12\x16\n\x06offset\x18\x04 \x01(\x03R\x06offset\x12\x14\n\x05total\x18\x05 \x01(\x03R\x05total\x12\x1a\n\x08expected\x18'
    b'\x06 \x01(\tR\x08expected"!\n\rStatusRequest\x12\x10\n\x03ref\x18\x01 \x01(\tR\x03ref"P\n\x0eStatusResp'
    b'onse\x12>\n\x06status\x18\x01 \x01(\x0b2&.containerd.services.content.v1.StatusR\x06st'
    b'atus"/\n\x13ListStatusesRequest\x12\x18\n\x07filters\x18\x01 \x03(\tR\x07filters"Z\n\x14ListSta'
    b'tusesResponse\x12B\n\x08statuses\x18\x01 \x03(\x0b2&.containerd.services.content.v1'
    b'.StatusR\x08statuses" \n\x0cAbortRequest\x12\x10\n\x03ref\x18\x01 \x01(\tR\x03ref2\xc6\x06\n\x07Content\x12'
    b'a\n\x04Info\x12+.containerd.services.content.v1.InfoRequest\x1a,.container'
    b'd.services.content.v1.InfoResponse\x12g\n\x06Update\x12-.containerd.servic'
    b'es.content.v1.UpdateRequest\x1a..containerd.services.content.v1.Upd'
    b'ateResponse\x12q\n\x04List\x122.containerd.services.content.v1.ListContent'
    b'Request\x1a3.containerd.services.content.v1.ListContentResponse0\x01\x12V'
    b'\n\x06Delete\x124.containerd.services.content.v1.DeleteContentRequest\x1a\x16'
    b'.google.protobuf.Empty\x12q\n\x04Read\x122.containerd.services.content.v1.'
    b'ReadContentRequest\x1a3.containerd.services.content.v1.ReadContentR'
    b'esponse0\x01\x12g\n\x06Status\x12-.containerd.services.content.v1.StatusReque'
    b'st\x1a..containerd.services.content.v1.StatusResponse\x12y\n\x0cListStatus'
    b'es\x123.containerd.services.content.v1.ListStatusesRequest\x1a4.contai'
    b'nerd.services.content.v1.ListStatusesResponse\x12M\n\x05Abort\x12,.contain'
    b'erd.services.content.v1.AbortRequest\x1a\x16.google.protobuf.Emptyb\x06pr'
    b'oto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
