"""Revisions of the profiles messages: the one we read, the one before it, and what is neither.

Ours is that of opentelemetry-proto 1.45 (Python), ``opentelemetry.proto.profiles.v1development``.
The one before it, which eBPF profilers of 2025 send, has the same fields of Profile and Sample
under other numbers: read as ours, its attributes would be lost and its values taken for attributes.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.profiles.v1development import profiles_pb2
from opentelemetry.proto.profiles.v1development.profiles_pb2 import Profile
from opentelemetry.proto.resource.v1 import resource_pb2

REVISION = "opentelemetry-proto 1.45, profiles.v1development"

# The numbers that the revision before gave to the same fields.
_EARLIER = {
    "Profile": {
        "profile_id": 8,
        "dropped_attributes_count": 9,
        "original_payload_format": 10,
        "original_payload": 11,
        "attribute_indices": 12,
    },
    "Sample": {"values": 2, "attribute_indices": 3, "link_index": 4},
}
_COMMENTS = 7

# What it alone has on the wire: an id where ours has a count, a list where ours has an index.
_PROFILE_ID = 8
_ATTRIBUTES = 3
_LENGTH_DELIMITED = 2


def profiles_of(request: Any) -> Iterator[Any]:
    """Give the profiles of a request of any revision, in order."""
    for resource in request.resource_profiles:
        for scope in resource.scope_profiles:
            yield from scope.profiles


def discard_foreign(request: ExportProfilesServiceRequest) -> list[int]:
    """Discard fields that our revision does not have; give the numbers of profiles with some."""
    profiles = list(profiles_of(request))
    before = request.ByteSize()
    sizes = [profile.ByteSize() for profile in profiles]
    request.DiscardUnknownFields()
    if request.ByteSize() == before:
        return []
    each = enumerate(zip(profiles, sizes, strict=True))
    return [place for place, (profile, size) in each if profile.ByteSize() != size]


def is_earlier(request: ExportProfilesServiceRequest) -> bool:
    """Tell whether a request has what only the revision before ours has."""
    return any(
        _has(profile, _PROFILE_ID) or any(_has(sample, _ATTRIBUTES) for sample in profile.samples)
        for profile in profiles_of(request)
    )


def _has(message: Any, number: int) -> bool:
    fields: Any = UnknownFieldSet(message)
    return any(
        each.field_number == number and each.wire_type == _LENGTH_DELIMITED for each in fields
    )


def from_earlier(payload: bytes) -> ExportProfilesServiceRequest | None:
    """Read a request of the revision before; None if it is not of that one either."""
    try:
        earlier = _earlier_request().FromString(payload)
    except DecodeError:
        return None
    before = [profile.ByteSize() for profile in profiles_of(earlier)]
    earlier.DiscardUnknownFields()
    if before != [profile.ByteSize() for profile in profiles_of(earlier)]:
        return None
    request = ExportProfilesServiceRequest.FromString(payload)
    for profile, old in zip(profiles_of(request), profiles_of(earlier), strict=True):
        profile.CopyFrom(_renumbered(old))
    return request


def _renumbered(old: Any) -> Profile:
    """Give a profile of the revision before as one of ours; its comments have no place there."""
    profile = Profile(
        time_unix_nano=old.time_unix_nano,
        duration_nano=old.duration_nano,
        period=old.period,
        profile_id=old.profile_id,
        dropped_attributes_count=old.dropped_attributes_count,
        original_payload_format=old.original_payload_format,
        original_payload=old.original_payload,
        attribute_indices=old.attribute_indices,
    )
    for name in ("sample_type", "period_type"):
        getattr(profile, name).MergeFromString(getattr(old, name).SerializeToString())
    for sample in old.samples:
        profile.samples.add(
            stack_index=sample.stack_index,
            attribute_indices=sample.attribute_indices,
            link_index=sample.link_index,
            values=sample.values,
            timestamps_unix_nano=sample.timestamps_unix_nano,
        )
    return profile


@cache
def _earlier_request() -> Any:
    """Give the request message of the revision before."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2, profiles_pb2, profiles_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            for field in message.field:
                field.number = _EARLIER.get(message.name, {}).get(field.name, field.number)
            if message.name == "Profile":
                message.field.add(
                    name="comment_strindices",
                    number=_COMMENTS,
                    type=descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
                    label=descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED,
                )
        pool.AddSerializedFile(file.SerializeToString())
    name = ExportProfilesServiceRequest.DESCRIPTOR.full_name
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
