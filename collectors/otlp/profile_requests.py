"""Profile requests as they come: read, with what upb alone can tell about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2 import (
    ExportProfilesServiceRequest,
)
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.profiles.v1development import profiles_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from ptars import HandlerPool

from collectors.otlp import wire
from collectors.otlp.profile_revisions import discard_foreign, from_earlier, is_earlier
from pipeline.errors import BadRequest

# Far above what profilers send, and what can be held of each: these are read one by one.
_MOST_ENTRIES = 1_000_000
_MOST_PROFILES = 200_000
_READ_SINGLY = ("attribute_table", "mapping_table", "function_table", "location_table")


@dataclass
class Requests:
    """Profile requests, read.

    Attributes:
        batch: one row a request, as ptars gives them.
        bad_resources, bad_scopes, foreign_profiles: numbers, over all requests, of those whose
            attributes point outside the string table, and that have fields of another revision.
        earlier: how many requests were of the revision before ours.
    """

    batch: pa.RecordBatch
    bad_resources: list[int] = field(default_factory=list)
    bad_scopes: list[int] = field(default_factory=list)
    foreign_profiles: list[int] = field(default_factory=list)
    earlier: int = 0


@dataclass
class Strings:
    """A request's string table, and what was asked of it.

    Attributes:
        table: the strings.
        used: how many were asked for.
        missing: how many of those it does not have.
    """

    table: Sequence[str]
    used: int = 0
    missing: int = 0

    def text(self, number: int) -> str:
        """Give a string; number 0 is the empty one also in an empty table."""
        self.used += 1
        if 0 <= number < len(self.table):
            return self.table[number]
        self.missing += number != 0
        return ""


def read_requests(payloads: Sequence[bytes]) -> Requests:
    """Read requests; strings that attributes of resources and scopes point at are put in.

    Raises:
        BadRequest: one of them is no profiles request, or has too much in it.
    """
    found = Requests(pa.record_batch({}))
    plain = []
    resources = scopes = profiles = 0
    for payload in payloads:
        try:
            request = ExportProfilesServiceRequest.FromString(payload)
        except DecodeError as error:
            raise BadRequest(f"no profiles request: {error}") from error
        # What upb writes has each field once; ptars would read some repeats in another way.
        earlier = found.earlier
        _refuse_too_many(request)
        request, foreign = _of_our_revision(request, payload, found)
        found.foreign_profiles += [profiles + place for place in foreign]
        changed = found.earlier > earlier or request.ByteSize() != len(payload)
        for resource in request.resource_profiles:
            strings = Strings(request.dictionary.string_table)
            _put_in(resource.resource.attributes, strings)
            found.bad_resources += [resources] if strings.missing else []
            changed = changed or strings.used > 0
            for scope in resource.scope_profiles:
                strings = Strings(request.dictionary.string_table)
                _put_in(scope.scope.attributes, strings)
                found.bad_scopes += [scopes] if strings.missing else []
                changed = changed or strings.used > 0
                scopes += 1
                profiles += len(scope.profiles)
            resources += 1
        plain.append(request.SerializeToString() if changed else payload)
    found.batch = wire.read(_reader(), plain)
    return found


def _refuse_too_many(request: ExportProfilesServiceRequest) -> None:
    """Refuse what would keep us busy for minutes."""
    for name in _READ_SINGLY:
        if len(getattr(request.dictionary, name)) > _MOST_ENTRIES:
            raise BadRequest(f"more than {_MOST_ENTRIES} entries in {name}; split the request")
    owners = len(request.resource_profiles)
    for resource in request.resource_profiles if owners <= _MOST_PROFILES else ():
        owners += len(resource.scope_profiles)
        if owners <= _MOST_PROFILES:
            owners += sum(len(scope.profiles) for scope in resource.scope_profiles)
    if owners > _MOST_PROFILES:
        raise BadRequest(
            f"more than {_MOST_PROFILES} profiles, scopes and resources; split the request"
        )


def _of_our_revision(
    request: ExportProfilesServiceRequest, payload: bytes, found: Requests
) -> tuple[ExportProfilesServiceRequest, list[int]]:
    """Give a request as ours, and which of its profiles have fields that are in no revision."""
    foreign = discard_foreign(request)
    if not foreign or not is_earlier(ExportProfilesServiceRequest.FromString(payload)):
        return request, foreign
    renumbered = from_earlier(payload)
    if renumbered is None:
        return request, foreign
    found.earlier += 1
    discard_foreign(renumbered)
    return renumbered, []


def _put_in(attributes: Iterable[KeyValue], strings: Strings) -> None:
    """Put strings in the place of their numbers."""
    for attribute in attributes:
        if attribute.key_strindex:
            attribute.key = strings.text(attribute.key_strindex)
            attribute.ClearField("key_strindex")
        settle(attribute.value, strings)


def settle(value: AnyValue, strings: Strings) -> None:
    """Put strings in the place of their numbers in a value."""
    kind = value.WhichOneof("value")
    if kind == "string_value_strindex":
        value.string_value = strings.text(value.string_value_strindex)
    elif kind == "array_value":
        for element in value.array_value.values:
            settle(element, strings)
    elif kind == "kvlist_value":
        _put_in(value.kvlist_value.values, strings)


@cache
def _reader() -> Any:
    """Give the reader of requests in which the dictionary's attribute values stay bytes."""
    pool = descriptor_pool.DescriptorPool()
    for module in (common_pb2, resource_pb2, profiles_pb2, profiles_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            if message.name == "KeyValueAndUnit":
                (value,) = (each for each in message.field if each.name == "value")
                value.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
                value.ClearField("type_name")
        pool.AddSerializedFile(file.SerializeToString())
    added = pool.FindFileByName(profiles_service_pb2.DESCRIPTOR.name)
    name = ExportProfilesServiceRequest.DESCRIPTOR.name
    return HandlerPool([added]).get_for_message(added.message_types_by_name[name])
