"""Samples of perf script: headers put together with the frames below them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Bools, Ints
from collectors.perf_script_frames import FrameTexts
from collectors.perf_script_headers import Headers, parse_headers
from collectors.perf_script_lines import BLANK, FRAME, HEADER, STRANGE, Lines

_RECORD = "PERF_RECORD_"
_LOST = re.compile(r"\blost\s+(\d{1,12})\b", re.IGNORECASE)
_IS_LOST = r"(?i)\blost\s+\d{1,12}\b"

# A stack of one frame in the line itself, as perf writes without -g.
_FRAME = r"^[0-9a-f]{1,16} (?P<text>\S.*\)|\[unknown\])$"


@dataclass(frozen=True)
class Parsed:
    """What stands in some lines.

    Attributes:
        headers: of the n samples.
        numbers: frames of all stacks end to end, leaf first, as ``FrameTexts`` numbers them.
        counts: n depths; 0 for a sample without a stack.
        bad: lines that are nothing known, with why.
        lost: samples that perf says it lost.
    """

    headers: Headers
    numbers: Ints
    counts: Ints
    bad: Sequence[tuple[int, str]]
    lost: int


def parse_samples(lines: Lines, texts: FrameTexts) -> Parsed:
    """Read samples.

    Args:
        lines: whole samples.
        texts: gains the frames.
    """
    begins = np.flatnonzero(lines.kinds == HEADER)
    headers = lines.take(begins)
    behind = np.minimum(begins + 1, len(lines.kinds) - 1)
    found = parse_headers(headers, lines.kinds[behind] == FRAME)
    is_record, lost = _records(headers, found.known)
    is_sample = found.known & ~is_record
    frames = np.flatnonzero(lines.kinds == FRAME)
    owner = _owners(lines, begins, frames)
    bad = [(int(place), "no header of a sample") for place in begins[~found.known & ~is_record]]
    bad += _strange(lines, frames[owner < 0])
    # A frame below a line that is none of these has gone with it.
    numbers_of_samples = np.cumsum(is_sample) - 1
    frames, owner = frames[owner >= 0], owner[owner >= 0]
    kept = is_sample[owner]
    frames, owner = frames[kept], numbers_of_samples[owner[kept]]
    own = _filtered(found, is_sample)
    counts = np.bincount(owner, minlength=len(own.known)).astype(np.int64)
    own, alone, alone_texts = _frames_in_headers(own, counts)
    numbers = texts.encode(*lines.frame_texts(frames))
    if len(alone):
        encoded = alone_texts.dictionary_encode()
        others = texts.encode(encoded.indices.to_numpy(), encoded.dictionary)
        owner = np.concatenate([owner, alone])
        numbers = np.concatenate([numbers, others])[np.argsort(owner, kind="stable")]
        counts[alone] = 1
    told = [(lines.first + place, reason) for place, reason in sorted(bad)]
    return Parsed(own, numbers, counts, told, lost)


def _records(headers: pa.StringArray, known: Bools) -> tuple[Bools, int]:
    """Tell which lines are other records than samples, and how many samples those say are lost.

    Args:
        headers: n lines.
        known: n, whether it looks like the header of a sample; such a line may speak of loss too.
    """
    is_record: Bools = pc.match_substring(headers, _RECORD).to_numpy(zero_copy_only=False)
    candidates = headers.filter(pa.array(is_record | ~known))
    is_lost: Bools = pc.match_substring_regex(candidates, _IS_LOST).to_numpy(zero_copy_only=False)
    lost = sum(
        int(found[1])
        for text in candidates.filter(pa.array(is_lost)).to_pylist()
        if (found := _LOST.search(text))
    )
    result = is_record.copy()
    result[np.flatnonzero(is_record | ~known)[is_lost]] = True
    return result, lost


def _owners(lines: Lines, begins: Ints, frames: Ints) -> Ints:
    """Give for each frame the number of the header above it; -1 where a blank line is between."""
    marks = np.flatnonzero((lines.kinds == HEADER) | (lines.kinds == BLANK))
    if not len(marks):
        return np.full(len(frames), -1, dtype=np.int64)
    number = np.full(len(marks), -1, dtype=np.int64)
    number[lines.kinds[marks] == HEADER] = np.arange(len(begins))
    above = np.searchsorted(marks, frames) - 1
    return np.where(above >= 0, number[above], -1)


def _strange(lines: Lines, orphans: Ints) -> list[tuple[int, str]]:
    """Give the lines that belong to nothing; of frames that follow each other, the first."""
    first = orphans[np.diff(orphans, prepend=-2) != 1]
    bad = [(int(place), "a frame without a sample above it") for place in first]
    strange = np.flatnonzero(lines.kinds == STRANGE)
    return bad + [(int(place), "neither a frame nor a source line") for place in strange]


def _filtered(headers: Headers, kept: Bools) -> Headers:
    """Give some headers."""
    if kept.all():
        return headers
    mask = pa.array(kept)
    columns = {
        name: column.filter(mask) for name, column in vars(headers).items() if name != "known"
    }
    return Headers(known=headers.known[kept], **columns)


def _frames_in_headers(headers: Headers, counts: Ints) -> tuple[Headers, Ints, pa.StringArray]:
    """Take stacks of one frame out of the payloads of samples without another stack.

    Returns:
        The headers without them, the n numbers of the samples, and the n texts.
    """
    nothing = np.zeros(0, dtype=np.int64), pa.array([], pa.string())
    able = np.flatnonzero(counts == 0)
    if not len(able):
        return headers, *nothing
    found = pc.extract_regex(headers.payload.take(pa.array(able)), _FRAME)
    valid = found.is_valid().to_numpy(zero_copy_only=False)
    alone = able[valid]
    if not len(alone):
        return headers, *nothing
    texts = pc.struct_field(found.filter(pa.array(valid)), "text")
    is_alone = np.zeros(len(counts), dtype=np.bool_)
    is_alone[alone] = True
    columns = dict(vars(headers))
    columns["payload"] = pc.if_else(pa.array(is_alone), "", headers.payload)
    return Headers(**columns), alone, texts
