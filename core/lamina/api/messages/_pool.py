"""The pool, and what the generated modules ask of it."""

from __future__ import annotations

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

_pool = DescriptorPool()


def add_file(serialized: bytes) -> FileDescriptor:
    """Add a file to the pool.

    Args:
        serialized: A FileDescriptorProto. The files it imports have been added before.
    """
    return _pool.AddSerializedFile(serialized)


def message(file: FileDescriptor, name: str) -> type[Message]:
    """The class of a message declared at the top of a file."""
    return GetMessageClass(file.message_types_by_name[name])


def enum(file: FileDescriptor, name: str) -> EnumTypeWrapper:
    """The wrapper, with `Name` and `Value`, of an enum declared at the top of a file."""
    return EnumTypeWrapper(file.enum_types_by_name[name])
