# mypy: disable-error-code="type-arg"
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CollectRequest(_message.Message):
    __slots__ = ("dry_run", "content_only")
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ONLY_FIELD_NUMBER: _ClassVar[int]
    dry_run: bool
    content_only: bool
    def __init__(self, dry_run: _Optional[bool] = ..., content_only: _Optional[bool] = ...) -> None: ...

class CollectResponse(_message.Message):
    __slots__ = ("removed",)
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    removed: _containers.RepeatedCompositeFieldContainer[Removed]
    def __init__(self, removed: _Optional[_Iterable[_Union[Removed, _Mapping]]] = ...) -> None: ...

class Removed(_message.Message):
    __slots__ = ("kind", "namespace", "snapshotter", "name", "size", "reason", "error", "young")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    YOUNG_FIELD_NUMBER: _ClassVar[int]
    kind: str
    namespace: str
    snapshotter: str
    name: str
    size: int
    reason: str
    error: str
    young: bool
    def __init__(self, kind: _Optional[str] = ..., namespace: _Optional[str] = ..., snapshotter: _Optional[str] = ..., name: _Optional[str] = ..., size: _Optional[int] = ..., reason: _Optional[str] = ..., error: _Optional[str] = ..., young: _Optional[bool] = ...) -> None: ...

class UsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ImageUsage(_message.Message):
    __slots__ = ("namespace", "name", "own_content", "shared_content", "own_snapshots", "shared_snapshots")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OWN_CONTENT_FIELD_NUMBER: _ClassVar[int]
    SHARED_CONTENT_FIELD_NUMBER: _ClassVar[int]
    OWN_SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    SHARED_SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    own_content: int
    shared_content: int
    own_snapshots: int
    shared_snapshots: int
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., own_content: _Optional[int] = ..., shared_content: _Optional[int] = ..., own_snapshots: _Optional[int] = ..., shared_snapshots: _Optional[int] = ...) -> None: ...

class UsageResponse(_message.Message):
    __slots__ = ("images", "content", "snapshots", "reclaimable", "failures")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    RECLAIMABLE_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[ImageUsage]
    content: int
    snapshots: int
    reclaimable: int
    failures: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, images: _Optional[_Iterable[_Union[ImageUsage, _Mapping]]] = ..., content: _Optional[int] = ..., snapshots: _Optional[int] = ..., reclaimable: _Optional[int] = ..., failures: _Optional[_Iterable[str]] = ...) -> None: ...

class WhyRequest(_message.Message):
    __slots__ = ("name", "namespace")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    name: str
    namespace: str
    def __init__(self, name: _Optional[str] = ..., namespace: _Optional[str] = ...) -> None: ...

class WhyResponse(_message.Message):
    __slots__ = ("chains",)
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    chains: _containers.RepeatedCompositeFieldContainer[Chain]
    def __init__(self, chains: _Optional[_Iterable[_Union[Chain, _Mapping]]] = ...) -> None: ...

class Chain(_message.Message):
    __slots__ = ("steps",)
    STEPS_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[Step]
    def __init__(self, steps: _Optional[_Iterable[_Union[Step, _Mapping]]] = ...) -> None: ...

class Step(_message.Message):
    __slots__ = ("kind", "namespace", "snapshotter", "name", "how")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTTER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    kind: str
    namespace: str
    snapshotter: str
    name: str
    how: str
    def __init__(self, kind: _Optional[str] = ..., namespace: _Optional[str] = ..., snapshotter: _Optional[str] = ..., name: _Optional[str] = ..., how: _Optional[str] = ...) -> None: ...
