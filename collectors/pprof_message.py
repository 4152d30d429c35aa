"""pprof messages to columns: decompressed within limits, told apart from what is no profile.

Source: github.com/google/pprof, proto/profile.proto.
"""

import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf import descriptor_pb2, descriptor_pool
from ptars import HandlerPool

from pipeline.errors import BadRequest

MOST_BYTES = 512 << 20

# A profile repeats itself, yet not like this; small ones may.
MOST_RATIO = 200
RATIO_COUNTS_FROM_BYTES = 16 << 20
_CHUNK_BYTES = 1 << 20

_GZIP = b"\x1f\x8b"

_Proto = descriptor_pb2.FieldDescriptorProto
_I, _U, _B = _Proto.TYPE_INT64, _Proto.TYPE_UINT64, _Proto.TYPE_BYTES

# Fields by message: number, type or message, whether it repeats. Strings are bytes, because real
# profiles hold some that are not UTF-8. What stands once in a profile is read as if it repeated:
# two profiles one after the other are also one message, and a wrong one.
_MESSAGES: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "ValueType": {"type": (1, _I, False), "unit": (2, _I, False)},
    "Label": {
        "key": (1, _I, False),
        "str": (2, _I, False),
        "num": (3, _I, False),
        "num_unit": (4, _I, False),
    },
    "Sample": {"location_id": (1, _U, True), "value": (2, _I, True), "label": (3, "Label", True)},
    "Mapping": {
        "id": (1, _U, False),
        "memory_start": (2, _U, False),
        "memory_limit": (3, _U, False),
        "file_offset": (4, _U, False),
        "filename": (5, _I, False),
        "build_id": (6, _I, False),
    },
    "Line": {"function_id": (1, _U, False), "line": (2, _I, False), "column": (3, _I, False)},
    "Location": {
        "id": (1, _U, False),
        "mapping_id": (2, _U, False),
        "address": (3, _U, False),
        "line": (4, "Line", True),
    },
    "Function": {
        "id": (1, _U, False),
        "name": (2, _I, False),
        "system_name": (3, _I, False),
        "filename": (4, _I, False),
        "start_line": (5, _I, False),
    },
    "Profile": {
        "sample_type": (1, "ValueType", True),
        "sample": (2, "Sample", True),
        "mapping": (3, "Mapping", True),
        "location": (4, "Location", True),
        "function": (5, "Function", True),
        "string_table": (6, _B, True),
        "drop_frames": (7, _I, True),
        "keep_frames": (8, _I, True),
        "time_nanos": (9, _I, True),
        "duration_nanos": (10, _I, True),
        "period_type": (11, "ValueType", True),
        "period": (12, _I, True),
        "comment": (13, _I, True),
        "default_sample_type": (14, _I, True),
    },
}
_ONCE = ("time_nanos", "duration_nanos", "period_type", "period", "default_sample_type")


@dataclass(frozen=True)
class Pprof:
    """A profile as it was sent, its numbers of strings resolved where there are few of them.

    Attributes:
        sample_types: name and unit of each value of a sample.
        default_sample_type: what a viewer shows first; empty for none.
        time_unix_nano, duration_nano: 0 for unknown.
        period, period_name, period_unit: what was counted between two samples.
        drop_frames, keep_frames: regular expressions; empty for none.
        comments: as sent.
        texts: the string table, text that is not UTF-8 replaced.
        replaced: how many of them were not UTF-8.
        samples, locations, functions, mappings: structs as the format has them.
    """

    sample_types: list[tuple[str, str]]
    default_sample_type: str
    time_unix_nano: int
    duration_nano: int
    period: int
    period_name: str
    period_unit: str
    drop_frames: str
    keep_frames: str
    comments: list[str]
    texts: pa.StringArray
    replaced: int
    samples: pa.StructArray
    locations: pa.StructArray
    functions: pa.StructArray
    mappings: pa.StructArray

    @cached_property
    def strings(self) -> list[str]:
        """Give the string table as Python has text."""
        return list(self.texts.to_pylist())


def read_pprof(data: bytes, most_bytes: int = MOST_BYTES) -> Pprof:
    """Read a pprof profile, gzipped or not.

    Args:
        data: the file.
        most_bytes: what it may hold decompressed.

    Raises:
        BadRequest: it is cut off, too large, no profile, or two of them.
    """
    plain = decompressed(data, most_bytes)
    try:
        row = _reader().list_to_record_batch([plain])
    except ValueError as error:
        raise BadRequest(f"no pprof profile: {error}") from error
    except BaseException as error:
        # A panic in Rust comes as an exception that no handler of Exception sees.
        if type(error).__name__ != "PanicException":
            raise
        raise BadRequest(f"no pprof profile: the decoder gave up: {error}") from error
    tables = {name: row.column(name).flatten() for name in _MESSAGES["Profile"]}
    twice = [name for name in _ONCE if len(tables[name]) > 1]
    if twice:
        raise BadRequest(f"concatenated profiles: {', '.join(twice)} stand there more than once")
    if not len(tables["string_table"]) or not len(tables["sample_type"]):
        raise BadRequest("no pprof profile: it has no strings or no sample types")
    return _profile(tables)


def decompressed(data: bytes, most_bytes: int = MOST_BYTES) -> bytes:
    """Undo gzip where its magic says so; every member of the file.

    Raises:
        BadRequest: cut off, followed by what is no gzip, or too large.
    """
    if not data.startswith(_GZIP):
        if len(data) > most_bytes:
            raise BadRequest(f"more than {most_bytes} bytes")
        return data
    parts: list[bytes] = []
    size = 0
    rest = data
    while rest:
        if not rest.startswith(_GZIP):
            raise BadRequest(f"{len(rest)} bytes after the end of gzip are no gzip")
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                part = member.decompress(rest, _CHUNK_BYTES)
            except zlib.error as error:
                raise BadRequest(f"corrupt gzip: {error}") from error
            rest = member.unconsumed_tail
            if not part and not rest and not member.eof:
                raise BadRequest("gzip is cut off")
            parts.append(part)
            size += len(part)
            _check_size(size, len(data), most_bytes)
        rest = member.unused_data
    return b"".join(parts)


def _check_size(size: int, compressed: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise BadRequest(f"more than {most_bytes} bytes when decompressed")
    if size > RATIO_COUNTS_FROM_BYTES and size > MOST_RATIO * compressed:
        raise BadRequest(f"more than {MOST_RATIO} times its size when decompressed")


def _profile(tables: dict[str, pa.Array]) -> Pprof:
    """Make a profile of its tables."""
    texts, replaced = _texts(tables["string_table"])

    def text(number: int) -> str:
        if not 0 <= number < len(texts):
            raise BadRequest(f"string {number} is not among the profile's {len(texts)}")
        return str(texts[number].as_py())

    def once(name: str) -> Any:
        return tables[name][0].as_py() if len(tables[name]) else 0

    if text(0):
        raise BadRequest("no pprof profile: string 0 is not empty")
    period_type = once("period_type") or {"type": 0, "unit": 0}
    return Pprof(
        sample_types=[
            (text(each["type"]), text(each["unit"])) for each in tables["sample_type"].to_pylist()
        ],
        default_sample_type=text(once("default_sample_type")),
        time_unix_nano=max(once("time_nanos"), 0),
        duration_nano=max(once("duration_nanos"), 0),
        period=once("period"),
        period_name=text(period_type["type"]),
        period_unit=text(period_type["unit"]),
        drop_frames=text(once("drop_frames")),
        keep_frames=text(once("keep_frames")),
        comments=[text(number) for number in tables["comment"].to_pylist()],
        texts=texts,
        replaced=replaced,
        samples=tables["sample"],
        locations=tables["location"],
        functions=tables["function"],
        mappings=tables["mapping"],
    )


def _texts(table: pa.BinaryArray) -> tuple[pa.StringArray, int]:
    """Give a string table as text, and how many of it were not UTF-8 and are repaired."""
    try:
        texts = pc.cast(table, pa.string())
        # Copied, because one buffer of what was decoded keeps all of it.
        return texts.take(pa.array(range(len(texts)), pa.int32())), 0
    except pa.ArrowInvalid:
        raw: list[bytes] = table.to_pylist()
    strings = [each.decode("utf-8", "replace") for each in raw]
    pairs = zip(strings, raw, strict=True)
    replaced = sum("\ufffd" in each and each.encode() != given for each, given in pairs)
    return pa.array(strings, pa.string()), replaced


@cache
def _reader() -> Any:
    """Give the reader of profiles."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tailgate/pprof.proto", package="tailgate.pprof", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for key, (number, kind, repeats) in fields.items():
            field = message.field.add(name=key, number=number)
            field.label = _Proto.LABEL_REPEATED if repeats else _Proto.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type = _Proto.TYPE_MESSAGE
                field.type_name = f".tailgate.pprof.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    added = pool.FindFileByName(file.name)
    return HandlerPool([added]).get_for_message(added.message_types_by_name["Profile"])
