"""Generated from containerd/services/images/v1/images.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import descriptor_pb2, empty_pb2, field_mask_pb2, timestamp_pb2
from lamina.api.messages._pool import add_file, enum, messages

DESCRIPTOR = add_file(
    b'\n*containerd/services/images/v1/images.proto\x12\x1dcontainerd.service'
    b's.images.v1\x1a!containerd/types/descriptor.proto\x1a\x1bgoogle/protobuf/'
    b'empty.proto\x1a google/protobuf/field_mask.proto\x1a\x1fgoogle/protobuf/t'
    b'imestamp.proto"\xcc\x02\n\x05Image\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12H\n\x06labels\x18\x02 \x03(\x0b20.c'
    b'ontainerd.services.images.v1.Image.LabelsEntryR\x06labels\x124\n\x06target'
    b'\x18\x03 \x01(\x0b2\x1c.containerd.types.DescriptorR\x06target\x129\n\ncreated_at\x18\x07 \x01(\x0b'
    b'2\x1a.google.protobuf.TimestampR\tcreatedAt\x129\n\nupdated_at\x18\x08 \x01(\x0b2\x1a.go'
    b'ogle.protobuf.TimestampR\tupdatedAt\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03'
    b'key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01"%\n\x0fGetImageRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04'
    b'name"N\n\x10GetImageResponse\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd.services.im'
    b'ages.v1.ImageR\x05image"-\n\x11ListImagesRequest\x12\x18\n\x07filters\x18\x01 \x03(\tR\x07filt'
    b'ers"R\n\x12ListImagesResponse\x12<\n\x06images\x18\x01 \x03(\x0b2$.containerd.services.'
    b'images.v1.ImageR\x06images"P\n\x12CreateImageRequest\x12:\n\x05image\x18\x01 \x01(\x0b2$.c'
    b'ontainerd.services.images.v1.ImageR\x05image"Q\n\x13CreateImageResponse'
    b'\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd.services.images.v1.ImageR\x05image"\x8d\x01\n'
    b'\x12UpdateImageRequest\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd.services.images.'
    b'v1.ImageR\x05image\x12;\n\x0bupdate_mask\x18\x02 \x01(\x0b2\x1a.google.protobuf.FieldMask'
    b'R\nupdateMask"Q\n\x13UpdateImageResponse\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd.'
    b'services.images.v1.ImageR\x05image"<\n\x12DeleteImageRequest\x12\x12\n\x04name\x18\x01 '
    b'\x01(\tR\x04name\x12\x12\n\x04sync\x18\x02 \x01(\x08R\x04sync2\x94\x04\n\x06Images\x12f\n\x03Get\x12..containerd.ser'
    b'vices.images.v1.GetImageRequest\x1a/.containerd.services.images.v1.'
    b'GetImageResponse\x12k\n\x04List\x120.containerd.services.images.v1.ListIma'
    b'gesRequest\x1a1.containerd.services.images.v1.ListImagesResponse\x12o\n'
    b'\x06Create\x121.containerd.services.images.v1.CreateImageRequest\x1a2.con'
    b'tainerd.services.images.v1.CreateImageResponse\x12o\n\x06Update\x121.conta'
    b'inerd.services.images.v1.UpdateImageRequest\x1a2.containerd.service'
    b's.images.v1.UpdateImageResponse\x12S\n\x06Delete\x121.containerd.services.'
    b'images.v1.DeleteImageRequest\x1a\x16.google.protobuf.Emptyb\x06proto3'
)

__getattr__ = messages(DESCRIPTOR, globals())
