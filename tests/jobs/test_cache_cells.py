"""Cells of lookups: whatever is cut from them adds up to all, and their order does not count."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.jobs.cache_cells import cells_of

MINUTE = 60 * 10**9
LOOKUPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 3),
        st.integers(1, 4),
        st.integers(0, 4),
        st.sampled_from([1.0, 2.0, 8.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


def frame(rows: list[tuple[str, int, int, int, float, bool]]) -> pl.DataFrame:
    """Give lookups: whose, in which minute, how many keys were asked for and found, weight."""
    return pl.DataFrame(
        [
            {
                "service_name": "shop",
                "service_version": "",
                "service_instance_id": instance,
                "deployment_environment": "",
                "cache": "redis",
                "start_time_unix_nano": minute * MINUTE + 1,
                "asked": asked,
                "found": min(found, asked) if told else None,
                "hit": found >= asked if told else None,
                "told_by": "rows" if minute else "inferred",
                "said": None if told else "stale",
                "weight": weight,
            }
            for instance, minute, asked, found, weight, told in rows
        ],
        schema_overrides={"found": pl.Int64, "hit": pl.Boolean, "said": pl.String},
    )


@settings(max_examples=30)
@given(LOOKUPS)
def test_cells_add_up_to_their_lookups_in_any_order(
    rows: list[tuple[str, int, int, int, float, bool]],
) -> None:
    cells = cells_of(frame(rows))
    told = [row for row in rows if row[5]]
    assert cells["asked"].sum() == sum(asked * weight for _, _, asked, _, weight, _ in told)
    assert cells["found"].sum() == sum(min(f, a) * weight for _, _, a, f, weight, _ in told)
    assert cells["squared"].sum() == sum(a * weight**2 for _, _, a, _, weight, _ in told)
    assert cells["untold"].sum() == len(rows) - len(told)
    assert cells.height == len({(instance, minute) for instance, minute, *_ in rows})
    assert cells.sort("service_instance_id", "minute").equals(cells)
    assert cells_of(frame(rows[::-1])).equals(cells)
