"""Generated from containerd/services/snapshots/v1/snapshots.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import empty_pb2, field_mask_pb2, mount_pb2, timestamp_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n0containerd/services/snapshots/v1/snapshots.proto\x12 containerd.s'
    b'ervices.snapshots.v1\x1a\x1ccontainerd/types/mount.proto\x1a\x1bgoogle/proto'
    b'buf/empty.proto\x1a google/protobuf/field_mask.proto\x1a\x1fgoogle/protob'
    b'uf/timestamp.proto"\xeb\x02\n\x04Info\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x16\n\x06parent\x18\x02 \x01(\tR'
    b'\x06parent\x12:\n\x04kind\x18\x03 \x01(\x0e2&.containerd.services.snapshots.v1.KindR\x04k'
    b'ind\x129\n\ncreated_at\x18\x04 \x01(\x0b2\x1a.google.protobuf.TimestampR\tcreatedAt\x129'
    b'\n\nupdated_at\x18\x05 \x01(\x0b2\x1a.google.protobuf.TimestampR\tupdatedAt\x12J\n\x06lab'
    b'els\x18\x06 \x03(\x0b22.containerd.services.snapshots.v1.Info.LabelsEntryR\x06l'
    b'abels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01'
    b'"\xfd\x01\n\x16PrepareSnapshotRequest\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnapshotter\x12\x10\n'
    b'\x03key\x18\x02 \x01(\tR\x03key\x12\x16\n\x06parent\x18\x03 \x01(\tR\x06parent\x12\\\n\x06labels\x18\x04 \x03(\x0b2D.contai'
    b'nerd.services.snapshots.v1.PrepareSnapshotRequest.LabelsEntryR\x06l'
    b'abels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01'
    b'"J\n\x17PrepareSnapshotResponse\x12/\n\x06mounts\x18\x01 \x03(\x0b2\x17.containerd.types.M'
    b'ountR\x06mounts"\xf7\x01\n\x13ViewSnapshotRequest\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnaps'
    b'hotter\x12\x10\n\x03key\x18\x02 \x01(\tR\x03key\x12\x16\n\x06parent\x18\x03 \x01(\tR\x06parent\x12Y\n\x06labels\x18\x04 \x03(\x0b'
    b'2A.containerd.services.snapshots.v1.ViewSnapshotRequest.LabelsEn'
    b'tryR\x06labels\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05val'
    b'ue:\x028\x01"G\n\x14ViewSnapshotResponse\x12/\n\x06mounts\x18\x01 \x03(\x0b2\x17.containerd.type'
    b's.MountR\x06mounts"C\n\rMountsRequest\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnapshott'
    b'er\x12\x10\n\x03key\x18\x02 \x01(\tR\x03key"A\n\x0eMountsResponse\x12/\n\x06mounts\x18\x01 \x03(\x0b2\x17.contain'
    b'erd.types.MountR\x06mounts"\x8f\x02\n\x15CommitSnapshotRequest\x12 \n\x0bsnapshotter'
    b'\x18\x01 \x01(\tR\x0bsnapshotter\x12\x12\n\x04name\x18\x02 \x01(\tR\x04name\x12\x10\n\x03key\x18\x03 \x01(\tR\x03key\x12[\n\x06lab'
    b'els\x18\x04 \x03(\x0b2C.containerd.services.snapshots.v1.CommitSnapshotReque'
    b'st.LabelsEntryR\x06labels\x12\x16\n\x06parent\x18\x05 \x01(\tR\x06parent\x1a9\n\x0bLabelsEntry\x12\x10\n'
    b'\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01"K\n\x15RemoveSnapshotReque'
    b'st\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnapshotter\x12\x10\n\x03key\x18\x02 \x01(\tR\x03key"I\n\x13StatSn'
    b'apshotRequest\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnapshotter\x12\x10\n\x03key\x18\x02 \x01(\tR\x03ke'
    b'y"R\n\x14StatSnapshotResponse\x12:\n\x04info\x18\x01 \x01(\x0b2&.containerd.services.sn'
    b'apshots.v1.InfoR\x04info"\xb2\x01\n\x15UpdateSnapshotRequest\x12 \n\x0bsnapshotter\x18\x01'
    b' \x01(\tR\x0bsnapshotter\x12:\n\x04info\x18\x02 \x01(\x0b2&.containerd.services.snapshots.'
    b'v1.InfoR\x04info\x12;\n\x0bupdate_mask\x18\x03 \x01(\x0b2\x1a.google.protobuf.FieldMaskR\n'
    b'updateMask"T\n\x16UpdateSnapshotResponse\x12:\n\x04info\x18\x01 \x01(\x0b2&.containerd.'
    b'services.snapshots.v1.InfoR\x04info"R\n\x14ListSnapshotsRequest\x12 \n\x0bsnap'
    b'shotter\x18\x01 \x01(\tR\x0bsnapshotter\x12\x18\n\x07filters\x18\x02 \x03(\tR\x07filters"S\n\x15ListSnap'
    b'shotsResponse\x12:\n\x04info\x18\x01 \x03(\x0b2&.containerd.services.snapshots.v1.I'
    b'nfoR\x04info"B\n\x0cUsageRequest\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnapshotter\x12\x10\n\x03k'
    b'ey\x18\x02 \x01(\tR\x03key";\n\rUsageResponse\x12\x12\n\x04size\x18\x01 \x01(\x03R\x04size\x12\x16\n\x06inodes\x18\x02 \x01'
    b'(\x03R\x06inodes"2\n\x0eCleanupRequest\x12 \n\x0bsnapshotter\x18\x01 \x01(\tR\x0bsnapshotter*8'
    b'\n\x04Kind\x12\x0b\n\x07UNKNOWN\x10\x00\x12\x08\n\x04VIEW\x10\x01\x12\n\n\x06ACTIVE\x10\x02\x12\r\n\tCOMMITTED\x10\x032\xd3\x08\n\tSna'
    b'pshots\x12~\n\x07Prepare\x128.containerd.services.snapshots.v1.PrepareSnap'
    b'shotRequest\x1a9.containerd.services.snapshots.v1.PrepareSnapshotRe'
    b'sponse\x12u\n\x04View\x125.containerd.services.snapshots.v1.ViewSnapshotRe'
    b'quest\x1a6.containerd.services.snapshots.v1.ViewSnapshotResponse\x12k\n'
    b'\x06Mounts\x12/.containerd.services.snapshots.v1.MountsRequest\x1a0.conta'
    b'inerd.services.snapshots.v1.MountsResponse\x12Y\n\x06Commit\x127.container'
    b'd.services.snapshots.v1.CommitSnapshotRequest\x1a\x16.google.protobuf.'
    b'Empty\x12Y\n\x06Remove\x127.containerd.services.snapshots.v1.RemoveSnapsho'
    b'tRequest\x1a\x16.google.protobuf.Empty\x12u\n\x04Stat\x125.containerd.services.s'
    b'napshots.v1.StatSnapshotRequest\x1a6.containerd.services.snapshots.'
    b'v1.StatSnapshotResponse\x12{\n\x06Update\x127.containerd.services.snapshot'
    b's.v1.UpdateSnapshotRequest\x1a8.containerd.services.snapshots.v1.Up'
    b'dateSnapshotResponse\x12y\n\x04List\x126.containerd.services.snapshots.v1.'
    b'ListSnapshotsRequest\x1a7.containerd.services.snapshots.v1.ListSnap'
    b'shotsResponse0\x01\x12h\n\x05Usage\x12..containerd.services.snapshots.v1.Usag'
    b'eRequest\x1a/.containerd.services.snapshots.v1.UsageResponse\x12S\n\x07Cle'
    b'anup\x120.containerd.services.snapshots.v1.CleanupRequest\x1a\x16.google.'
    b'protobuf.Emptyb\x06proto3'
)

Kind = enum(DESCRIPTOR, "Kind")
UNKNOWN = 0
VIEW = 1
ACTIVE = 2
COMMITTED = 3
__getattr__ = messages(DESCRIPTOR, globals())
