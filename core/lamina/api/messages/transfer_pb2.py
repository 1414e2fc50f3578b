"""Generated from lamina/services/transfer/v1/transfer.proto by `python -m lamina.api.generate`."""

from lamina.api.messages import descriptor_pb2, images_pb2
from lamina.api.messages._pool import add_file, enum, message

DESCRIPTOR = add_file(
    b'\n*lamina/services/transfer/v1/transfer.proto\x12\x1blamina.services.tr'
    b'ansfer.v1\x1a*containerd/services/images/v1/images.proto\x1a!container'
    b'd/types/descriptor.proto"`\n\x08Progress\x12\x16\n\x06digest\x18\x01 \x01(\tR\x06digest\x12\x12\n\x04'
    b'what\x18\x02 \x01(\tR\x04what\x12\x12\n\x04done\x18\x03 \x01(\x03R\x04done\x12\x14\n\x05total\x18\x04 \x01(\x03R\x05total"\xe0\x01\n\rI'
    b'mportRequest\x12\x12\n\x04path\x18\x01 \x01(\tR\x04path\x12\x14\n\x05names\x18\x02 \x03(\tR\x05names\x12\x1a\n\x08platfo'
    b'rm\x18\x03 \x01(\tR\x08platform\x12#\n\rall_platforms\x18\x04 \x01(\x08R\x0callPlatforms\x12\x1b\n\tno_un'
    b'pack\x18\x05 \x01(\x08R\x08noUnpack\x12 \n\x0bsnapshotter\x18\x06 \x01(\tR\x0bsnapshotter\x12%\n\x0ediscar'
    b'd_layers\x18\x07 \x01(\x08R\rdiscardLayers"\xd4\x01\n\x0eImportResponse\x12A\n\x08progress\x18\x01 \x03'
    b'(\x0b2%.lamina.services.transfer.v1.ProgressR\x08progress\x12<\n\x06images\x18\x02 '
    b'\x03(\x0b2$.containerd.services.images.v1.ImageR\x06images\x12A\n\x08unpacked\x18\x03 '
    b'\x03(\x0b2%.lamina.services.transfer.v1.UnpackedR\x08unpacked"]\n\x08Unpacked'
    b'\x12\x14\n\x05image\x18\x01 \x01(\tR\x05image\x12 \n\x0bsnapshotter\x18\x02 \x01(\tR\x0bsnapshotter\x12\x19\n\x08chai'
    b'n_id\x18\x03 \x01(\tR\x07chainId"\x9c\x01\n\x06Access\x12J\n\x0bcredentials\x18\x01 \x01(\x0b2(.lamina.ser'
    b"vices.transfer.v1.CredentialsR\x0bcredentials\x12'\n\x0fca_certificates\x18\x02 "
    b'\x01(\tR\x0ecaCertificates\x12\x1d\n\nplain_http\x18\x03 \x01(\x08R\tplainHttp"\x93\x01\n\x0bCredentia'
    b'ls\x12\x1a\n\x08username\x18\x01 \x01(\tR\x08username\x12\x1a\n\x08password\x18\x02 \x01(\tR\x08password\x12%\n\x0eid'
    b'entity_token\x18\x03 \x01(\tR\ridentityToken\x12%\n\x0eregistry_token\x18\x04 \x01(\tR\rregis'
    b'tryToken"\xa0\x02\n\x0bPullRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x19\n\x08new_name\x18\x02 \x01(\tR\x07'
    b'newName\x12\x1a\n\x08platform\x18\x03 \x01(\tR\x08platform\x12#\n\rall_platforms\x18\x04 \x01(\x08R\x0callP'
    b'latforms\x12\x1b\n\tno_unpack\x18\x05 \x01(\x08R\x08noUnpack\x12 \n\x0bsnapshotter\x18\x06 \x01(\tR\x0bsnap'
    b'shotter\x12%\n\x0ediscard_layers\x18\x07 \x01(\x08R\rdiscardLayers\x12;\n\x06access\x18\x08 \x01(\x0b2#'
    b'.lamina.services.transfer.v1.AccessR\x06access"\x8a\x01\n\x0bPushRequest\x12\x12\n\x04n'
    b'ame\x18\x01 \x01(\tR\x04name\x12\x0e\n\x02to\x18\x02 \x01(\tR\x02to\x12\x1a\n\x08platform\x18\x03 \x01(\tR\x08platform\x12;\n\x06a'
    b'ccess\x18\x04 \x01(\x0b2#.lamina.services.transfer.v1.AccessR\x06access"\x9b\x01\n\x0cPus'
    b'hResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.services.transfer.v1.Progre'
    b'ssR\x08progress\x12\x12\n\x04name\x18\x02 \x01(\tR\x04name\x124\n\x06target\x18\x03 \x01(\x0b2\x1c.containerd.ty'
    b'pes.DescriptorR\x06target"a\n\rUnpackRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x1a\n\x08p'
    b'latform\x18\x02 \x01(\tR\x08platform\x12 \n\x0bsnapshotter\x18\x03 \x01(\tR\x0bsnapshotter"\x96\x01\n\x0eUn'
    b'packResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.services.transfer.v1.Pro'
    b'gressR\x08progress\x12A\n\x08unpacked\x18\x02 \x01(\x0b2%.lamina.services.transfer.v1.'
    b'UnpackedR\x08unpacked"\xb0\x05\n\rConfigChanges\x12B\n\nentrypoint\x18\x01 \x01(\x0b2".lamin'
    b'a.services.transfer.v1.WordsR\nentrypoint\x124\n\x03cmd\x18\x02 \x01(\x0b2".lamina.s'
    b'ervices.transfer.v1.WordsR\x03cmd\x12\x10\n\x03env\x18\x03 \x03(\tR\x03env\x12\x1b\n\tunset_env\x18\x04 '
    b'\x03(\tR\x08unsetEnv\x12\x17\n\x04user\x18\x05 \x01(\tH\x00R\x04user\x88\x01\x01\x12$\n\x0bworking_dir\x18\x06 \x01(\tH\x01R\nw'
    b'orkingDir\x88\x01\x01\x12N\n\x06labels\x18\x07 \x03(\x0b26.lamina.services.transfer.v1.Confi'
    b'gChanges.LabelsEntryR\x06labels\x12!\n\x0cunset_labels\x18\x08 \x03(\tR\x0bunsetLabels\x12'
    b'#\n\rexposed_ports\x18\t \x03(\tR\x0cexposedPorts\x12.\n\x13unset_exposed_ports\x18\n \x03('
    b'\tR\x11unsetExposedPorts\x12\x18\n\x07volumes\x18\x0b \x03(\tR\x07volumes\x12#\n\runset_volumes\x18'
    b'\x0c \x03(\tR\x0cunsetVolumes\x12$\n\x0bstop_signal\x18\r \x01(\tH\x02R\nstopSignal\x88\x01\x01\x12\x1b\n\x06aut'
    b'hor\x18\x0e \x01(\tH\x03R\x06author\x88\x01\x01\x1a9\n\x0bLabelsEntry\x12\x10\n\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value'
    b'\x18\x02 \x01(\tR\x05value:\x028\x01B\x07\n\x05_userB\x0e\n\x0c_working_dirB\x0e\n\x0c_stop_signalB\t\n\x07_a'
    b'uthor"\x1d\n\x05Words\x12\x14\n\x05words\x18\x01 \x03(\tR\x05words"\xd2\x02\n\rCommitRequest\x12\x1a\n\x08snapsh'
    b'ot\x18\x01 \x01(\tR\x08snapshot\x12\x12\n\x04name\x18\x02 \x01(\tR\x04name\x12 \n\x0bsnapshotter\x18\x03 \x01(\tR\x0bsna'
    b'pshotter\x12\x12\n\x04base\x18\x04 \x01(\tR\x04base\x12D\n\x07changes\x18\x05 \x01(\x0b2*.lamina.services.'
    b'transfer.v1.ConfigChangesR\x07changes\x12\x18\n\x07message\x18\x06 \x01(\tR\x07message\x12 \n\x0b'
    b'compression\x18\x07 \x01(\tR\x0bcompression\x12\x12\n\x04live\x18\x08 \x01(\x08R\x04live\x12/\n\x11source_dat'
    b'e_epoch\x18\t \x01(\x03H\x00R\x0fsourceDateEpoch\x88\x01\x01B\x14\n\x12_source_date_epoch"\x8f\x01\n\x0eCo'
    b'mmitResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.services.transfer.v1.Pro'
    b'gressR\x08progress\x12:\n\x05image\x18\x02 \x01(\x0b2$.containerd.services.images.v1.I'
    b'mageR\x05image"\xff\x01\n\x0bEditRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x19\n\x08new_name\x18\x02 \x01('
    b'\tR\x07newName\x12D\n\x07changes\x18\x03 \x01(\x0b2*.lamina.services.transfer.v1.Config'
    b'ChangesR\x07changes\x12\x18\n\x07message\x18\x04 \x01(\tR\x07message\x12\x1a\n\x08platform\x18\x05 \x01(\tR\x08pl'
    b'atform\x12/\n\x11source_date_epoch\x18\x06 \x01(\x03H\x00R\x0fsourceDateEpoch\x88\x01\x01B\x14\n\x12_sour'
    b'ce_date_epoch"J\n\x0cEditResponse\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd.servic'
    b'es.images.v1.ImageR\x05image"Q\n\nTagRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x19\n\x08n'
    b'ew_name\x18\x02 \x01(\tR\x07newName\x12\x14\n\x05force\x18\x03 \x01(\x08R\x05force"I\n\x0bTagResponse\x12:\n\x05i'
    b'mage\x18\x01 \x01(\x0b2$.containerd.services.images.v1.ImageR\x05image"m\n\rExpor'
    b'tRequest\x12\x12\n\x04path\x18\x01 \x01(\tR\x04path\x12\x14\n\x05names\x18\x02 \x03(\tR\x05names\x12\x16\n\x06format\x18\x03 \x01'
    b'(\tR\x06format\x12\x1a\n\x08platform\x18\x04 \x01(\tR\x08platform"\xa5\x01\n\x0eExportResponse\x12A\n\x08pro'
    b'gress\x18\x01 \x03(\x0b2%.lamina.services.transfer.v1.ProgressR\x08progress\x12<\n\x06'
    b'images\x18\x02 \x03(\x0b2$.containerd.services.images.v1.ImageR\x06images\x12\x12\n\x04si'
    b'ze\x18\x03 \x01(\x03R\x04size"@\n\x0eResolveRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x1a\n\x08platform'
    b'\x18\x02 \x01(\tR\x08platform"\xc5\x02\n\x0fResolveResponse\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd'
    b'.services.images.v1.ImageR\x05image\x12\x1a\n\x08platform\x18\x02 \x01(\tR\x08platform\x128\n\x08'
    b'manifest\x18\x03 \x01(\x0b2\x1c.containerd.types.DescriptorR\x08manifest\x124\n\x06config'
    b'\x18\x04 \x01(\x0b2\x1c.containerd.types.DescriptorR\x06config\x124\n\x06layers\x18\x05 \x03(\x0b2\x1c.c'
    b'ontainerd.types.DescriptorR\x06layers\x12\x19\n\x08diff_ids\x18\x06 \x03(\tR\x07diffIds\x12\x19\n'
    b'\x08chain_id\x18\x07 \x01(\tR\x07chainId")\n\rVerifyRequest\x12\x18\n\x07digests\x18\x01 \x03(\tR\x07dige'
    b'sts"V\n\x0eVerifyResponse\x12\x16\n\x06digest\x18\x01 \x01(\tR\x06digest\x12\x12\n\x04size\x18\x02 \x01(\x03R\x04siz'
    b'e\x12\x18\n\x07problem\x18\x03 \x01(\tR\x07problem2\xe0\x07\n\x08Transfer\x12c\n\x06Import\x12*.lamina.serv'
    b'ices.transfer.v1.ImportRequest\x1a+.lamina.services.transfer.v1.Imp'
    b'ortResponse0\x01\x12_\n\x04Pull\x12(.lamina.services.transfer.v1.PullRequest\x1a'
    b'+.lamina.services.transfer.v1.ImportResponse0\x01\x12]\n\x04Push\x12(.lamina.'
    b'services.transfer.v1.PushRequest\x1a).lamina.services.transfer.v1.P'
    b'ushResponse0\x01\x12c\n\x06Unpack\x12*.lamina.services.transfer.v1.UnpackRequ'
    b'est\x1a+.lamina.services.transfer.v1.UnpackResponse0\x01\x12c\n\x06Commit\x12*.l'
    b'amina.services.transfer.v1.CommitRequest\x1a+.lamina.services.trans'
    b'fer.v1.CommitResponse0\x01\x12[\n\x04Edit\x12(.lamina.services.transfer.v1.Ed'
    b"itRequest\x1a).lamina.services.transfer.v1.EditResponse\x12X\n\x03Tag\x12'.la"
    b'mina.services.transfer.v1.TagRequest\x1a(.lamina.services.transfer.'
    b'v1.TagResponse\x12c\n\x06Export\x12*.lamina.services.transfer.v1.ExportReq'
    b'uest\x1a+.lamina.services.transfer.v1.ExportResponse0\x01\x12d\n\x07Resolve\x12+'
    b'.lamina.services.transfer.v1.ResolveRequest\x1a,.lamina.services.tr'
    b'ansfer.v1.ResolveResponse\x12c\n\x06Verify\x12*.lamina.services.transfer.v'
    b'1.VerifyRequest\x1a+.lamina.services.transfer.v1.VerifyResponse0\x01b\x06'
    b'proto3'
)

Progress = message(DESCRIPTOR, "Progress")
ImportRequest = message(DESCRIPTOR, "ImportRequest")
ImportResponse = message(DESCRIPTOR, "ImportResponse")
Unpacked = message(DESCRIPTOR, "Unpacked")
Access = message(DESCRIPTOR, "Access")
Credentials = message(DESCRIPTOR, "Credentials")
PullRequest = message(DESCRIPTOR, "PullRequest")
PushRequest = message(DESCRIPTOR, "PushRequest")
PushResponse = message(DESCRIPTOR, "PushResponse")
UnpackRequest = message(DESCRIPTOR, "UnpackRequest")
UnpackResponse = message(DESCRIPTOR, "UnpackResponse")
ConfigChanges = message(DESCRIPTOR, "ConfigChanges")
Words = message(DESCRIPTOR, "Words")
CommitRequest = message(DESCRIPTOR, "CommitRequest")
CommitResponse = message(DESCRIPTOR, "CommitResponse")
EditRequest = message(DESCRIPTOR, "EditRequest")
EditResponse = message(DESCRIPTOR, "EditResponse")
TagRequest = message(DESCRIPTOR, "TagRequest")
TagResponse = message(DESCRIPTOR, "TagResponse")
ExportRequest = message(DESCRIPTOR, "ExportRequest")
ExportResponse = message(DESCRIPTOR, "ExportResponse")
ResolveRequest = message(DESCRIPTOR, "ResolveRequest")
ResolveResponse = message(DESCRIPTOR, "ResolveResponse")
VerifyRequest = message(DESCRIPTOR, "VerifyRequest")
VerifyResponse = message(DESCRIPTOR, "VerifyResponse")
