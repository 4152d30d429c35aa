"""Protobuf bytes to Arrow: ptars' handlers for whole requests, and for the few fields we check.

ptars reads the wire format straight into columns. Recursive values it leaves as bytes, which
collectors/otlp/anyvalue.py reads. It holds the GIL, so whole requests are read in landing only.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import Descriptor
from ptars import HandlerPool

from pipeline.errors import BadRequest

# A field of a cut-down message: number, type and, for messages, what is in it.
Fields = dict[str, tuple[int, "int | Fields"]]

BYTES = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
FIXED64 = descriptor_pb2.FieldDescriptorProto.TYPE_FIXED64


@cache
def handler(descriptor: Descriptor) -> Any:
    """Give the reader of a message type."""
    return HandlerPool([descriptor.file]).get_for_message(descriptor)


def read(reader: Any, payloads: Sequence[bytes]) -> pa.RecordBatch:
    """Read messages as one row each.

    Raises:
        BadRequest: one of them is not such a message.
    """
    try:
        return reader.list_to_record_batch(list(payloads))
    except ValueError as error:
        raise BadRequest(str(error)) from error
    except BaseException as error:
        # A panic in Rust comes as an exception that no handler of Exception sees.
        if type(error).__name__ != "PanicException":
            raise
        raise BadRequest(f"the decoder gave up: {error}") from error


def excerpt(name: str, fields: Fields) -> Any:
    """Make a reader of a message that skips all fields but these, about ten times as fast.

    Args:
        name: a name of its own for the excerpt.
        fields: repeated messages, nested, and the scalars wanted in the innermost.

    Returns:
        A reader as ``handler`` gives it.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tailgate/{name}.proto", package="tailgate", syntax="proto3"
    )
    _add_message(file, name, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    added = pool.FindFileByName(file.name)
    return HandlerPool([added]).get_for_message(added.message_types_by_name[name])


def _add_message(file: descriptor_pb2.FileDescriptorProto, name: str, fields: Fields) -> None:
    """Declare a message and those inside it."""
    message = file.message_type.add(name=name)
    for key, (number, kind) in fields.items():
        field = message.field.add(name=key, number=number)
        if isinstance(kind, int):
            field.type = kind  # type: ignore[assignment]
            field.label = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
            continue
        inner = f"{name}_{key}"
        _add_message(file, inner, kind)
        field.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
        field.label = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
        field.type_name = f".tailgate.{inner}"
