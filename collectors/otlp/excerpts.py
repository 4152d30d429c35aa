"""Excerpts: readers of a message that skip all fields but those named, several times as fast."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from ptars import HandlerPool

# A field's name and, for messages, what is wanted in it; None for a scalar, and for a message that
# is wanted as its bytes. Pieces of a message that is not repeated would not add up as bytes.
Wanted = tuple[tuple[str, "Wanted | None"], ...]


@cache
def excerpt(descriptor: Descriptor, wanted: Wanted) -> Any:
    """Make a reader of a message that skips all fields but these.

    Args:
        descriptor: the message's own.
        wanted: fields by name; numbers, types, presence and oneofs stay as they are.

    Returns:
        A reader as ``wire.handler`` gives it.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tailgate/{descriptor.full_name}.proto", package="tailgate", syntax="proto3"
    )
    root = _copy(file, descriptor, wanted, "M")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    added = pool.FindFileByName(file.name)
    return HandlerPool([added]).get_for_message(added.message_types_by_name[root])


def _copy(
    file: descriptor_pb2.FileDescriptorProto, descriptor: Descriptor, wanted: Wanted, name: str
) -> str:
    """Declare a message with only the wanted fields; a message of its own for each place."""
    whole = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(whole)
    fields = {field.name: field for field in whole.field}
    message = file.message_type.add(name=name)
    for key, inner in wanted:
        field = message.field.add()
        field.CopyFrom(fields[key])
        if field.type == descriptor_pb2.FieldDescriptorProto.TYPE_ENUM:
            # On the wire an enumeration is its number.
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
            field.ClearField("type_name")
        if inner is None and field.type == descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE:
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
        if field.HasField("oneof_index"):
            field.oneof_index = _oneof(message, whole.oneof_decl[field.oneof_index].name)
        if inner is not None:
            below = descriptor.fields_by_name[key].message_type
            assert below is not None, f"{key} is no message"  # noqa: S101  (a fault of ours)
            field.type_name = f".tailgate.{_copy(file, below, inner, f'{name}_{key}')}"
    return name


def _oneof(message: descriptor_pb2.DescriptorProto, name: str) -> int:
    """Give the place of a oneof in a message, declaring it where it is new."""
    names = [oneof.name for oneof in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        names.append(name)
    return names.index(name)
