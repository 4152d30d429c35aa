"""Pauses that spans and eBPF tools tell one by one: each counts once, where it began."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import Table

from pipeline.cli.main import main
from pipeline.gate.runtime import SignalRequest, read_signals
from pipeline.gate.runtime_levels import SignalLevel
from pipeline.lake import Lake, append
from pipeline.schema import SPANS
from tests.gate.runtime_points import MINUTE, NOON, SECOND, Point

SpanRows = Callable[..., Table]
TEN_MINUTES = (NOON, NOON + 10 * MINUTE)


def level(lake: Lake, name: str, window: tuple[int, int] = TEN_MINUTES) -> SignalLevel:
    """Read the one level of a signal in a window."""
    (found,) = read_signals(lake, SignalRequest(names=(name,), window=window))
    (one,) = found.levels
    return one


def estimate(lake: Lake, name: str, window: tuple[int, int] = TEN_MINUTES) -> float:
    """Give the value of a signal in a window."""
    return level(lake, name, window).value.estimate


def collecting() -> list[Point]:
    """Give a process that collects for 50 ms and answers for 1 s, each second of 10 minutes."""
    common: Point = {"service_name": "shop", "service_instance_id": "a"}
    rows: list[Point] = []
    for second in range(600):
        start = {"start_time_unix_nano": NOON + second * SECOND}
        rows.append(common | start | {"name": "GET /", "duration_nano": SECOND})
        pause = {"name": "cpython.gc", "kind": 1, "duration_nano": 50_000_000}
        rows.append(common | start | pause)
    return rows


def test_a_pause_that_is_sent_again_counts_once(lake: Lake, span_rows: SpanRows) -> None:
    for ingested in (NOON + 20 * MINUTE, NOON + 21 * MINUTE):
        again = {"ingest_time_unix_nano": ingested}
        append(lake, SPANS, span_rows(*(row | again for row in collecting())))
    assert estimate(lake, "gc_pause_share") == pytest.approx(0.05)
    assert estimate(lake, "gc_collections_per_minute") == pytest.approx(60)
    assert level(lake, "gc_pause_p50_ms").n == pytest.approx(600)


@pytest.mark.parametrize("hours", [2, 24 * 365])
def test_a_stream_that_goes_on_hides_no_pause(lake: Lake, span_rows: SpanRows, hours: int) -> None:
    stream = {"name": "GET /stream", "duration_nano": hours * 60 * MINUTE}
    began = {"start_time_unix_nano": NOON + 5 * MINUTE, "service_name": "shop"}
    whose = {"service_instance_id": "a", "trace_id": "f" * 32}
    append(lake, SPANS, span_rows(*collecting(), stream | began | whose))
    found = level(lake, "gc_pause_share")
    assert found.value.estimate == pytest.approx(0.05)
    assert found.minutes == 10
    # Without a window the last minute is all that could be watched after the last start.
    request = SignalRequest(names=("gc_pause_share",))
    (signal,) = read_signals(lake, request)
    assert signal.levels[0].value.estimate == pytest.approx(600 * 0.05 / 659)


def test_pauses_of_a_recording_belong_to_the_minutes_that_they_began_in(
    lake: Lake, tmp_path: Path
) -> None:
    # An hour, in whose first half a pause takes 50 ms each second, and 500 ms in its second half.
    lines = [
        f"{second + 0.25:.3f} {50_000 if second < 1800 else 500_000:.2f} gen 2 GC collected 9"
        for second in range(3600)
    ]
    head = ["Tracing garbage collections in python process 7... Ctrl-C to quit."]
    file = tmp_path / "pythongc.txt"
    file.write_text("\n".join([*head, "START TIME (us) DESCRIPTION", *lines, ""]))
    began = ("--time", "2026-11-25T12:00:00Z", "--service", "shop")
    with pytest.raises(SystemExit) as end:
        main(["import", "--lake", str(lake.path), *began, str(file)])
    assert not end.value.code
    for first, share in ((0, 0.05), (25, 0.275), (40, 0.5)):
        window = (NOON + first * MINUTE, NOON + (first + 10) * MINUTE)
        assert estimate(lake, "gc_pause_share", window) == pytest.approx(share)
        assert level(lake, "gc_pause_p50_ms", window).n == pytest.approx(600)
        assert level(lake, "gc_collections_per_minute", window).minutes == 10
