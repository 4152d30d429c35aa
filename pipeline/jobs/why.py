"""Why operations got worse: the growth of their requests, cut into what every span below adds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.jobs.judge_request import JudgeRequest
from pipeline.jobs.why_answer import MEAN, Cause, Exemplar, Growth, Why
from pipeline.jobs.why_beside import look_beside
from pipeline.jobs.why_causes import Subject, cache_causes, error_causes, part_causes, subject_of
from pipeline.jobs.why_parts import Requests, Sums, add_up, compare, slowest
from pipeline.jobs.why_rows import Operation, Rows, read_rows, saved_reason
from pipeline.jobs.why_tree import Nodes, Visits, visit
from pipeline.lake import Lake
from pipeline.schema.rollups import MINUTE_NANO

EXEMPLARS_MOST = 5

# A tail of fewer requests is widened to so many.
_LEAST_TAIL = 20
_WIDEST_TAIL = 0.5
_MILLI_NANO = 1e6

Ints = NDArray[np.int64]
Worse = Sequence[tuple[str, str, str]]


def run(lake: Lake, request: JudgeRequest, worse: Worse) -> tuple[Why, ...]:
    """Explain what got worse.

    Quantiles of the tail are explained by each side's own slowest share of requests: above one
    threshold for both, a side that is slower as a whole would have ordinary requests there.

    Args:
        lake: the lake; its rollups are brought up to date first.
        request: which sides, when.
        worse: service, operation and metric of each check that failed or warned.

    Returns:
        One answer an operation, in the order given.

    Raises:
        UsageError, LakeError, CommitConflict, LakeUnavailable: as for the judge's ``run``.
    """
    wanted = list(dict.fromkeys((service, operation) for service, operation, _ in worse))
    if not wanted:
        return ()
    rows = read_rows(lake, request, wanted)
    services = list(dict.fromkeys(service for service, _ in wanted if service))
    beside = look_beside(lake, request, rows.windows, services)
    forest = _forest(rows)
    answers = []
    for number, named in enumerate(wanted):
        metrics = [metric for *operation, metric in worse if tuple(operation) == named]
        causes, growth, notes = _explain(rows, forest, number, named, metrics)
        own = beside.causes.get(named[0], ())
        reasons = [saved_reason(request), *rows.notes, *notes, *beside.notes.get(named[0], ())]
        answers.append(
            Why(
                *named,
                (*causes, *own),
                _exemplars(rows, number, 1, any("error" in each for each in metrics)),
                "; ".join(each for each in reasons if each),
                growth,
                _exemplars(rows, number, 0, False),
            )
        )
    return tuple(answers)


@dataclass(frozen=True)
class _Forest:
    """All spans as trees, worked out once for all operations.

    Attributes:
        nodes: n spans.
        roots: which of them is each request's own.
        code: n numbers of what a span is of.
        subjects: what those numbers stand for.
    """

    nodes: Nodes
    roots: Ints
    code: Ints
    subjects: pa.Array


def _forest(rows: Rows) -> _Forest:
    """Make trees of the spans."""
    spans = rows.spans
    encoded = spans["subject"].combine_chunks().dictionary_encode()
    entry = spans["entry"].to_numpy()
    roots = np.zeros(rows.entries.num_rows, dtype=np.int64)
    roots[entry[entry >= 0]] = np.flatnonzero(entry >= 0)
    instance = spans["instance"].combine_chunks().dictionary_encode().indices.to_numpy()
    nodes = Nodes(
        spans["parent"].to_numpy(),
        spans["start_time_unix_nano"].to_numpy(),
        spans["duration_nano"].to_numpy(),
        spans["kind"].to_numpy().astype(np.int64),
        instance.astype(np.int64),
    )
    code = encoded.indices.to_numpy().astype(np.int64)
    return _Forest(nodes, roots, code, encoded.dictionary)


def _explain(
    rows: Rows, forest: _Forest, number: int, named: Operation, metrics: list[str]
) -> tuple[list[Cause], tuple[Growth, ...], list[str]]:
    """Explain one operation: causes, growth by scope, notes."""
    chosen = np.flatnonzero(rows.entries["number"].to_numpy() == number)
    entries = rows.entries.take(pa.array(chosen))
    side = entries["side"].to_numpy()
    if not all((side == each).any() for each in (0, 1)):
        return [], (), ["one side has no traces of these requests"]
    visits = visit(forest.nodes, forest.roots[chosen])
    seen, group = np.unique(forest.code[visits.node], return_inverse=True)
    subjects = [subject_of(forest.subjects[int(each)].as_py()) for each in seen]
    group = np.where(visits.above < 0, len(subjects), group)
    causes, growth = [], []
    for scope, share in _scopes(metrics, entries):
        told, grown = _scope(entries, visits, group, subjects, named, scope, share)
        causes += told
        growth.append(grown)
    spans = rows.spans
    failing = _failing(entries, visits, spans, group, subjects, named)
    errors_first = all("error" in each or "http" in each for each in metrics)
    causes = [*failing, *causes] if errors_first else [*causes, *failing]
    causes += _caches(entries, visits, spans, group, subjects)
    return causes, tuple(growth), _limits(spans, visits, entries)


def _scopes(metrics: list[str], entries: pa.Table) -> list[tuple[str, float]]:
    """Say which requests are looked at: all of them, or the slowest share where only that grew."""
    tails = [float(f"0.{each[1:]}") for each in metrics if each[:1] == "p" and each[1:].isdigit()]
    if not tails or min(tails) <= _WIDEST_TAIL:
        return [(MEAN, 1.0)]
    side = entries["side"].to_numpy()
    fewest = min(int((side == each).sum()) for each in (0, 1))
    share = max(1 - min(tails), _LEAST_TAIL / fewest)
    return [(f"slowest {100 * share:.3g} %", share)] if share <= _WIDEST_TAIL else [(MEAN, 1.0)]


def _requests(entries: pa.Table, side: int, share: float) -> Requests:
    """Give one side's requests; all others weigh nothing."""
    own = entries["side"].to_numpy() == side
    duration = entries["duration_nano"].to_numpy()
    weight = np.where(own, entries["sampling_weight"].to_numpy(), 0.0)
    if share < 1:
        weight = slowest(duration, weight, share)
    instance = entries["instance"].combine_chunks().dictionary_encode().indices.to_numpy()
    minute = entries["start_time_unix_nano"].to_numpy() // MINUTE_NANO
    unit = instance.astype(np.int64) * (1 << 32) + minute
    return Requests(weight, np.unique(unit, return_inverse=True)[1], duration)


def _scope(
    entries: pa.Table,
    visits: Visits,
    group: Ints,
    subjects: list[Subject],
    named: Operation,
    scope: str,
    share: float,
) -> tuple[list[Cause], Growth]:
    """Cut the growth of one scope into causes."""
    overlapping = np.flatnonzero(visits.overlap)
    place = np.concatenate([visits.request, visits.request[overlapping]])
    groups = np.concatenate([group, np.full(len(overlapping), len(subjects) + 1)])
    amount = np.concatenate([visits.self_time, -visits.overlap[overlapping]])
    sides = [
        add_up(_requests(entries, side, share), place, groups, amount, len(subjects) + 2)
        for side in (0, 1)
    ]
    parts = compare(sides[0], sides[1])
    own = Subject(*named)
    causes = part_causes(parts, (sides[0], sides[1]), subjects, own, scope)
    grown = Growth(
        scope,
        sides[0].requests,
        sides[1].requests,
        sides[0].mean / _MILLI_NANO,
        sides[1].mean / _MILLI_NANO,
        parts.growth_margin / _MILLI_NANO,
    )
    return causes, grown


def _failing(
    entries: pa.Table,
    visits: Visits,
    spans: pa.Table,
    group: Ints,
    subjects: list[Subject],
    named: Operation,
) -> list[Cause]:
    """Tell where failed requests fail first: the failed spans that have no failed child."""
    failed = spans["failed"].to_numpy(zero_copy_only=False)[visits.node]
    below = np.zeros(len(failed), dtype=bool)
    below[visits.above[failed & (visits.above >= 0)]] = True
    of_failed = entries["failed"].to_numpy(zero_copy_only=False)[visits.request]
    first = np.flatnonzero(failed & ~below & of_failed)
    if not len(first):
        return []
    errors = spans["error_type"].combine_chunks().dictionary_encode()
    code = errors.indices.to_numpy().astype(np.int64)[visits.node[first]]
    pairs, place = np.unique(group[first] * len(errors.dictionary) + code, return_inverse=True)
    names = []
    for pair in pairs.tolist():
        which, error = divmod(pair, len(errors.dictionary))
        text = " ".join(named).strip() if which == len(subjects) else subjects[which].text
        names.append((text, str(errors.dictionary[error].as_py())))
    amount = np.zeros(len(first), dtype=np.int64)
    sides: list[Sums] = [
        add_up(_requests(entries, side, 1.0), visits.request[first], place, amount, len(pairs))
        for side in (0, 1)
    ]
    return error_causes((sides[0], sides[1]), names)


def _caches(
    entries: pa.Table, visits: Visits, spans: pa.Table, group: Ints, subjects: list[Subject]
) -> list[Cause]:
    """Tell of caches that miss more often; of those whose reads say whether they hit."""
    hit = spans["hit"].to_numpy().astype(np.int64)[visits.node]
    read = np.flatnonzero((hit >= 0) & (visits.above >= 0))
    if not len(read):
        return []
    sides = [
        add_up(
            _requests(entries, side, 1.0),
            visits.request[read],
            group[read],
            hit[read],
            len(subjects),
        )
        for side in (0, 1)
    ]
    return cache_causes((sides[0], sides[1]), subjects)


def _limits(spans: pa.Table, visits: Visits, entries: pa.Table) -> list[str]:
    """Say what limits the answer."""
    notes = []
    traces = np.isin(spans["trace_entry"].to_numpy(), entries["entry"].to_numpy())
    lost = int((spans["lost"].to_numpy(zero_copy_only=False) & traces).sum())
    if lost:
        notes.append(
            f"{lost} spans have a parent that is not there: their time is told as that of what "
            "called them"
        )
    if moved := int(visits.moved.sum()):
        notes.append(f"{moved} spans were moved into their callers': clocks differ")
    if cut := int(visits.cut.sum()):
        notes.append(f"{cut} spans outlast their parent: what is beyond it is left out")
    return notes


def _exemplars(rows: Rows, number: int, side: int, errors: bool) -> tuple[Exemplar, ...]:
    """Choose requests: the canary's slowest of every instance in turn, one of baseline's median."""
    table = rows.entries
    own = (table["number"].to_numpy() == number) & (table["side"].to_numpy() == side)
    place = np.flatnonzero(own)
    duration = table["duration_nano"].to_numpy()[place]
    failed = table["failed"].to_numpy(zero_copy_only=False)[place]
    order = np.lexsort((place, -duration, ~failed if errors else np.zeros(len(place))))
    if side == 0:
        chosen = place[np.lexsort((place, duration))][(len(place) - 1) // 2 :][:1]
    else:
        instance = np.array(table["instance"].take(pa.array(place[order])).to_pylist(), dtype=str)
        by_name = np.argsort(instance, kind="stable")
        start = np.searchsorted(instance[by_name], instance[by_name])
        turn = np.empty(len(order), dtype=np.int64)
        turn[by_name] = np.arange(len(order)) - start
        first = np.sort(np.lexsort((np.arange(len(order)), turn))[:EXEMPLARS_MOST])
        chosen = place[order[first]]
    return tuple(
        Exemplar(
            row["trace_id"],
            row["span_id"],
            row["service_instance_id"],
            row["start_time_unix_nano"],
            row["duration_nano"] / _MILLI_NANO,
            row["failed"],
        )
        for row in table.take(pa.array(chosen, pa.int64())).to_pylist()
    )
