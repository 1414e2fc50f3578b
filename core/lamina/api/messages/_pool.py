"""The private descriptor pool, and the functions that the generated modules call."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.internal import api_implementation
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from lamina.context import uninterrupted

_pool: Any
_class_of: Callable[[Any], type[Message]]

if api_implementation.Type() == "upb":
    # The public modules below wrap these classes, but also import the pure Python messages, their text format and
    # pickle, which takes a twentieth of a start.
    _upb: Any = importlib.import_module("google._upb._message")
    _pool = _upb.DescriptorPool()

    def _class_of(descriptor: Any) -> type[Message]:
        made: type[Message] = _upb.MessageMeta(
            descriptor.name, (Message,), {"DESCRIPTOR": descriptor, "__module__": None}
        )
        return made

else:
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass

    _pool, _class_of = DescriptorPool(), GetMessageClass


def add_file(serialized: bytes) -> FileDescriptor:
    """Add a file to the pool.

    Args:
        serialized: A FileDescriptorProto. The files that it imports must have been added.
    """
    file: FileDescriptor = _pool.AddSerializedFile(serialized)
    return file


def messages(file: FileDescriptor, module: dict[str, Any]) -> Callable[[str], type[Message]]:
    """Return the `__getattr__` of a module (PEP 562), which makes the class of a message when it is first used.

    Args:
        file: The file that declares the messages.
        module: The globals of the module, in which the classes are kept.
    """

    def __getattr__(name: str) -> type[Message]:  # noqa: N807 # the name that Python looks for
        if name not in file.message_types_by_name:
            raise AttributeError(f"module {module['__name__']!r} has no attribute {name!r}")
        with uninterrupted():  # protobuf's code in C crashes if an exception is raised meanwhile
            made: type[Message] = module.setdefault(name, _class_of(file.message_types_by_name[name]))
        return made

    return __getattr__


def enum(file: FileDescriptor, name: str) -> EnumTypeWrapper:
    """Return the wrapper of a top-level enum of a file, with `Name` and `Value`."""
    return EnumTypeWrapper(file.enum_types_by_name[name])
