"""The stacks of counted samples as numbers: which functions, files and modules stand in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.jobs.job import Connection, ask

Ints = NDArray[np.int64]

_KEY = ("stack_id", "drop_frames", "keep_frames")


@dataclass(frozen=True)
class ShownStacks:
    """Distinct stacks, their frames end to end.

    Attributes:
        names: distinct functions, sorted.
        depths: frames of each stack, at least 1.
        functions: numbers in ``names`` of all frames, stack by stack, leaf first.
        files, modules: of all frames, empty for unknown.
    """

    names: tuple[str, ...]
    depths: Ints
    functions: Ints
    files: pa.Array
    modules: pa.Array

    @property
    def stack_of_frame(self) -> Ints:
        """Give the stack of every frame."""
        return np.repeat(np.arange(len(self.depths)), self.depths)

    @property
    def starts(self) -> Ints:
        """Give the place of every stack's leaf among all frames."""
        return np.asarray(np.cumsum(self.depths) - self.depths)

    @property
    def leaves(self) -> Ints:
        """Give the function of every stack's leaf."""
        return self.functions[self.starts]

    @property
    def below_root(self) -> Ints:
        """Give how many frames stand between every frame and its root."""
        ends = np.repeat(np.cumsum(self.depths), self.depths)
        return np.asarray(ends - 1 - np.arange(len(self.functions)))


def read_stacks(
    connection: Connection, sides: Sequence[pa.Table]
) -> tuple[ShownStacks, list[Ints]]:
    """Read the stacks of counted rows.

    Args:
        connection: with the tables of profiles and the view of stacks that are shown.
        sides: rows with profile_id and stack_id.

    Returns:
        The stacks, and for each row of each side which of them it has.

    Raises:
        UsageError: a stack is not in the lake yet.
    """
    rules = _rules(connection, sides)
    keyed = [
        rows.select(["profile_id", "stack_id"])
        .append_column("row", pa.array(np.arange(rows.num_rows)))
        .join(rules, "profile_id")
        .sort_by("row")
        for rows in sides
    ]
    wanted = pa.concat_tables([each.select(list(_KEY)) for each in keyed])
    connection.register("counted_stacks", wanted.group_by(list(_KEY)).aggregate([]))
    order = [(name, "ascending") for name in _KEY]
    found = ask(connection, "profile_counts_stacks", {}).sort_by(order)
    found = found.append_column("number", pa.array(np.arange(found.num_rows)))
    numbers = []
    for each in keyed:
        joined = each.join(found.select([*_KEY, "number"]), list(_KEY)).sort_by("row")
        if joined["number"].null_count:
            raise UsageError(
                f"{joined['number'].null_count} samples name a stack that is not in the lake; "
                "is an import still under way? ask again"
            )
        numbers.append(np.asarray(joined["number"].to_numpy(), dtype=np.int64))
    return _stacks(connection, found), numbers


def _rules(connection: Connection, sides: Sequence[pa.Table]) -> pa.Table:
    """Give the patterns of every profile that is counted; empty for none."""
    ids = pa.concat_tables([rows.select(["profile_id"]) for rows in sides])
    ids = ids.group_by("profile_id").aggregate([])
    connection.register("selected_profiles", ids)
    known = ask(connection, "profile_selection_profiles", {})
    known = known.select(["profile_id", "drop_frames", "keep_frames"])
    rules = ids.join(known, "profile_id")
    drop = pc.fill_null(rules["drop_frames"], "")
    # Nothing to drop, nothing to keep from it.
    keep = pc.if_else(pc.equal(drop, ""), "", pc.fill_null(rules["keep_frames"], ""))
    return pa.table({"profile_id": rules["profile_id"], "drop_frames": drop, "keep_frames": keep})


def _stacks(connection: Connection, found: pa.Table) -> ShownStacks:
    """Number the functions of stacks and look up where their frames stand."""
    names = found["functions"].combine_chunks()
    encoded = pc.fill_null(names.flatten(), "").dictionary_encode()
    words = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(words, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    frame_ids = found["frame_ids"].combine_chunks().flatten()
    connection.register("counted_frames", pa.table({"frame_id": pc.unique(frame_ids)}))
    frames = ask(connection, "profile_counts_frames", {})
    places = pc.index_in(frame_ids, frames["frame_id"].combine_chunks())
    files, modules = (
        pc.fill_null(frames[name].combine_chunks().take(places), "") for name in ("file", "mapping")
    )
    return ShownStacks(
        tuple(words[order].tolist()),
        np.asarray(pc.list_value_length(names).to_numpy(), dtype=np.int64),
        rank[encoded.indices.to_numpy()] if len(encoded) else np.zeros(0, dtype=np.int64),
        files,
        modules,
    )
