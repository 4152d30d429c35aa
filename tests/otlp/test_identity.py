"""Identity: tokens by name, compared by hash, with services and rates; exposure asks for them."""

import hashlib
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.otlp.exposure import require_guarded
from collectors.otlp.identity import Identity, Tokens, read_tokens
from collectors.otlp.screening import REDACTED, Redaction, remove_foreign
from collectors.otlp.signals import TRACES
from pipeline.errors import BadSetting, Overloaded, Unauthenticated
from pipeline.settings import Receiver


def sha256(token: str) -> str:
    """Give a token's hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def entry(name: str, token: str, more: str = "") -> str:
    """Write an entry of the tokens file."""
    return f'[[token]]\nname = "{name}"\nsha256 = "{sha256(token)}"\n{more}\n'


class Clock:
    """A clock that tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file with two tokens."""
    file = tmp_path / "tokens.toml"
    file.write_text(entry("a", "one") + entry("b", "two", 'services = ["cart-*"]'))
    return file


def test_a_token_tells_who_sends(file: Path) -> None:
    tokens = Tokens(file)
    assert tokens.identify("Bearer one").name == "a"
    assert tokens.identify("bearer  two").services == ("cart-*",)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic one", "one", "Bearer x"])
def test_what_is_no_known_token_is_refused_and_not_told_again(
    file: Path, header: str | None
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        Tokens(file).identify(header)
    assert "Bearer x" not in str(refused.value)


def test_a_changed_file_is_read_again_and_a_broken_one_leaves_what_was(file: Path) -> None:
    clock = Clock()
    tokens = Tokens(file, clock)
    file.write_text(entry("c", "three"))
    clock.now = 0.5
    assert tokens.identify("Bearer one").name == "a"
    clock.now = 2.0
    assert tokens.identify("Bearer three").name == "c"
    with pytest.raises(Unauthenticated):
        tokens.identify("Bearer one")
    file.write_text("[[token]]\nname = 3")
    clock.now = 4.0
    assert tokens.identify("Bearer three").name == "c"
    file.unlink()
    clock.now = 6.0
    assert tokens.identify("Bearer three").name == "c"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no tokens"),
        ("[[token]]\nname = 'a'", "sha256 is not 64 hex digits"),
        ("[[token]]\nsha256 = 'a'", "name is missing"),
        (entry("a", "one", "service = 'x'"), "service: no such key; known: name"),
        (entry("a", "one", "services = 'x'"), "services is not a list"),
        (entry("a", "one", "requests_per_second = -1"), "not a number from 0 up"),
        (entry("a", "one") + entry("a", "two"), "token 2: name or token given twice"),
        (entry("a", "one") + entry("b", "one"), "token 2: name or token given twice"),
        ("[[token", "tokens.toml"),
    ],
)
def test_a_wrong_file_is_named_with_its_entry(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text(text)
    with pytest.raises(BadSetting, match=why) as refused:
        read_tokens(file)
    assert sha256("one") not in str(refused.value)


def test_a_rate_lets_a_burst_through_and_then_asks_to_wait() -> None:
    sender = Identity("a", requests_per_second=2.0)
    for _ in range(4):
        sender.spend(10.0)
    with pytest.raises(Overloaded, match="token a: more than 2 requests a second") as refused:
        sender.spend(10.0)
    assert refused.value.retry_seconds == 1.0
    sender.spend(10.5)
    with pytest.raises(Overloaded):
        sender.spend(10.5)
    Identity("b").spend(0.0)


def request_of(*services: str) -> ExportTraceServiceRequest:
    """Make a request with two spans a service; an empty name leaves it out."""
    request = ExportTraceServiceRequest()
    for service in services:
        resource = request.resource_spans.add()
        if service:
            resource.resource.attributes.add(key="service.name").value.string_value = service
        for number in (1, 2):
            resource.scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=bytes([number] * 8))
    return request


def test_a_sender_writes_only_for_its_services() -> None:
    request = request_of("cart-eu", "orders", "cart-us", "")
    sender = Identity("carts", ("cart-*",))
    assert remove_foreign(request, TRACES, sender) == {
        "token carts may not send for this service": 4
    }
    assert request == request_of("cart-eu", "cart-us")
    assert remove_foreign(request, TRACES, sender) == {}


def test_redaction_replaces_values_at_any_depth_and_leaves_the_rest() -> None:
    request = request_of("shop")
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="user.email").value.string_value = "a@b"
    span.attributes.add(key="user.emails").value.string_value = "kept"
    inner = span.events.add(name="e").attributes.add(key="list").value.kvlist_value.values
    inner.add(key="user.email").value.int_value = 3
    redaction = Redaction(["user.email"])
    assert redaction.concerns(request.SerializeToString())
    sent = request.SerializeToString()
    assert redaction.apply(request) == 2
    assert redaction.redacted(TRACES, sent) == request.SerializeToString()
    assert redaction.redacted(TRACES, b"user.email is no request") == b"user.email is no request"
    assert span.attributes[0].value.string_value == REDACTED
    assert span.attributes[1].value.string_value == "kept"
    assert span.events[0].attributes[0].value.kvlist_value.values[0].value.string_value == REDACTED
    assert not redaction.concerns(request_of("shop").SerializeToString())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.1"])
def test_loopback_needs_nothing(host: str) -> None:
    require_guarded(Receiver(host=host))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (Receiver(host="0.0.0.0"), "without TLS .* and identity .*--insecure"),
        (Receiver(host="0.0.0.0", tls_cert="c", tls_key="k"), "without identity"),
        (Receiver(host="example.org", tokens_file="t"), "without TLS"),
        (Receiver(tls_cert="c"), "go together"),
        (Receiver(tls_client_ca="c"), "goes with tls_cert"),
    ],
)
def test_beyond_loopback_tls_and_identity_are_asked_for(settings: Receiver, why: str) -> None:
    with pytest.raises(BadSetting, match=why):
        require_guarded(settings)


def test_whoever_says_insecure_is_believed() -> None:
    require_guarded(Receiver(host="0.0.0.0", insecure=True))
    require_guarded(Receiver(host="0.0.0.0", tls_cert="c", tls_key="k", tokens_file="t"))
    require_guarded(Receiver(host="0.0.0.0", tls_cert="c", tls_key="k", tls_client_ca="a"))
