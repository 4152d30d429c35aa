"""Settings: defaults, file, environment; what is wrong is named with its key."""

from pathlib import Path

import pytest

from pipeline.errors import BadSetting
from pipeline.settings import Settings, load


def write(tmp_path: Path, text: str) -> Path:
    """Write a tailgate.toml."""
    file = tmp_path / "tailgate.toml"
    file.write_text(text)
    return file


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Settings()


def test_a_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = write(tmp_path, "[journal]\nsegment_seconds = 2\nbacklog_bytes = 9000\n")
    settings = load(file, {"TAILGATE_JOURNAL_BACKLOG_BYTES": "8000", "TAILGATE_OTHER": "x"})
    assert settings.journal.segment_seconds == 2
    assert settings.journal.backlog_bytes == 8000


def test_booleans_and_lists_are_read_as_what_they_are(tmp_path: Path) -> None:
    file = write(tmp_path, '[redact]\nkeys = ["user.email"]\n[receiver]\ninsecure = true\n')
    assert load(file, {}).redact.keys == ("user.email",)
    assert load(file, {}).receiver.insecure
    environ = {"TAILGATE_REDACT_KEYS": "a, b", "TAILGATE_RECEIVER_INSECURE": "false"}
    assert load(file, environ).redact.keys == ("a", "b")
    assert not load(file, environ).receiver.insecure


@pytest.mark.parametrize(
    ("text", "environ", "why"),
    [
        ("[jornal]", {}, r"unknown section jornal; known: \[receiver\]"),
        ("[journal]\nsegment = 1", {}, r"\[journal\] segment: no such setting; known: segment_b"),
        ("[journal]\nsegment_bytes = 'x'", {}, r"segment_bytes: 'x' is not int"),
        ("[journal]\nsegment_bytes = true", {}, r"segment_bytes: True is not int"),
        ("[receiver]\ngrpc_port = 70000", {}, r"grpc_port: 70000 is outside 0 to 65535"),
        ("[redact]\nkeys = 'a'", {}, r"\[redact\] keys: 'a' is not a list of texts"),
        ("", {"TAILGATE_RECEIVER_INSECURE": "maybe"}, r"INSECURE: 'maybe' is not bool"),
        ("journal = 3", {}, r"journal is a section: write \[journal\]"),
        ("[journal", {}, r"tailgate\.toml: Expected"),
        ("", {"TAILGATE_RECEIVER_GRPC_PORT": "ten"}, r"TAILGATE_RECEIVER_GRPC_PORT: 'ten' is not"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, text: str, environ: dict[str, str], why: str
) -> None:
    with pytest.raises(BadSetting, match=why):
        load(write(tmp_path, text), environ)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="no such file"):
        load(tmp_path / "missing.toml", {})
