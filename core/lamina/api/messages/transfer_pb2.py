"""Generated from lamina/services/transfer/v1/transfer.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import descriptor_pb2, images_pb2
from lamina.api.messages._pool import add_file, enum, message

DESCRIPTOR = add_file(
    b'\n*lamina/services/transfer/v1/transfer.proto\x12\x1blamina.services.tr'
    b'ansfer.v1\x1a*containerd/services/images/v1/images.proto\x1a!container'
    b'd/types/descriptor.proto"`\n\x08Progress\x12\x16\n\x06digest\x18\x01 \x01(\tR\x06digest\x12\x12\n\x04'
    b'what\x18\x02 \x01(\tR\x04what\x12\x12\n\x04done\x18\x03 \x01(\x03R\x04done\x12\x14\n\x05total\x18\x04 \x01(\x03R\x05total"\xb9\x01\n\rI'
    b'mportRequest\x12\x12\n\x04path\x18\x01 \x01(\tR\x04path\x12\x14\n\x05names\x18\x02 \x03(\tR\x05names\x12\x1a\n\x08platfo'
    b'rm\x18\x03 \x01(\tR\x08platform\x12#\n\rall_platforms\x18\x04 \x01(\x08R\x0callPlatforms\x12\x1b\n\tno_un'
    b'pack\x18\x05 \x01(\x08R\x08noUnpack\x12 \n\x0bsnapshotter\x18\x06 \x01(\tR\x0bsnapshotter"\xd4\x01\n\x0eImpor'
    b'tResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.services.transfer.v1.Progre'
    b'ssR\x08progress\x12<\n\x06images\x18\x02 \x03(\x0b2$.containerd.services.images.v1.Ima'
    b'geR\x06images\x12A\n\x08unpacked\x18\x03 \x03(\x0b2%.lamina.services.transfer.v1.Unpac'
    b'kedR\x08unpacked"]\n\x08Unpacked\x12\x14\n\x05image\x18\x01 \x01(\tR\x05image\x12 \n\x0bsnapshotter\x18\x02'
    b' \x01(\tR\x0bsnapshotter\x12\x19\n\x08chain_id\x18\x03 \x01(\tR\x07chainId"a\n\rUnpackRequest\x12\x12\n'
    b'\x04name\x18\x01 \x01(\tR\x04name\x12\x1a\n\x08platform\x18\x02 \x01(\tR\x08platform\x12 \n\x0bsnapshotter\x18\x03 \x01'
    b'(\tR\x0bsnapshotter"\x96\x01\n\x0eUnpackResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.se'
    b'rvices.transfer.v1.ProgressR\x08progress\x12A\n\x08unpacked\x18\x02 \x01(\x0b2%.lamina'
    b'.services.transfer.v1.UnpackedR\x08unpacked"@\n\x0eResolveRequest\x12\x12\n\x04na'
    b'me\x18\x01 \x01(\tR\x04name\x12\x1a\n\x08platform\x18\x02 \x01(\tR\x08platform"\xc5\x02\n\x0fResolveResponse\x12:'
    b'\n\x05image\x18\x01 \x01(\x0b2$.containerd.services.images.v1.ImageR\x05image\x12\x1a\n\x08pl'
    b'atform\x18\x02 \x01(\tR\x08platform\x128\n\x08manifest\x18\x03 \x01(\x0b2\x1c.containerd.types.Desc'
    b'riptorR\x08manifest\x124\n\x06config\x18\x04 \x01(\x0b2\x1c.containerd.types.DescriptorR\x06'
    b'config\x124\n\x06layers\x18\x05 \x03(\x0b2\x1c.containerd.types.DescriptorR\x06layers\x12\x19\n\x08'
    b'diff_ids\x18\x06 \x03(\tR\x07diffIds\x12\x19\n\x08chain_id\x18\x07 \x01(\tR\x07chainId")\n\rVerifyRequ'
    b'est\x12\x18\n\x07digests\x18\x01 \x03(\tR\x07digests"V\n\x0eVerifyResponse\x12\x16\n\x06digest\x18\x01 \x01(\tR'
    b'\x06digest\x12\x12\n\x04size\x18\x02 \x01(\x03R\x04size\x12\x18\n\x07problem\x18\x03 \x01(\tR\x07problem2\x9f\x03\n\x08Transf'
    b'er\x12c\n\x06Import\x12*.lamina.services.transfer.v1.ImportRequest\x1a+.lamin'
    b'a.services.transfer.v1.ImportResponse0\x01\x12c\n\x06Unpack\x12*.lamina.servi'
    b'ces.transfer.v1.UnpackRequest\x1a+.lamina.services.transfer.v1.Unpa'
    b'ckResponse0\x01\x12d\n\x07Resolve\x12+.lamina.services.transfer.v1.ResolveReq'
    b'uest\x1a,.lamina.services.transfer.v1.ResolveResponse\x12c\n\x06Verify\x12*.l'
    b'amina.services.transfer.v1.VerifyRequest\x1a+.lamina.services.trans'
    b'fer.v1.VerifyResponse0\x01b\x06proto3'
)

Progress = message(DESCRIPTOR, "Progress")
ImportRequest = message(DESCRIPTOR, "ImportRequest")
ImportResponse = message(DESCRIPTOR, "ImportResponse")
Unpacked = message(DESCRIPTOR, "Unpacked")
UnpackRequest = message(DESCRIPTOR, "UnpackRequest")
UnpackResponse = message(DESCRIPTOR, "UnpackResponse")
ResolveRequest = message(DESCRIPTOR, "ResolveRequest")
ResolveResponse = message(DESCRIPTOR, "ResolveResponse")
VerifyRequest = message(DESCRIPTOR, "VerifyRequest")
VerifyResponse = message(DESCRIPTOR, "VerifyResponse")
