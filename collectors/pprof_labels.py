"""Labels of pprof samples as columns: each different set of them made once, a key at a time."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Bools, Ints, take_lists
from collectors.otlp.columns import lengths, offsets_of, take_rows
from collectors.pprof_label_ids import hex_of_numbers, hex_of_texts
from collectors.pprof_message import Pprof
from collectors.pprof_tables import check_strings, distinct_lists, integers
from pipeline.schema import ATTRIBUTES
from pipeline.schema.profiles import NUM_LABELS

# The names that labels of threads, processes and spans go by; the first that is there counts.
_KEYS = {
    "thread_id": ("thread id", "thread_id", "thread.id", "tid"),
    "pid": ("pid", "process id", "process_id", "process.pid"),
    "thread_name": ("thread name", "thread_name", "thread.name", "thread"),
    "comm": ("comm",),
    "trace_id": ("trace_id", "trace id"),
    "span_id": ("span_id", "span id"),
    "local_root_span_id": ("local_root_span_id", "local root span id"),
}
_INTEGERS = ("thread_id", "pid")
_ID_DIGITS = {"trace_id": 32, "span_id": 16, "local_root_span_id": 16}

# What fits 64 bits whatever the digits.
_WHOLE = r"^-?[0-9]{1,18}$"

_FIELDS = ("key", "str", "num", "num_unit")
_TEXT_FIELDS = ("key", "str", "num_unit")


@dataclass(frozen=True)
class Labels:
    """Labels of n samples, as they were sent.

    Attributes:
        texts: the profile's strings.
        counts: n, how many labels each has.
        fields: by field of a label, those of all samples end to end.
        limit: labels kept on one sample.
    """

    texts: pa.StringArray
    counts: Ints
    fields: dict[str, npt.NDArray[np.signedinteger]]
    limit: int

    @cached_property
    def starts(self) -> Ints:
        """Give where the labels of each sample begin."""
        return np.cumsum(self.counts) - self.counts

    def rows(self, samples: Ints) -> dict[str, pa.Array]:
        """Give own columns of profile_samples for some samples, ascending, perhaps repeated."""
        start, stop = (int(samples[0]), int(samples[-1]) + 1) if len(samples) else (0, 0)
        sent = self.counts[start:stop]
        begin = int(self.starts[start]) if len(samples) else 0
        end = begin + int(sent.sum())
        fields = {key: each[begin:end].astype(np.int64) for key, each in self.fields.items()}
        first, which = distinct_lists(sent, *fields.values())
        counts, places = take_lists(sent, np.arange(end - begin), first)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = places[within < self.limit]
        kept = {name: column[places] for name, column in fields.items()}
        sets = _merged(_taken_apart(self.texts, np.minimum(counts, self.limit), kept))
        columns = {name: _column(sets, name) for name in _KEYS}
        columns |= {"labels": _text_labels(sets), "num_labels": _number_labels(sets)}
        of_rows = pa.array(which[samples - start])
        return {name: column.take(of_rows) for name, column in columns.items()}


@dataclass(frozen=True)
class _Sets:
    """Different sets of labels, taken apart.

    Attributes:
        count: how many sets.
        texts: the profile's strings, and those that were made.
        keys: the different keys.
        owners: of m labels the number of their set, ascending.
        key: of m labels the place in ``keys``.
        is_text: whether the value is text; otherwise it is ``number`` in ``unit``.
        text, number, unit: of m labels; text and unit are places in ``texts``.
    """

    count: int
    texts: pa.StringArray
    keys: pa.StringArray
    owners: Ints
    key: Ints
    is_text: Bools
    text: Ints
    number: Ints
    unit: Ints

    def values(self) -> pa.StringArray:
        """Give the m texts; empty where the value is a number."""
        return self.texts.take(pa.array(np.where(self.is_text, self.text, 0)))

    def only(self, kept: Bools) -> "_Sets":
        """Give some of the labels."""
        names = ("owners", "key", "is_text", "text", "number", "unit")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


def read_labels(profile: Pprof, limit: int, warnings: Counter[str]) -> Labels:
    """Read the labels of all samples, and check them.

    Args:
        profile: the profile.
        limit: labels kept on one sample.
        warnings: gains attributes_over_limit.

    Raises:
        BadRequest: a number of a string is not in the profile.
    """
    lists = profile.samples.field("label")
    flat = lists.flatten()
    sent = {name: integers(flat, name) for name in _FIELDS}
    check_strings(profile, {f"label {name}": sent[name] for name in _TEXT_FIELDS})
    # Copied, because one buffer of what was decoded keeps all of it; a profile has fewer than
    # 2^31 strings, as they stand in one array.
    fields: dict[str, npt.NDArray[np.signedinteger]] = {
        name: each.astype(np.int32 if name in _TEXT_FIELDS else np.int64)
        for name, each in sent.items()
    }
    counts = lengths(lists)
    warnings["attributes_over_limit"] += int(np.maximum(counts - limit, 0).sum())
    return Labels(profile.texts, counts, fields, limit)


def _taken_apart(texts: pa.StringArray, counts: Ints, columns: dict[str, Ints]) -> _Sets:
    """Take sets of so many labels apart."""
    used = np.flatnonzero(np.bincount(columns["key"], minlength=len(texts)))
    # A string may stand in the table twice.
    keys = texts.take(pa.array(used)).dictionary_encode()
    codes = np.zeros(len(texts), dtype=np.int64)
    codes[used] = keys.indices.to_numpy(zero_copy_only=False)
    return _Sets(
        len(counts),
        texts,
        keys.dictionary,
        np.repeat(np.arange(len(counts)), counts),
        codes[columns["key"]],
        columns["str"] != 0,
        columns["str"],
        columns["num"],
        columns["num_unit"],
    )


def _merged(sets: _Sets) -> _Sets:
    """Make what a key says as text more than once in a set one label: a JSON list."""
    pairs = sets.owners * max(len(sets.keys), 1) + sets.key
    ordered = np.sort(pairs[sets.is_text])
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return sets
    several: dict[int, list[int]] = {}
    for place in np.flatnonzero(np.isin(pairs, repeated) & sets.is_text).tolist():
        several.setdefault(int(pairs[place]), []).append(place)
    text, kept = sets.text.copy(), np.ones(len(pairs), dtype=np.bool_)
    made: list[str] = []
    for places in several.values():
        values = sets.texts.take(pa.array(text[places])).to_pylist()
        text[places[0]] = len(sets.texts) + len(made)
        kept[places[1:]] = False
        made.append(json.dumps(values, ensure_ascii=False))
    texts = pa.concat_arrays([sets.texts, pa.array(made, pa.string())])
    return replace(sets, texts=texts, text=text).only(kept)


def _text_labels(sets: _Sets) -> pa.MapArray:
    """Give the labels of each set that are text."""
    some = sets.only(sets.is_text)
    offsets = offsets_of(np.bincount(some.owners, minlength=sets.count))
    keys = sets.keys.take(pa.array(some.key))
    values = sets.texts.take(pa.array(some.text))
    return pa.MapArray.from_arrays(offsets, keys, values, type=ATTRIBUTES)


def _number_labels(sets: _Sets) -> pa.ListArray:
    """Give the labels of each set that are numbers, with their units."""
    some = sets.only(~sets.is_text)
    offsets = offsets_of(np.bincount(some.owners, minlength=sets.count))
    keys = sets.keys.take(pa.array(some.key))
    units = sets.texts.take(pa.array(some.unit))
    is_bytes = pc.match_substring(sets.keys, "bytes").take(pa.array(some.key))
    units = pc.if_else(pc.and_(pc.equal(units, ""), is_bytes), "bytes", units)
    rows = pa.StructArray.from_arrays(
        [keys, pa.array(some.number), units], fields=list(NUM_LABELS.value_type)
    )
    return pa.ListArray.from_arrays(offsets, rows, type=NUM_LABELS)


def _column(sets: _Sets, column: str) -> pa.Array:
    """Give the value of each set that belongs into a column."""
    chosen = np.full(sets.count, -1, dtype=np.int64)
    spaced = np.zeros(len(sets.keys), dtype=np.bool_)
    names = sets.keys.to_pylist()
    # What is assigned last stays: the first of the names, and of one name the text.
    for name in reversed(_KEYS[column]):
        if name in names:
            code = names.index(name)
            spaced[code] = " " in name
            for is_text in (False, True):
                places = np.flatnonzero((sets.key == code) & (sets.is_text == is_text))
                chosen[sets.owners[places]] = places
    rows = np.flatnonzero(chosen >= 0)
    if not len(rows):
        return pa.nulls(sets.count, pa.int64() if column in _INTEGERS else pa.string())
    taken = _at(sets, chosen[rows])
    if column in _INTEGERS:
        values = _integers(taken)
    elif column in _ID_DIGITS:
        values = _ids(taken, _ID_DIGITS[column], spaced[taken.key])
    else:
        numbers = pa.array(taken.number).cast(pa.string())
        values = pc.if_else(pa.array(taken.is_text), taken.values(), numbers)
    places = np.full(sets.count, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return take_rows(values, places)


def _at(sets: _Sets, places: Ints) -> _Sets:
    """Give the labels at some places, in their order."""
    names = ("owners", "key", "is_text", "text", "number", "unit")
    return replace(sets, **{name: getattr(sets, name)[places] for name in names})


def _integers(labels: _Sets) -> pa.Array:
    """Give labels as numbers; NULL where a text is none."""
    numbers = pa.array(labels.number)
    if not labels.is_text.any():
        return numbers
    texts = labels.values()
    whole = pc.match_substring_regex(texts, _WHOLE)
    read = pc.if_else(whole, texts, pa.scalar(None, pa.string())).cast(pa.int64())
    return pc.if_else(pa.array(labels.is_text), read, numbers)


def _ids(labels: _Sets, digits: int, spaced: Bools) -> pa.Array:
    """Give labels as ids in hex; NULL where they are none or zero."""
    numbers = hex_of_numbers(labels.number.view(np.uint64), digits)
    if not labels.is_text.any():
        return numbers
    texts = hex_of_texts(labels.values(), digits, spaced)
    return pc.if_else(pa.array(labels.is_text), texts, numbers)
