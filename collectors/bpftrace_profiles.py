"""Maps of stacks as profiles: one a map, equal stacks added up over all its prints.

What lands here does not land in ebpf_counts: it would be counted twice.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from collectors.bpftrace_batch import MapPrint
from collectors.bpftrace_frames import join_stack, stack_columns
from collectors.bpftrace_keys import has_stack, join_surplus, key_parts, unit_of_name
from collectors.bpftrace_owners import Owner, owner_of
from collectors.bpftrace_values import read_values
from collectors.collector import Reading
from collectors.frames_and_stacks import Frames, stack_ids, stack_rows
from collectors.imported_rows import complete
from collectors.profile_file import Facts, ProfileFile
from collectors.profile_types import canonical_unit, profile_type
from pipeline.schema import (
    ATTRIBUTES,
    PROFILE_FRAMES,
    PROFILE_SAMPLES,
    PROFILE_STACKS,
    PROFILES,
)

TABLES = (PROFILES, PROFILE_SAMPLES, PROFILE_STACKS, PROFILE_FRAMES)

_INT64_MOST = 2**63 - 1

# Keys whose stack is known: a map is printed again and again with mostly the same.
_KEYS_KNOWN = 100_000
# Ids of stacks that have their row. Beyond it a row may come again.
_STACKS_KNOWN = 1_000_000

# Different stacks and owners of a map; more than bpftrace's maps can hold at once. Beyond it they
# are given as rows, and what is printed later adds to them.
_SAMPLES_MOST = 1_000_000

# A stack and whose it is.
Sample = tuple[int, Owner]


@dataclass
class _Map:
    """What is known of a map.

    Attributes:
        number: of its profile.
        arity: how many keys it has; 0 for unknown.
        columns: which of them are stacks.
        known: samples of keys read before.
        sums: what was printed for each sample.
        print: the number of the last print, and what it held.
        before: what the print before held.
        prints: how many there were.
        fell: a value was less than in the print before.
        given: the sum of what is given as rows already.
    """

    number: int
    arity: int = 0
    columns: set[int] = field(default_factory=set)
    known: dict[str, Sample] = field(default_factory=dict)
    sums: Counter[Sample] = field(default_factory=Counter)
    print: int = 0
    held: Counter[Sample] = field(default_factory=Counter)
    before: Counter[Sample] = field(default_factory=Counter)
    prints: int = 0
    fell: bool = False
    given: int = 0


class TooLargeError(Exception):
    """The values of a map add up to more than 63 bits."""


class StackMaps:
    """Reads the maps of a file whose keys hold stacks."""

    def __init__(self, reading: Reading, separator: str, source_format: str) -> None:
        self._reading = reading
        self._separator = separator
        self._file = ProfileFile(reading, source_format)
        self._maps: dict[str, _Map] = {}
        self._known: set[int] = set()
        self._known_frames: set[int] = set()
        self._frames = Frames()
        self._places: list[int] = []
        self._depths: list[int] = []
        self._ids: list[int] = []

    @property
    def any(self) -> bool:
        """Tell whether there was such a map."""
        return bool(self._maps)

    def add(self, given: MapPrint) -> bool:
        """Add a print of a map; False if it is not one of stacks and their counts."""
        keys = given.keys
        if not keys or given.extra or "." in given.metric:
            return False
        if given.metric not in self._maps and not any(map(has_stack, keys)):
            return False
        values = read_values(given.values, Counter())
        if values.others or values.places is not None or (values.whole.to_numpy() < 0).any():
            return False
        known = self._maps.setdefault(given.metric, _Map(len(self._maps)))
        self._begin(known, given.number)
        if len(known.known) > _KEYS_KNOWN:
            known.known.clear()
        self._learn(known, [key for key in keys if key not in known.known])
        for key, value in zip(keys, values.whole.to_pylist(), strict=True):
            known.held[known.known[key]] += value
        return True

    def _begin(self, known: _Map, number: int) -> None:
        """Begin a print, or go on with one."""
        if number != known.print:
            self._end(known)
            known.print = number
            known.prints += 1

    def _end(self, known: _Map) -> None:
        """End a print: add it up, and compare it with the one before."""
        held = known.held
        known.fell = known.fell or any(held[key] < many for key, many in known.before.items())
        known.sums.update(held)
        known.before, known.held = held, Counter()

    def _learn(self, known: _Map, keys: Sequence[str]) -> None:
        """Read keys that are new."""
        cut = [key_parts(key, self._separator) for key in keys]
        if not cut:
            return
        least = min(map(len, cut))
        known.arity = min(known.arity or least, least)
        told = [join_surplus(parts, known.arity, self._separator) for parts in cut]
        known.columns |= stack_columns(told)
        stacks = []
        for parts in told:
            stack = [part for place, part in enumerate(parts) if place in known.columns]
            stacks.append([self._frames.add(frame) for frame in join_stack(stack)])
        owners = [
            owner_of({p: part for p, part in enumerate(parts) if p not in known.columns})
            for parts in told
        ]
        known.known.update(zip(keys, zip(self._keep(stacks), owners, strict=True), strict=True))

    def _keep(self, stacks: Sequence[Sequence[int]]) -> list[int]:
        """Give the ids of stacks, and keep the rows of those that have none yet.

        Args:
            stacks: of each the places of its frames.
        """
        depths = np.array([len(stack) for stack in stacks], dtype=np.int64)
        places = np.array([place for stack in stacks for place in stack], dtype=np.int64)
        uncut = np.zeros(len(depths), dtype=np.bool_)
        ids: list[int] = stack_ids(self._frames.ids()[places], depths, uncut).tolist()
        if len(self._known) > _STACKS_KNOWN:
            self._known.clear()
        for identity, stack in zip(ids, stacks, strict=True):
            if identity not in self._known:
                self._known.add(identity)
                self._ids.append(identity)
                self._depths.append(len(stack))
                self._places += stack
        return ids

    def take(self) -> dict[str, pa.Table]:
        """Give the rows of stacks and frames that are new, and of samples if they are too many."""
        tables = {}
        for metric, known in self._maps.items():
            if len(known.sums) > _SAMPLES_MOST:
                known.fell = True
                tables[PROFILE_SAMPLES.name] = self._samples(known, known.sums, metric)
                known.sums = Counter()
                break
        if not self._ids:
            return tables
        places, depths = np.array(self._places), np.array(self._depths)
        uncut = np.zeros(len(depths), dtype=np.bool_)
        tables |= {
            PROFILE_STACKS.name: stack_rows(
                np.array(self._ids), self._frames, places, depths, uncut
            ),
            PROFILE_FRAMES.name: self._new_frames(),
        }
        self._frames = Frames()
        self._places, self._depths, self._ids = [], [], []
        return tables

    def _new_frames(self) -> pa.Table:
        """Give the rows of frames that are new."""
        rows = self._frames.rows()
        ids = rows["frame_id"].to_pylist()
        new = [place for place, identity in enumerate(ids) if identity not in self._known_frames]
        if len(self._known_frames) > _STACKS_KNOWN:
            self._known_frames.clear()
        self._known_frames.update(ids)
        return rows.take(pa.array(new, pa.int64()))

    def finish(self, lost: int | None, told: Sequence[str]) -> dict[str, pa.Table]:
        """Give samples and profiles at the end of the file.

        Args:
            lost: events that bpftrace lost; None for unknown.
            told: what was repaired or dropped, for people.

        Raises:
            TooLargeError: the values of a map add up to more than 63 bits.
        """
        samples = []
        facts = []
        for metric, known in self._maps.items():
            self._end(known)
            # Each print of a map that is never cleared holds all of those before.
            totals = known.prints > 1 and not known.fell
            sums = known.before if totals else known.sums
            name, unit, _ = self._unit(metric)
            samples.append(self._samples(known, sums, metric))
            total = known.given
            facts.append(
                Facts(
                    [(name, unit, total)],
                    period=self._period(name),
                    period_type="cpu" if self._period(name) else "",
                    attributes={"map": metric},
                    warnings=told,
                    lost=lost,
                )
            )
        rows = pa.concat_tables([PROFILE_SAMPLES.arrow_schema.empty_table(), *samples])
        return {PROFILE_SAMPLES.name: rows, PROFILES.name: self._file.profiles(facts)}

    def _unit(self, metric: str) -> tuple[str, str, int]:
        """Give the sample type of a map's values, their unit, and how many of it one is."""
        unit = unit_of_name(metric) or self._reading.origin.unit
        canonical, factor = canonical_unit(unit)
        # A count is one of samples: what a probe of the profile or any other hit.
        name = "samples" if canonical == "count" else metric.lstrip("@")
        return name, canonical, factor

    def _period(self, name: str) -> int:
        """Give the time between two samples, where somebody says how often they were taken."""
        rate = self._reading.origin.rate_hertz
        return round(1e9 / rate) if name == "samples" and rate >= 1e-9 else 0

    def _samples(self, known: _Map, sums: Counter[Sample], metric: str) -> pa.Table:
        """Give what was added up as rows of profile_samples.

        Raises:
            TooLargeError: it is more than 63 bits.
        """
        name, unit, factor = self._unit(metric)
        count = len(sums)
        known.given += sum(sums.values()) * factor
        if known.given > _INT64_MOST:
            raise TooLargeError
        values = np.array(list(sums.values()), dtype=np.int64) * factor
        owners = [owner for _, owner in sums]
        kind = profile_type(name, unit, "cpu" if self._period(name) else "")
        columns: dict[str, pa.Array] = {
            "profile_id": pa.repeat(self._file.profile_id(known.number), count),
            "stack_id": pa.array([stack for stack, _ in sums], pa.int64()),
            "time_unix_nano": pa.repeat(self._file.time(0), count),
            "profile_type": pa.repeat(kind, count),
            "sample_type": pa.repeat(name, count),
            "sample_unit": pa.repeat(unit, count),
            "value": pa.array(values),
            "comm": pa.array([comm for comm, _, _ in owners], pa.string()),
            "pid": pa.array([pid for _, pid, _ in owners], pa.int64()),
            "labels": pa.array([labels for _, _, labels in owners], ATTRIBUTES),
        }
        if name == "samples":
            columns["samples"] = columns["value"]
        if self._reading.origin.duration_nano:
            columns["duration_nano"] = pa.repeat(self._reading.origin.duration_nano, count)
        resource = self._reading.origin.resource()
        return complete(PROFILE_SAMPLES, columns, self._reading, resource, self._file.warnings)
