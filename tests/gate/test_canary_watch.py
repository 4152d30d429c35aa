"""Watching a canary: what ends a watch, what waits for its end, and that looks can be repeated."""

import io
import math
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import UsageError
from pipeline.gate.following import Clock, followed, replayed
from pipeline.gate.measures import Tolerance
from pipeline.gate.standings import ANYTIME, LOOKS, Watch
from pipeline.gate.verdict import EXIT_STATUS
from pipeline.gate.watching import Look, looks_of
from pipeline.jobs.judge_answer import CELLS, Inputs
from pipeline.jobs.judge_request import JudgeRequest, parse_selector
from pipeline.jobs.looks import Reading, read_looks
from pipeline.lake import Lake, append
from pipeline.report.looks import write_look_json
from pipeline.schema import SPANS
from pipeline.stats.buckets import bucket_index

FIRST = 29_000_000
NOON = 1_795_608_000_000_000_000
MINUTE = 60_000_000_000
SECOND = 1_000_000_000
REQUEST = JudgeRequest(parse_selector("service.version=v1"), parse_selector("service.version=v2"))
TOLERANCE = Tolerance(relative=0.10)
Cells = dict[str, list[object]]


def cells(
    side: int, factor: float = 1.0, minutes: tuple[int, int] = (0, 30), errors: float = 0.0
) -> Cells:
    """Give 200 requests a minute of one side: lognormal about 100 ms, on 4 instances."""
    rng = np.random.default_rng(side + 1)
    rows: Cells = {"instance": [], "minute": [], "bucket": [], "requests": [], "errors": []}
    for minute in range(*minutes):
        for instance in range(4):
            nanos = 1e8 * factor * np.exp(rng.normal(0, 0.3, 50))
            buckets, counts = np.unique(bucket_index(nanos), return_counts=True)
            rows["instance"] += [f"{side}/{instance}"] * len(buckets)
            rows["minute"] += [FIRST + minute] * len(buckets)
            rows["bucket"] += buckets.tolist()
            rows["requests"] += counts.astype(float).tolist()
            rows["errors"] += (counts * errors).tolist()
    return rows | {"side": [side] * len(rows["minute"])}


def reading(*parts: Cells, request: JudgeRequest = REQUEST) -> Reading:
    """Give what a lake with one operation has."""
    columns = {name: [each for part in parts for each in part[name]] for name in parts[0]}
    rows = pa.table(columns)
    order = [(name, "ascending") for name in ("side", "instance", "minute", "bucket")]
    rows = rows.sort_by(order)
    count = rows.num_rows
    for name, value in (("service_name", "shop"), ("operation", "GET /cart"), ("stratum", "")):
        rows = rows.append_column(name, pa.array([value] * count))
    rows = rows.append_column("requests_squared", rows["requests"])
    for name in ("errors_5xx", "errors_4xx"):
        rows = rows.append_column(name, pa.array([0.0] * count))
    side, minute = rows["side"].to_numpy(), rows["minute"].to_numpy()
    firsts = [int(minute[side == each].min()) for each in (0, 1) if (side == each).any()]
    first = max(firsts) if len(firsts) == 2 else None
    return Reading(Inputs({CELLS: rows}, {}), request, first, int(minute.max()))


def watched(found: Reading, watch: Watch, end: int = 30) -> list[Look]:
    """Look at every minute there is."""
    return list(looks_of(found, watch, 0, FIRST + end))


def verdicts(look: Look) -> dict[str, str]:
    """Give the verdict of each check."""
    return {each.check.metric: each.check.verdict for each in look.standings}


def line(look: Look) -> bytes:
    """Write a look."""
    out = io.BytesIO()
    write_look_json(look, out)
    return out.getvalue()


def test_a_sure_regression_ends_the_watch_between_planned_looks() -> None:
    looks = watched(reading(cells(0), cells(1, 1.5)), Watch(tolerance=TOLERANCE))
    assert [look.verdict for look in looks[:6]] == ["inconclusive"] * 6
    assert (looks[-1].minute, looks[-1].verdict) == (7, "fail")
    assert looks[-1].ends == "a regression is sure"
    assert looks[-1].number is None
    assert looks[-1].worst is not None
    assert looks[-1].worst.progress == 1.0
    assert looks[-1].worst.evidence is not None
    assert looks[-1].worst.evidence.log_e_worse > math.log(4 * 100 / 2)


def test_a_canary_like_its_baseline_gets_its_verdict_at_the_last_look() -> None:
    watch = Watch(tolerance=TOLERANCE)
    looks = watched(reading(cells(0), cells(1)), watch)
    assert len(looks) == 30
    assert [look.minute for look in looks if look.number is not None] == [6, 10, 15, 20, 25, 30]
    assert [look.ends for look in looks] == [""] * 29 + ["the last look"]
    assert verdicts(looks[-1]) == {
        "p50": "pass",
        "p95": "pass",
        # 60 requests above it cannot tell a tenth.
        "p99": "inconclusive",
        "error_ratio": "pass",
    }
    spent = [look.alpha_spent for look in looks]
    assert spent == sorted(spent)
    assert spent[-1] == pytest.approx(0.01)


def test_a_sure_pass_ends_it_early_only_where_that_is_asked_for() -> None:
    request = JudgeRequest(REQUEST.baseline, REQUEST.canary, quantiles=(0.5,))
    found = reading(cells(0), cells(1, 0.9), request=request)
    early = watched(found, Watch(stop_on_pass=True, tolerance=TOLERANCE))[-1]
    assert (early.verdict, early.ends, early.minute < 30) == ("pass", "a pass is sure", True)
    assert early.number is not None
    late = watched(found, Watch(tolerance=TOLERANCE))[-1]
    assert (late.verdict, late.ends) == ("pass", "the last look")


def test_errors_are_found_at_a_planned_look_and_by_no_other() -> None:
    found = reading(cells(0), cells(1, errors=0.1))
    for rule in (LOOKS, ANYTIME):
        last = watched(found, Watch(rule=rule, tolerance=TOLERANCE))[-1]
        assert (last.verdict, verdicts(last)["error_ratio"]) == ("fail", "fail")
        assert last.number is not None


def test_a_shift_within_the_margin_is_no_regression() -> None:
    last = watched(reading(cells(0), cells(1, 1.05)), Watch(tolerance=TOLERANCE))[-1]
    assert last.minute == 30
    assert verdicts(last)["p50"] in ("pass", "warn")


def test_a_side_that_falls_silent_is_starved_and_never_passes() -> None:
    found = reading(cells(0), cells(1, minutes=(0, 20)))
    looks = watched(found, Watch(tolerance=TOLERANCE))
    assert looks[-1].verdict == "inconclusive"
    reasons = [each.check.reason for each in looks[-1].standings]
    assert "starved: the canary has had no request for 10 minutes" in reasons
    told = [any("starved" in each.check.reason for each in look.standings) for look in looks]
    assert told.index(True) == 24


def test_minutes_count_from_the_first_that_both_sides_have() -> None:
    found = reading(cells(0), cells(1, 1.5, minutes=(12, 30)))
    looks = watched(found, Watch(tolerance=TOLERANCE))
    assert looks[-1].judged.first_minute == FIRST + 12
    assert (looks[-1].minute, looks[-1].verdict) == (7, "fail")


def test_what_comes_later_changes_no_look_at_earlier_minutes() -> None:
    early = watched(reading(cells(0, minutes=(0, 9)), cells(1, minutes=(0, 9))), Watch(), end=9)
    late = watched(reading(cells(0), cells(1, 1.0)), Watch(), end=9)
    assert [line(look) for look in early] == [line(look) for look in late]


def test_more_checks_need_more_evidence_each_also_those_that_have_too_few_requests_yet() -> None:
    sides = (cells(0), cells(1, 1.25))
    watch = Watch(tolerance=TOLERANCE)
    adjusted = []
    for quantiles in ((0.5,), (0.5, 0.95, 0.999)):
        request = JudgeRequest(REQUEST.baseline, REQUEST.canary, quantiles=quantiles)
        last = watched(reading(*sides, request=request), watch, end=7)[-1]
        adjusted.append(last.standings[0].check.p_adjusted)
    # Errors are of the family as well: 2 checks, and 4 with p95 and p99.9.
    assert adjusted[1] == pytest.approx(2 * adjusted[0])
    assert "too_few_requests" in {each.check.reason for each in last.standings}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"horizon": 5}, "5 minutes; 6 are the least"),
        ({"looks": 0}, "no look is planned"),
        ({"rule": "often"}, "rule often: none; known: both, looks, anytime"),
    ],
)
def test_a_watch_that_cannot_be_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Watch(**settings)  # type: ignore[arg-type]


def test_no_look_is_too_early_for_a_verdict() -> None:
    assert Watch(horizon=12, looks=6).planned == (6, 8, 10, 12)
    assert Watch(horizon=60, looks=6).plan.equal


def test_a_baseline_of_another_time_cannot_be_watched(lake: Lake) -> None:
    saved = JudgeRequest((("saved", "main"),), REQUEST.canary)
    with pytest.raises(UsageError, match="must run beside the canary"):
        read_looks(lake, saved)


def test_a_watch_over_a_lake_that_fills_gives_the_looks_of_its_replay(
    lake: Lake, span_rows: Callable[..., pa.Table]
) -> None:
    rng = np.random.default_rng(3)
    now = [NOON]

    def land(minute: int) -> None:
        append(
            lake,
            SPANS,
            span_rows(
                *(
                    {
                        "service_version": version,
                        "service_instance_id": f"{version}-{number % 3}",
                        "start_time_unix_nano": NOON + minute * MINUTE + number,
                        "duration_nano": int(1e8 * factor * math.exp(rng.normal(0, 0.2))),
                    }
                    for version, factor in (("v1", 1.0), ("v2", 1.6))
                    for number in range(60)
                )
            ),
        )

    def wait(seconds: float) -> None:
        """A minute passes, and lands in the lake; the fourth and fifth land with the sixth."""
        now[0] += round(seconds * SECOND)
        minute = (now[0] - NOON) // MINUTE - 1
        for each in {4: [], 5: [], 6: [4, 5, 6]}.get(minute, [minute]):
            land(each)

    waits: list[str] = []
    request = JudgeRequest(REQUEST.baseline, REQUEST.canary, NOON, quantiles=(0.5,))
    watch = Watch(horizon=9, looks=1)
    clock = Clock(lambda: now[0], wait)
    live = list(followed(lake, request, watch, clock, waits.append))
    assert waits[0] == "no request of both sides yet"
    assert waits.count("the lake is 1 minute behind") == 1
    assert waits.count("the lake is 2 minutes behind") == 1
    assert (live[-1].minute, live[-1].verdict) == (7, "fail")
    again = list(replayed(lake, request, watch, NOON // MINUTE + 9))
    assert [line(look) for look in live] == [line(look) for look in again]


def test_a_watch_without_a_canary_ends_without_data(lake: Lake) -> None:
    now = [NOON]

    def wait(seconds: float) -> None:
        now[0] += round(seconds * SECOND)

    request = JudgeRequest(REQUEST.baseline, REQUEST.canary, NOON)
    looks = list(followed(lake, request, Watch(horizon=6), Clock(lambda: now[0], wait)))
    assert [(look.verdict, EXIT_STATUS[look.verdict]) for look in looks] == [("no_data", 3)]
    # A minute is over ten seconds after its end.
    assert now[0] - NOON == 6 * MINUTE + 10 * SECOND
