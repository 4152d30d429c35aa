"""What a file is, is told by its bytes: never wrongly, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import COLLECTORS
from collectors.collector import Head
from collectors.otlp.recognise import is_json, signal_of_json, signals_of
from collectors.otlp.signals import SIGNALS
from pipeline.errors import BadRequest
from tests.importing import otlp_files as files

NAMES = [signal.name for signal in SIGNALS]


def sniffed(content: bytes, most_bytes: int = 1 << 18) -> str:
    """Give the first format that says yes."""
    head = Head(content[:most_bytes], whole=len(content) <= most_bytes)
    return next((each.format for each in COLLECTORS if each.sniff(head)), "")


@pytest.mark.parametrize("name", NAMES)
def test_a_request_is_of_one_signal_only(name: str) -> None:
    for number in (0, 1, 300, 70_000):
        assert [signal.name for signal in signals_of(files.MAKE[name](number))] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_fields_of_a_later_revision_do_not_hide_the_signal(name: str) -> None:
    payload = files.MAKE[name](1) + b"\xa2\x06\x03new"  # field 100
    assert [signal.name for signal in signals_of(payload)] == [name]


@pytest.mark.parametrize("size", [30, 200, 5000])
@pytest.mark.parametrize("name", NAMES)
def test_the_beginning_of_a_file_tells_its_framing_wherever_it_is_cut(name: str, size: int) -> None:
    payloads = [files.MAKE[name](number) for number in range(100)]
    lines = b"\n".join(files.as_json(name, payload) for payload in payloads)
    merged = files.REQUESTS[name].FromString(b"".join(payloads)).SerializeToString()
    assert sniffed(files.prefixed(payloads), size) == "otlp-proto"
    assert sniffed(files.delimited(payloads), size) == "otlp-delimited"
    assert sniffed(merged, size) == "otlp-message"
    assert sniffed(lines, size) == "otlp-json-lines"


@given(st.binary(max_size=300))
def test_no_bytes_make_sniffing_fail(content: bytes) -> None:
    sniffed(content)
    sniffed(content, 20)
    signals_of(content)
    if is_json(content):
        try:
            signal_of_json(content)
        except BadRequest:
            return


@given(st.binary(min_size=20, max_size=300))
def test_random_bytes_are_no_request(content: bytes) -> None:
    assert signals_of(content) == []


def test_json_of_no_or_several_signals_is_refused() -> None:
    assert signal_of_json(b"{}") is None
    with pytest.raises(BadRequest, match="none of resourceSpans, resourceMetrics"):
        signal_of_json(b'{"spans": []}')
    with pytest.raises(BadRequest, match="several of"):
        signal_of_json(b'{"a": 1, "resourceSpans": [], "resourceLogs": []}')
    with pytest.raises(BadRequest, match="not JSON"):
        signal_of_json(b'{"a": ' + b"[" * 100_000)
