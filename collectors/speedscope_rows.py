"""Rows of a speedscope document: every profile that can be read, each with its own thread."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.folded_frames import kind_of_file
from collectors.folded_units import period_nano
from collectors.frames_and_stacks import Frame
from collectors.profile_file import Facts
from collectors.speedscope_json import load_document, number_of, text_of
from collectors.speedscope_profile import OutOfRange, measured, thread_of, total_of, weigh
from collectors.speedscope_tables import Weights, profile_tables
from pipeline.errors import BadFile, BadRequest


def read(content: Content, reading: Reading) -> Iterator[Rows | Reject]:
    """Read a speedscope document.

    Yields:
        A reject for each profile that cannot be read, then the rows of the others.

    Raises:
        BadFile: it is no such document, points at frames that it does not have, or has no profile
            that can be read.
    """
    warnings: Counter[str] = Counter()
    document = load_document(content, "speedscope", warnings)
    try:
        frames, profiles = _parts(document)
    except BadRequest as error:
        raise BadFile(
            f"{content.path}: speedscope: {error}; export it again from the tool that made it"
        ) from error
    py_spy = text_of(document.get("exporter")).startswith("py-spy")
    kept: list[Weights] = []
    entries = 0
    reasons: list[str] = []
    for number, profile in enumerate(profiles):
        try:
            weights, count = _weights(profile, len(frames), reading, len(profiles), document)
        except OutOfRange as error:
            raise BadFile(
                f"{content.path}: speedscope: profile {number + 1}: {error}; "
                f"export it again from the tool that made it"
            ) from error
        except BadRequest as error:
            reasons.append(f"{error}")
            yield Reject(1, f"profile {number + 1}", str(error))
            continue
        kept.append(weights)
        entries += count
    if not kept:
        why = reasons[0] if reasons else "there is none"
        raise BadFile(
            f"{content.path}: speedscope: no profile can be read ({why}); "
            f"export it again from the tool that made it"
        )
    read_frames = [_frame(each, py_spy, warnings) for each in frames]
    tables = profile_tables(reading, "speedscope", read_frames, kept, warnings)
    known = all(reading.landed(name) >= 1 for name in tables)
    yield Rows(1, entries, tables, "profiles", warnings, known)


def _parts(document: Any) -> tuple[list[Any], list[Any]]:
    """Give a document's frames and profiles.

    Raises:
        BadRequest: it has none.
    """
    if not isinstance(document, dict):
        raise BadRequest("the document is no object")
    shared = document.get("shared")
    frames = shared.get("frames") if isinstance(shared, dict) else document.get("frames")
    profiles = document.get("profiles")
    if profiles is None and document.get("type") in ("sampled", "evented"):
        # The first version had one profile and no list of them.
        profiles = [document]
    if not isinstance(frames, list):
        raise BadRequest("it has no shared frames")
    if not isinstance(profiles, list):
        raise BadRequest("it has no profiles")
    return frames, profiles


def _frame(frame: Any, py_spy: bool, warnings: Counter[str]) -> Frame:
    """Read one of the shared frames."""
    if not isinstance(frame, dict) or not text_of(frame.get("name")):
        warnings["frames_without_name"] += 1
    said = frame if isinstance(frame, dict) else {}
    file = text_of(said.get("file"))
    kind = kind_of_file(file)
    line, column = number_of(said.get("line")), number_of(said.get("col"))
    if py_spy and kind == "unknown" and file:
        kind = "python" if line else "native"
    return Frame(text_of(said.get("name")), file=file, line=line, column=column, kind=kind)


def _weights(
    profile: Any, frames: int, reading: Reading, profiles: int, document: dict[str, Any]
) -> tuple[Weights, int]:
    """Read one profile; also how many samples or events it has.

    Raises:
        BadRequest: it cannot be read.
    """
    if not isinstance(profile, dict):
        raise BadRequest("it is no object")
    what = measured(profile, reading.origin)
    unweighted = profile.get("type") == "sampled" and profile.get("weights") in (None, [])
    weighed = weigh(profile, frames, what.factor)
    name = text_of(profile.get("name"))
    pid, thread_id, thread_name = thread_of(name)
    if thread_id is None and profiles > 1:
        thread_name = thread_name or name
    canonical = "count" if unweighted else what.canonical
    timed = canonical == "nanoseconds"
    sample_type = "samples" if canonical == "count" else what.kind
    attributes = {"name": name, "exporter": text_of(document.get("exporter"))}
    period = 0 if weighed.samples is None else period_nano(reading.origin)
    facts = Facts(
        [(sample_type, canonical, total_of(weighed.values))],
        duration_nano=weighed.last - weighed.first if timed else 0,
        period=period,
        period_type=what.kind if period else "",
        attributes={key: value for key, value in attributes.items() if value},
    )
    own = (what.kind, sample_type, canonical, pid, thread_id, thread_name, facts)
    return Weights(weighed.stacks, weighed.values, weighed.samples, *own), weighed.entries
