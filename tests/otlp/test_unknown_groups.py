"""Groups that nobody knows: what upb lets pass in them, which is acknowledged, lands as well."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collectors.otlp.signals import LOG_RECORDS, TRACES, Signal
from tests.otlp.wire_bytes import GROUP, GROUP_END, field, tag

NOW = 1_795_608_000_000_000_000
# A field 0 cannot be; inside a group upb skips it and ptars gives up.
STRANGE = tag(60, GROUP) + b"\x00\x05" + tag(60, GROUP_END)
ATTRIBUTE = KeyValue(key="k", value=AnyValue(string_value="v")).SerializeToString() + STRANGE

SPAN = field(1, b"\x01" * 16) + field(2, b"\x02" * 8) + field(9, ATTRIBUTE)
RECORD = field(6, ATTRIBUTE)


@pytest.mark.parametrize(
    ("signal", "item"), [(TRACES, SPAN), (LOG_RECORDS, RECORD)], ids=["traces", "logs"]
)
def test_a_request_with_a_strange_group_lands_with_all_that_is_known(
    signal: Signal, item: bytes
) -> None:
    payload = field(1, field(2, field(2, item)))
    assert signal.check(payload).total == 1
    rows, _ = signal.decode([payload, payload], [bytes(16)] * 2, [NOW] * 2, 8)
    assert rows[signal.tables[0].name]["attributes"].to_pylist() == [[("k", "v")]] * 2
