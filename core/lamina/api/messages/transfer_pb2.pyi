# mypy: disable-error-code="type-arg"
from lamina.api.messages import images_pb2 as _images_pb2
from lamina.api.messages import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Progress(_message.Message):
    __slots__ = ("digest", "what", "done", "total")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    digest: str
    what: str
    done: int
    total: int
    def __init__(self, digest: _Optional[str] = ..., what: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class ImportRequest(_message.Message):
    __slots__ = ("path", "names", "platform", "all_platforms", "no_unpack", "snapshotter", "discard_layers")
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    ALL_PLATFORMS_FIELD_NUMBER: _ClassVar[int]
    NO_UNPACK_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    DISCARD_LAYERS_FIELD_NUMBER: _ClassVar[int]
    path: str
    names: _containers.RepeatedScalarFieldContainer[str]
    platform: str
    all_platforms: bool
    no_unpack: bool
    snapshotter: str
    discard_layers: bool
    def __init__(self, path: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., platform: _Optional[str] = ..., all_platforms: _Optional[bool] = ..., no_unpack: _Optional[bool] = ..., snapshotter: _Optional[str] = ..., discard_layers: _Optional[bool] = ...) -> None: ...

class ImportResponse(_message.Message):
    __slots__ = ("progress", "images", "unpacked")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    UNPACKED_FIELD_NUMBER: _ClassVar[int]
    progress: _containers.RepeatedCompositeFieldContainer[Progress]
    images: _containers.RepeatedCompositeFieldContainer[_images_pb2.Image]
    unpacked: _containers.RepeatedCompositeFieldContainer[Unpacked]
    def __init__(self, progress: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[_images_pb2.Image, _Mapping]]] = ..., unpacked: _Optional[_Iterable[_Union[Unpacked, _Mapping]]] = ...) -> None: ...

class Unpacked(_message.Message):
    __slots__ = ("image", "snapshotter", "chain_id")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    image: str
    snapshotter: str
    chain_id: str
    def __init__(self, image: _Optional[str] = ..., snapshotter: _Optional[str] = ..., chain_id: _Optional[str] = ...) -> None: ...

class Access(_message.Message):
    __slots__ = ("credentials", "ca_certificates", "plain_http")
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    CA_CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    PLAIN_HTTP_FIELD_NUMBER: _ClassVar[int]
    credentials: Credentials
    ca_certificates: str
    plain_http: bool
    def __init__(self, credentials: _Optional[_Union[Credentials, _Mapping]] = ..., ca_certificates: _Optional[str] = ..., plain_http: _Optional[bool] = ...) -> None: ...

class Credentials(_message.Message):
    __slots__ = ("username", "password", "identity_token", "registry_token")
    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSWORD_FIELD_NUMBER: _ClassVar[int]
    IDENTITY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REGISTRY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    username: str
    password: str
    identity_token: str
    registry_token: str
    def __init__(self, username: _Optional[str] = ..., password: _Optional[str] = ..., identity_token: _Optional[str] = ..., registry_token: _Optional[str] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("name", "new_name", "platform", "all_platforms", "no_unpack", "snapshotter", "discard_layers", "access")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    ALL_PLATFORMS_FIELD_NUMBER: _ClassVar[int]
    NO_UNPACK_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    DISCARD_LAYERS_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    new_name: str
    platform: str
    all_platforms: bool
    no_unpack: bool
    snapshotter: str
    discard_layers: bool
    access: Access
    def __init__(self, name: _Optional[str] = ..., new_name: _Optional[str] = ..., platform: _Optional[str] = ..., all_platforms: _Optional[bool] = ..., no_unpack: _Optional[bool] = ..., snapshotter: _Optional[str] = ..., discard_layers: _Optional[bool] = ..., access: _Optional[_Union[Access, _Mapping]] = ...) -> None: ...

class PushRequest(_message.Message):
    __slots__ = ("name", "to", "platform", "access")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    name: str
    to: str
    platform: str
    access: Access
    def __init__(self, name: _Optional[str] = ..., to: _Optional[str] = ..., platform: _Optional[str] = ..., access: _Optional[_Union[Access, _Mapping]] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("progress", "name", "target")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    progress: _containers.RepeatedCompositeFieldContainer[Progress]
    name: str
    target: _descriptor_pb2.Descriptor
    def __init__(self, progress: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ..., name: _Optional[str] = ..., target: _Optional[_Union[_descriptor_pb2.Descriptor, _Mapping]] = ...) -> None: ...

class UnpackRequest(_message.Message):
    __slots__ = ("name", "platform", "snapshotter")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    platform: str
    snapshotter: str
    def __init__(self, name: _Optional[str] = ..., platform: _Optional[str] = ..., snapshotter: _Optional[str] = ...) -> None: ...

class UnpackResponse(_message.Message):
    __slots__ = ("progress", "unpacked")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    UNPACKED_FIELD_NUMBER: _ClassVar[int]
    progress: _containers.RepeatedCompositeFieldContainer[Progress]
    unpacked: Unpacked
    def __init__(self, progress: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ..., unpacked: _Optional[_Union[Unpacked, _Mapping]] = ...) -> None: ...

class ConfigChanges(_message.Message):
    __slots__ = ("entrypoint", "cmd", "env", "unset_env", "user", "working_dir", "labels", "unset_labels", "exposed_ports", "unset_exposed_ports", "volumes", "unset_volumes", "stop_signal", "author")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ENTRYPOINT_FIELD_NUMBER: _ClassVar[int]
    CMD_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    UNSET_ENV_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIR_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    UNSET_LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPOSED_PORTS_FIELD_NUMBER: _ClassVar[int]
    UNSET_EXPOSED_PORTS_FIELD_NUMBER: _ClassVar[int]
    VOLUMES_FIELD_NUMBER: _ClassVar[int]
    UNSET_VOLUMES_FIELD_NUMBER: _ClassVar[int]
    STOP_SIGNAL_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    entrypoint: Words
    cmd: Words
    env: _containers.RepeatedScalarFieldContainer[str]
    unset_env: _containers.RepeatedScalarFieldContainer[str]
    user: str
    working_dir: str
    labels: _containers.ScalarMap[str, str]
    unset_labels: _containers.RepeatedScalarFieldContainer[str]
    exposed_ports: _containers.RepeatedScalarFieldContainer[str]
    unset_exposed_ports: _containers.RepeatedScalarFieldContainer[str]
    volumes: _containers.RepeatedScalarFieldContainer[str]
    unset_volumes: _containers.RepeatedScalarFieldContainer[str]
    stop_signal: str
    author: str
    def __init__(self, entrypoint: _Optional[_Union[Words, _Mapping]] = ..., cmd: _Optional[_Union[Words, _Mapping]] = ..., env: _Optional[_Iterable[str]] = ..., unset_env: _Optional[_Iterable[str]] = ..., user: _Optional[str] = ..., working_dir: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., unset_labels: _Optional[_Iterable[str]] = ..., exposed_ports: _Optional[_Iterable[str]] = ..., unset_exposed_ports: _Optional[_Iterable[str]] = ..., volumes: _Optional[_Iterable[str]] = ..., unset_volumes: _Optional[_Iterable[str]] = ..., stop_signal: _Optional[str] = ..., author: _Optional[str] = ...) -> None: ...

class Words(_message.Message):
    __slots__ = ("words",)
    WORDS_FIELD_NUMBER: _ClassVar[int]
    words: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, words: _Optional[_Iterable[str]] = ...) -> None: ...

class CommitRequest(_message.Message):
    __slots__ = ("snapshot", "name", "snapshotter", "base", "changes", "message", "compression", "live", "source_date_epoch")
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DATE_EPOCH_FIELD_NUMBER: _ClassVar[int]
    snapshot: str
    name: str
    snapshotter: str
    base: str
    changes: ConfigChanges
    message: str
    compression: str
    live: bool
    source_date_epoch: int
    def __init__(self, snapshot: _Optional[str] = ..., name: _Optional[str] = ..., snapshotter: _Optional[str] = ..., base: _Optional[str] = ..., changes: _Optional[_Union[ConfigChanges, _Mapping]] = ..., message: _Optional[str] = ..., compression: _Optional[str] = ..., live: _Optional[bool] = ..., source_date_epoch: _Optional[int] = ...) -> None: ...

class CommitResponse(_message.Message):
    __slots__ = ("progress", "image")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    progress: _containers.RepeatedCompositeFieldContainer[Progress]
    image: _images_pb2.Image
    def __init__(self, progress: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ..., image: _Optional[_Union[_images_pb2.Image, _Mapping]] = ...) -> None: ...

class EditRequest(_message.Message):
    __slots__ = ("name", "new_name", "changes", "message", "platform", "source_date_epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_NAME_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DATE_EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    new_name: str
    changes: ConfigChanges
    message: str
    platform: str
    source_date_epoch: int
    def __init__(self, name: _Optional[str] = ..., new_name: _Optional[str] = ..., changes: _Optional[_Union[ConfigChanges, _Mapping]] = ..., message: _Optional[str] = ..., platform: _Optional[str] = ..., source_date_epoch: _Optional[int] = ...) -> None: ...

class EditResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: _images_pb2.Image
    def __init__(self, image: _Optional[_Union[_images_pb2.Image, _Mapping]] = ...) -> None: ...

class TagRequest(_message.Message):
    __slots__ = ("name", "new_name", "force")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NEW_NAME_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    new_name: str
    force: bool
    def __init__(self, name: _Optional[str] = ..., new_name: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class TagResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: _images_pb2.Image
    def __init__(self, image: _Optional[_Union[_images_pb2.Image, _Mapping]] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("path", "names", "format", "platform")
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    path: str
    names: _containers.RepeatedScalarFieldContainer[str]
    format: str
    platform: str
    def __init__(self, path: _Optional[str] = ..., names: _Optional[_Iterable[str]] = ..., format: _Optional[str] = ..., platform: _Optional[str] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("progress", "images", "size")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    progress: _containers.RepeatedCompositeFieldContainer[Progress]
    images: _containers.RepeatedCompositeFieldContainer[_images_pb2.Image]
    size: int
    def __init__(self, progress: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ..., images: _Optional[_Iterable[_Union[_images_pb2.Image, _Mapping]]] = ..., size: _Optional[int] = ...) -> None: ...

class ResolveRequest(_message.Message):
    __slots__ = ("name", "platform")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    name: str
    platform: str
    def __init__(self, name: _Optional[str] = ..., platform: _Optional[str] = ...) -> None: ...

class ResolveResponse(_message.Message):
    __slots__ = ("image", "platform", "manifest", "config", "layers", "diff_ids", "chain_id")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    DIFF_IDS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    image: _images_pb2.Image
    platform: str
    manifest: _descriptor_pb2.Descriptor
    config: _descriptor_pb2.Descriptor
    layers: _containers.RepeatedCompositeFieldContainer[_descriptor_pb2.Descriptor]
    diff_ids: _containers.RepeatedScalarFieldContainer[str]
    chain_id: str
    def __init__(self, image: _Optional[_Union[_images_pb2.Image, _Mapping]] = ..., platform: _Optional[str] = ..., manifest: _Optional[_Union[_descriptor_pb2.Descriptor, _Mapping]] = ..., config: _Optional[_Union[_descriptor_pb2.Descriptor, _Mapping]] = ..., layers: _Optional[_Iterable[_Union[_descriptor_pb2.Descriptor, _Mapping]]] = ..., diff_ids: _Optional[_Iterable[str]] = ..., chain_id: _Optional[str] = ...) -> None: ...

class VerifyRequest(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, digests: _Optional[_Iterable[str]] = ...) -> None: ...

class VerifyResponse(_message.Message):
    __slots__ = ("digest", "size", "problem")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    digest: str
    size: int
    problem: str
    def __init__(self, digest: _Optional[str] = ..., size: _Optional[int] = ..., problem: _Optional[str] = ...) -> None: ...
