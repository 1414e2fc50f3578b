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
    b'\x01(\tR\x0ecaCertificates\x12\x1d\n\nplain_http\x18\x03 \x01(\x08R\tplainHttp"l\n\x0bCredential'
    b's\x12\x1a\n\x08username\x18\x01 \x01(\tR\x08username\x12\x1a\n\x08password\x18\x02 \x01(\tR\x08password\x12%\n\x0eide'
    b'ntity_token\x18\x03 \x01(\tR\ridentityToken"\xa0\x02\n\x0bPullRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04'
    b'name\x12\x19\n\x08new_name\x18\x02 \x01(\tR\x07newName\x12\x1a\n\x08platform\x18\x03 \x01(\tR\x08platform\x12#\n\ra'
    b'll_platforms\x18\x04 \x01(\x08R\x0callPlatforms\x12\x1b\n\tno_unpack\x18\x05 \x01(\x08R\x08noUnpack\x12 \n'
    b'\x0bsnapshotter\x18\x06 \x01(\tR\x0bsnapshotter\x12%\n\x0ediscard_layers\x18\x07 \x01(\x08R\rdiscard'
    b'Layers\x12;\n\x06access\x18\x08 \x01(\x0b2#.lamina.services.transfer.v1.AccessR\x06acc'
    b'ess"\x8a\x01\n\x0bPushRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x0e\n\x02to\x18\x02 \x01(\tR\x02to\x12\x1a\n\x08platf'
    b'orm\x18\x03 \x01(\tR\x08platform\x12;\n\x06access\x18\x04 \x01(\x0b2#.lamina.services.transfer.v'
    b'1.AccessR\x06access"\x9b\x01\n\x0cPushResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.ser'
    b'vices.transfer.v1.ProgressR\x08progress\x12\x12\n\x04name\x18\x02 \x01(\tR\x04name\x124\n\x06targ'
    b'et\x18\x03 \x01(\x0b2\x1c.containerd.types.DescriptorR\x06target"a\n\rUnpackRequest\x12'
    b'\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x1a\n\x08platform\x18\x02 \x01(\tR\x08platform\x12 \n\x0bsnapshotter\x18\x03'
    b' \x01(\tR\x0bsnapshotter"\x96\x01\n\x0eUnpackResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.'
    b'services.transfer.v1.ProgressR\x08progress\x12A\n\x08unpacked\x18\x02 \x01(\x0b2%.lami'
    b'na.services.transfer.v1.UnpackedR\x08unpacked"\xb0\x05\n\rConfigChanges\x12B\n\n'
    b'entrypoint\x18\x01 \x01(\x0b2".lamina.services.transfer.v1.WordsR\nentrypoint'
    b'\x124\n\x03cmd\x18\x02 \x01(\x0b2".lamina.services.transfer.v1.WordsR\x03cmd\x12\x10\n\x03env\x18\x03 '
    b'\x03(\tR\x03env\x12\x1b\n\tunset_env\x18\x04 \x03(\tR\x08unsetEnv\x12\x17\n\x04user\x18\x05 \x01(\tH\x00R\x04user\x88\x01\x01\x12$'
    b'\n\x0bworking_dir\x18\x06 \x01(\tH\x01R\nworkingDir\x88\x01\x01\x12N\n\x06labels\x18\x07 \x03(\x0b26.lamina.se'
    b'rvices.transfer.v1.ConfigChanges.LabelsEntryR\x06labels\x12!\n\x0cunset_la'
    b'bels\x18\x08 \x03(\tR\x0bunsetLabels\x12#\n\rexposed_ports\x18\t \x03(\tR\x0cexposedPorts\x12.\n\x13'
    b'unset_exposed_ports\x18\n \x03(\tR\x11unsetExposedPorts\x12\x18\n\x07volumes\x18\x0b \x03(\tR\x07v'
    b'olumes\x12#\n\runset_volumes\x18\x0c \x03(\tR\x0cunsetVolumes\x12$\n\x0bstop_signal\x18\r \x01(\t'
    b'H\x02R\nstopSignal\x88\x01\x01\x12\x1b\n\x06author\x18\x0e \x01(\tH\x03R\x06author\x88\x01\x01\x1a9\n\x0bLabelsEntry\x12\x10\n'
    b'\x03key\x18\x01 \x01(\tR\x03key\x12\x14\n\x05value\x18\x02 \x01(\tR\x05value:\x028\x01B\x07\n\x05_userB\x0e\n\x0c_working_d'
    b'irB\x0e\n\x0c_stop_signalB\t\n\x07_author"\x1d\n\x05Words\x12\x14\n\x05words\x18\x01 \x03(\tR\x05words"\xd2\x02\n'
    b'\rCommitRequest\x12\x1a\n\x08snapshot\x18\x01 \x01(\tR\x08snapshot\x12\x12\n\x04name\x18\x02 \x01(\tR\x04name\x12 '
    b'\n\x0bsnapshotter\x18\x03 \x01(\tR\x0bsnapshotter\x12\x12\n\x04base\x18\x04 \x01(\tR\x04base\x12D\n\x07changes\x18'
    b'\x05 \x01(\x0b2*.lamina.services.transfer.v1.ConfigChangesR\x07changes\x12\x18\n\x07me'
    b'ssage\x18\x06 \x01(\tR\x07message\x12 \n\x0bcompression\x18\x07 \x01(\tR\x0bcompression\x12\x12\n\x04live\x18\x08'
    b' \x01(\x08R\x04live\x12/\n\x11source_date_epoch\x18\t \x01(\x03H\x00R\x0fsourceDateEpoch\x88\x01\x01B\x14\n\x12_'
    b'source_date_epoch"\x8f\x01\n\x0eCommitResponse\x12A\n\x08progress\x18\x01 \x03(\x0b2%.lamina.'
    b'services.transfer.v1.ProgressR\x08progress\x12:\n\x05image\x18\x02 \x01(\x0b2$.contain'
    b'erd.services.images.v1.ImageR\x05image"\xff\x01\n\x0bEditRequest\x12\x12\n\x04name\x18\x01 \x01('
    b'\tR\x04name\x12\x19\n\x08new_name\x18\x02 \x01(\tR\x07newName\x12D\n\x07changes\x18\x03 \x01(\x0b2*.lamina.ser'
    b'vices.transfer.v1.ConfigChangesR\x07changes\x12\x18\n\x07message\x18\x04 \x01(\tR\x07messa'
    b'ge\x12\x1a\n\x08platform\x18\x05 \x01(\tR\x08platform\x12/\n\x11source_date_epoch\x18\x06 \x01(\x03H\x00R\x0fsou'
    b'rceDateEpoch\x88\x01\x01B\x14\n\x12_source_date_epoch"J\n\x0cEditResponse\x12:\n\x05image\x18\x01'
    b' \x01(\x0b2$.containerd.services.images.v1.ImageR\x05image"m\n\rExportReque'
    b'st\x12\x12\n\x04path\x18\x01 \x01(\tR\x04path\x12\x14\n\x05names\x18\x02 \x03(\tR\x05names\x12\x16\n\x06format\x18\x03 \x01(\tR\x06fo'
    b'rmat\x12\x1a\n\x08platform\x18\x04 \x01(\tR\x08platform"\xa5\x01\n\x0eExportResponse\x12A\n\x08progress\x18'
    b'\x01 \x03(\x0b2%.lamina.services.transfer.v1.ProgressR\x08progress\x12<\n\x06images'
    b'\x18\x02 \x03(\x0b2$.containerd.services.images.v1.ImageR\x06images\x12\x12\n\x04size\x18\x03 \x01'
    b'(\x03R\x04size"@\n\x0eResolveRequest\x12\x12\n\x04name\x18\x01 \x01(\tR\x04name\x12\x1a\n\x08platform\x18\x02 \x01(\t'
    b'R\x08platform"\xc5\x02\n\x0fResolveResponse\x12:\n\x05image\x18\x01 \x01(\x0b2$.containerd.servi'
    b'ces.images.v1.ImageR\x05image\x12\x1a\n\x08platform\x18\x02 \x01(\tR\x08platform\x128\n\x08manife'
    b'st\x18\x03 \x01(\x0b2\x1c.containerd.types.DescriptorR\x08manifest\x124\n\x06config\x18\x04 \x01(\x0b'
    b'2\x1c.containerd.types.DescriptorR\x06config\x124\n\x06layers\x18\x05 \x03(\x0b2\x1c.contain'
    b'erd.types.DescriptorR\x06layers\x12\x19\n\x08diff_ids\x18\x06 \x03(\tR\x07diffIds\x12\x19\n\x08chain'
    b'_id\x18\x07 \x01(\tR\x07chainId")\n\rVerifyRequest\x12\x18\n\x07digests\x18\x01 \x03(\tR\x07digests"V\n'
    b'\x0eVerifyResponse\x12\x16\n\x06digest\x18\x01 \x01(\tR\x06digest\x12\x12\n\x04size\x18\x02 \x01(\x03R\x04size\x12\x18\n\x07p'
    b'roblem\x18\x03 \x01(\tR\x07problem2\x86\x07\n\x08Transfer\x12c\n\x06Import\x12*.lamina.services.t'
    b'ransfer.v1.ImportRequest\x1a+.lamina.services.transfer.v1.ImportRes'
    b'ponse0\x01\x12_\n\x04Pull\x12(.lamina.services.transfer.v1.PullRequest\x1a+.lami'
    b'na.services.transfer.v1.ImportResponse0\x01\x12]\n\x04Push\x12(.lamina.servic'
    b'es.transfer.v1.PushRequest\x1a).lamina.services.transfer.v1.PushRes'
    b'ponse0\x01\x12c\n\x06Unpack\x12*.lamina.services.transfer.v1.UnpackRequest\x1a+.'
    b'lamina.services.transfer.v1.UnpackResponse0\x01\x12c\n\x06Commit\x12*.lamina.'
    b'services.transfer.v1.CommitRequest\x1a+.lamina.services.transfer.v1'
    b'.CommitResponse0\x01\x12[\n\x04Edit\x12(.lamina.services.transfer.v1.EditRequ'
    b'est\x1a).lamina.services.transfer.v1.EditResponse\x12c\n\x06Export\x12*.lamin'
    b'a.services.transfer.v1.ExportRequest\x1a+.lamina.services.transfer.'
    b'v1.ExportResponse0\x01\x12d\n\x07Resolve\x12+.lamina.services.transfer.v1.Res'
    b'olveRequest\x1a,.lamina.services.transfer.v1.ResolveResponse\x12c\n\x06Ver'
    b'ify\x12*.lamina.services.transfer.v1.VerifyRequest\x1a+.lamina.service'
    b's.transfer.v1.VerifyResponse0\x01b\x06proto3'
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
ExportRequest = message(DESCRIPTOR, "ExportRequest")
ExportResponse = message(DESCRIPTOR, "ExportResponse")
ResolveRequest = message(DESCRIPTOR, "ResolveRequest")
ResolveResponse = message(DESCRIPTOR, "ResolveResponse")
VerifyRequest = message(DESCRIPTOR, "VerifyRequest")
VerifyResponse = message(DESCRIPTOR, "VerifyResponse")
