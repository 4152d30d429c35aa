"""Samples of OTLP profiles as columns of profile_samples: one row a stack and a set of labels."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import take_lists
from collectors.otlp.anyvalue import text_of
from collectors.otlp.attributes import Attributes
from collectors.otlp.columns import (
    Bools,
    Ints,
    flatten,
    hex_ids,
    lengths,
    numbers,
    offsets_of,
    valid_ids,
)
from collectors.otlp.profile_dictionary import Dictionary
from collectors.otlp.profile_stacks import read_stacks
from collectors.otlp.profile_values import Types, values_of
from collectors.otlp.series import Hashes, hash_text, mix
from collectors.otlp.split import TooWideError
from pipeline.schema.profiles import NUM_LABELS

# As for resources: labels stand in every row.
_MOST_LABEL_BYTES = 256 << 20

_TEXT_COLUMNS = {
    "thread_name": ("thread.name",),
    "comm": ("process.executable.name", "process.command", "comm"),
    "local_root_span_id": ("local_root_span_id", "local root span id"),
}
_INTEGER_COLUMNS = {"thread_id": ("thread.id",), "pid": ("process.pid",)}


@dataclass(frozen=True)
class Samples:
    """Rows of profile_samples as far as their profiles alone tell.

    Attributes:
        profiles: for each row the number of its profile.
        columns: the rows' own columns.
        hashes: for each row a hash of what it says.
        stacks: rows of profile_stacks.
        frames: rows of profile_frames.
    """

    profiles: Ints
    columns: dict[str, pa.Array]
    hashes: Hashes
    stacks: pa.Table
    frames: pa.Table


def read_samples(
    profiles: pa.StructArray,
    requests: Ints,
    dictionary: Dictionary,
    types: Types,
    skipped: Bools,
    max_attributes: int,
    warnings: Counter[str],
) -> Samples:
    """Read the samples of profiles, none of which is invalid.

    Args:
        profiles: n profiles as ptars gives them.
        requests: n numbers of their requests.
        dictionary: of all requests.
        types: what the n profiles measured.
        skipped: n, profiles whose samples are read elsewhere.
        max_attributes: attributes kept on one sample.
        warnings: gains what was repaired or dropped.

    Raises:
        TooWideError: stacks or labels take more memory than there should be.
    """
    samples, owners = flatten(profiles.field("samples"))
    samples, owners = _observed(samples, owners, skipped, warnings)
    of_sample = requests[owners]
    place = dictionary.tables["stack_table"].place(numbers(samples.field("stack_index")), of_sample)
    used, of_used = np.unique(place, return_inverse=True)
    stacks = read_stacks(dictionary, used)
    warnings["samples_without_stack"] += int(stacks.empty[of_used].sum())
    values, counts = values_of(samples, owners, types)
    labels = _Labels(samples, of_sample, dictionary, max_attributes, warnings)
    links = dictionary.tables["link_table"].place(numbers(samples.field("link_index")), of_sample)
    trace_ids, span_ids, link_hashes = _links(dictionary, warnings)
    identities = stacks.identities[of_used]
    hashes = mix(identities.view(np.uint64), labels.hashes[labels.of_sample], link_hashes[links])
    first, group = _groups(mix(owners.astype(np.uint64), hashes))
    columns = labels.columns(first) | _columns(types, owners[first])
    columns |= _sums(values, counts, group, len(first))
    columns["stack_id"] = pa.array(identities[first])
    columns["trace_id"] = trace_ids.take(pa.array(links[first]))
    columns["span_id"] = span_ids.take(pa.array(links[first]))
    sums = (numbers(columns[name]).view(np.uint64) for name in ("value", "samples"))
    return Samples(owners[first], columns, mix(hashes[first], *sums), stacks.stacks, stacks.frames)


def _observed(
    samples: pa.StructArray, owners: Ints, skipped: Bools, warnings: Counter[str]
) -> tuple[pa.StructArray, Ints]:
    """Leave out samples that say nothing, neither a value nor a time, and those read elsewhere."""
    said = (lengths(samples.field("values")) > 0) | (
        lengths(samples.field("timestamps_unix_nano")) > 0
    )
    here = ~skipped[owners]
    warnings["samples_without_values"] += int((here & ~said).sum())
    kept = here & said
    return (samples, owners) if kept.all() else (samples.filter(pa.array(kept)), owners[kept])


def _columns(types: Types, owners: Ints) -> dict[str, pa.Array]:
    """Give the columns that all rows of a profile share."""
    rows = pa.array(owners)
    texts = {
        "profile_type": types.kinds,
        "sample_type": types.names,
        "sample_unit": types.canonical,
    }
    columns = {name: pa.array(each, pa.string()).take(rows) for name, each in texts.items()}
    columns["is_cumulative"] = pa.array(types.cumulative[owners])
    return columns


def _groups(keys: Hashes) -> tuple[Ints, Ints]:
    """Find equal rows.

    Returns:
        The first row of each group, in order, and for each row the number of its group.
    """
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[group]


def _sums(values: Ints, counts: Ints, group: Ints, rows: int) -> dict[str, pa.Array]:
    """Add up values and observations of equal rows; of what is not known no sum is."""
    known = np.ones(rows, dtype=bool)
    known[group[counts < 0]] = False
    return {
        "value": pa.array(_added(values, group, rows)),
        "samples": pa.array(_added(counts, group, rows), mask=~known),
    }


def _added(values: Ints, group: Ints, count: int) -> Ints:
    totals = np.zeros(count, dtype=np.int64)
    np.add.at(totals, group, values)
    return totals


def _links(
    dictionary: Dictionary, warnings: Counter[str]
) -> tuple[pa.StringArray, pa.StringArray, Hashes]:
    """Give the ids of each link, and none for the zero entry; invalid ones are left out."""
    links = dictionary.tables["link_table"].entries
    found = []
    for field, width in (("trace_id", 16), ("span_id", 8)):
        ids = pa.concat_arrays([links.field(field), pa.array([b""], pa.binary())])
        valid = valid_ids(ids, width)
        present = pc.greater(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
        warnings["bad_link_ids"] += int((present & ~valid).sum())
        found.append(hex_ids(ids, width, valid))
    return found[0], found[1], mix(hash_text(found[0]), hash_text(found[1]))


class _Labels:
    """The attributes of samples, each distinct set of them read once.

    Attributes:
        of_sample: for each sample the number of its set.
        hashes: for each set a hash of what is in it, whatever its order.
    """

    def __init__(
        self,
        samples: pa.StructArray,
        requests: Ints,
        dictionary: Dictionary,
        limit: int,
        warnings: Counter[str],
    ) -> None:
        table = dictionary.tables["attribute_table"]
        lists = samples.field("attribute_indices")
        counts = lengths(lists)
        places = table.place(numbers(lists.flatten()), np.repeat(requests, counts))
        hashes = _set_hashes(_attribute_hashes(dictionary)[places], counts)
        self.hashes, first, self.of_sample = np.unique(
            hashes, return_index=True, return_inverse=True
        )
        counts, places = take_lists(counts, places, first)
        counts, places = _within(counts, places, limit, warnings)
        # The zero entry and entries without a key say nothing.
        named = numbers(pc.binary_length(dictionary.attributes.field("key")))[places] > 0
        owners = np.repeat(np.arange(len(counts)), counts)[named]
        self._columns = _label_columns(dictionary, places[named], owners, len(counts), warnings)

    def columns(self, rows: Ints) -> dict[str, pa.Array]:
        """Give the columns of some of the samples.

        Raises:
            TooWideError: the labels of all rows are too much text.
        """
        sets = self.of_sample[rows]
        labels = self._columns["labels"]
        each = numbers(pc.binary_length(labels.keys)) + numbers(pc.binary_length(labels.items))
        up_to = np.concatenate([[0], np.cumsum(each)])
        offsets = labels.offsets.to_numpy()
        if int((up_to[offsets[1:]] - up_to[offsets[:-1]])[sets].sum()) > _MOST_LABEL_BYTES:
            raise TooWideError(f"more than {_MOST_LABEL_BYTES} bytes of repeated labels")
        return {name: column.take(pa.array(sets)) for name, column in self._columns.items()}


def _attribute_hashes(dictionary: Dictionary) -> Hashes:
    """Hash each attribute: key, unit, kind and value."""
    attributes = dictionary.attributes
    kind = attributes.field("value").field("int_value").is_valid().to_numpy(zero_copy_only=False)
    return mix(
        hash_text(attributes.field("key")),
        hash_text(text_of(attributes.field("value"))),
        hash_text(dictionary.texts("attribute_table", "unit_strindex")),
        kind.astype(np.uint64),
    )


def _set_hashes(hashes: Hashes, counts: Ints) -> Hashes:
    """Hash sets by what is in them; a sum does not know the order of its terms."""
    running = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(hashes, dtype=np.uint64)])
    ends = np.cumsum(counts)
    return mix(running[ends] - running[ends - counts], counts.astype(np.uint64))


def _within(counts: Ints, places: Ints, limit: int, warnings: Counter[str]) -> tuple[Ints, Ints]:
    """Cut lists that are too long."""
    if not len(counts) or int(counts.max()) <= limit:
        return counts, places
    position = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    kept = np.minimum(counts, limit)
    warnings["attributes_over_limit"] += int((counts - kept).sum())
    return kept, places[position < limit]


def _label_columns(
    dictionary: Dictionary, places: Ints, owners: Ints, count: int, warnings: Counter[str]
) -> dict[str, pa.Array]:
    """Give the label columns of sets of attributes: integers apart from all else."""
    pairs = dictionary.attributes.take(pa.array(places))
    whole = pairs.field("value").field("int_value")
    is_number: Bools = whole.is_valid().to_numpy(zero_copy_only=False)
    every = Attributes(_lists(pairs, owners, count))
    texts = Attributes(_lists(pairs.filter(pa.array(~is_number)), owners[~is_number], count))
    units = dictionary.texts("attribute_table", "unit_strindex").take(pa.array(places))
    of_number = pa.array(is_number)
    num_labels = pa.StructArray.from_arrays(
        [
            pairs.field("key").filter(of_number),
            whole.filter(of_number),
            units.filter(of_number),
        ],
        fields=list(NUM_LABELS.value_type),
    )
    columns = {name: every.text(*keys) for name, keys in _TEXT_COLUMNS.items()}
    columns |= {name: every.integer(64, *keys) for name, keys in _INTEGER_COLUMNS.items()}
    columns["labels"] = texts.to_map()
    columns["num_labels"] = _lists(num_labels, owners[is_number], count)
    warnings.update(texts.warnings)
    return columns


def _lists(entries: pa.StructArray, owners: Ints, count: int) -> pa.ListArray:
    """Make lists of entries that stand in the order of their owners."""
    counts = np.bincount(owners, minlength=count)
    return pa.ListArray.from_arrays(offsets_of(counts), entries)
