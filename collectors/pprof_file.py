"""Rows of a pprof file: one message read whole, its rows given part after part."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from collectors.collector import Reading, Reject, Rows
from collectors.expand import Content
from collectors.imported_rows import complete
from collectors.pprof_legacy import legacy_form
from collectors.pprof_message import (
    MOST_BYTES,
    MOST_RATIO,
    RATIO_COUNTS_FROM_BYTES,
    Pprof,
    read_pprof,
)
from collectors.pprof_samples import PprofRows, read_pprof_rows
from collectors.profile_file import Facts, ProfileFile
from pipeline.errors import BadFile, BadRequest
from pipeline.schema import PROFILE_FRAMES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILES

PART_ROWS = 1 << 16

_GZIP = b"\x1f\x8b"
_TABLES = (PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)

# What is told of a profile in words, by the reason it is counted under.
_TOLD = {
    "invalid_utf8_strings": "{} strings were not UTF-8",
    "samples_without_stack": "{} samples have no stack",
    "attributes_over_limit": "{} labels were beyond the limit of a sample",
    "profile_times_from_file": "no time: that of the file is taken",
}


def read(
    content: Content,
    reading: Reading,
    part_rows: int = PART_ROWS,
    most_bytes: int = MOST_BYTES,
) -> Iterator[Rows | Reject]:
    """Read a pprof file. It is one message, so all of it is one piece.

    Args:
        content: the file.
        reading: how.
        part_rows: rows of samples given at once.
        most_bytes: what the file may hold, expanded.

    Yields:
        Samples part after part, then stacks and frames, the profile with the last.

    Raises:
        BadFile: it is too large, no profile, an older form of one, damaged, or two of them.
    """
    empty = {table.name: table.arrow_schema.empty_table() for table in _TABLES}
    data = _gathered(content, most_bytes)
    try:
        profile = read_pprof(data, most_bytes)
        del data
        if all(reading.landed(table.name) >= 1 for table in _TABLES):
            yield Rows(1, len(profile.samples), empty, "profiles", known=True)
            return
        warnings = Counter({"invalid_utf8_strings": profile.replaced})
        rows = read_pprof_rows(profile, reading.max_attributes, warnings)
    except BadRequest as error:
        raise BadFile(
            f"{content.path}: pprof: {error}; record it again, or look at it with go tool pprof"
        ) from error
    facts, count = _facts(profile, rows), len(profile.samples)
    # What was decoded is several times the file.
    del profile
    for tables in _tables(facts, rows, reading, warnings, part_rows):
        told = +warnings if PROFILES.name in tables else Counter[str]()
        yield Rows(1, count, empty | dict(tables), "profiles", told)
        count = 0


def _tables(
    facts: Facts, rows: PprofRows, reading: Reading, warnings: Counter[str], part_rows: int
) -> Iterator[Mapping[str, pa.Table]]:
    """Give a profile's rows part after part."""
    file = ProfileFile(reading, "pprof")
    if not (facts.time_unix_nano or reading.origin.time_unix_nano):
        warnings["profile_times_from_file"] += 1
    same = {
        "profile_id": file.profile_id(0),
        "time_unix_nano": file.time(facts.time_unix_nano),
        "duration_nano": facts.duration_nano or reading.origin.duration_nano or None,
    }
    resource = reading.origin.resource()
    for start in range(0, len(rows.samples), part_rows):
        columns = rows.part(start, start + part_rows)
        count = len(columns["value"])
        for name, value in same.items():
            columns[name] = pa.repeat(pa.scalar(value, pa.int64()), count)
        made = complete(PROFILE_SAMPLES, columns, reading, resource, file.warnings)
        yield {PROFILE_SAMPLES.name: made}
    for stacks in rows.stacks.parts():
        yield {PROFILE_STACKS.name: stacks}
    told = [words.format(warnings[reason]) for reason, words in _TOLD.items() if warnings[reason]]
    profiles = file.profiles([replace(facts, warnings=told)])
    warnings.update(file.warnings)
    yield {PROFILE_FRAMES.name: rows.stacks.frames, PROFILES.name: profiles}


def _facts(profile: Pprof, rows: PprofRows) -> Facts:
    """Give what is known of a profile as a whole."""
    return Facts(
        [(each.name, each.unit, total) for each, total in rows.types],
        time_unix_nano=profile.time_unix_nano,
        duration_nano=profile.duration_nano,
        period=profile.period,
        period_type=profile.period_name,
        default_sample_type=profile.default_sample_type,
        drop_frames=profile.drop_frames,
        keep_frames=profile.keep_frames,
        comments=profile.comments,
    )


def _gathered(content: Content, most_bytes: int) -> bytes:
    """Give a file's bytes, expanded.

    Raises:
        BadFile: it is beyond the limits, or by its first bytes no profile.
    """
    chunks: list[bytes] = []
    size = 0
    for chunk in content.chunks():
        if not chunks:
            _refuse_others(content, chunk)
        chunks.append(chunk)
        size += len(chunk)
        if size > most_bytes:
            raise BadFile(
                f"{content.path}: pprof: one profile of more than {most_bytes:,} bytes; "
                f"record for a shorter time, or keep fewer labels"
            )
        packed = content.compression != "none" and size > RATIO_COUNTS_FROM_BYTES
        if packed and size > MOST_RATIO * content.size_bytes:
            raise BadFile(
                f"{content.path}: pprof: expands more than {MOST_RATIO} times; if that is right, "
                f"expand it yourself and import what comes out"
            )
    if not size:
        raise BadFile(f"{content.path}: pprof: nothing is in it; record it again")
    return b"".join(chunks)


def _refuse_others(content: Content, begin: bytes) -> None:
    """Say what a file is that is no profile by its first bytes."""
    if begin.startswith(_GZIP):
        raise BadFile(
            f"{content.path}: pprof: gzip within gzip; expand it once (gunzip) and import that"
        )
    legacy = legacy_form(begin)
    if legacy:
        raise BadFile(
            f"{content.path}: pprof: a legacy {legacy}, from before pprof was protobuf; "
            f"convert it (go tool pprof -proto -output=new.pb.gz FILE) and import that"
        )
    text = begin[:512].lstrip().lower()
    if text.startswith(b"<"):
        raise BadFile(
            f"{content.path}: pprof: an HTML or XML page, perhaps a server's error; "
            f"ask the server again and import the profile"
        )
    if text.startswith((b"{", b"[")):
        raise BadFile(f"{content.path}: pprof: JSON; import it without --format, or as what it is")
