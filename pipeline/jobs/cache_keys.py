"""Keys of caches as lookups tell them: lists of several, and the classes that they are of."""

import json
import re

import polars as pl


def classed(found: pl.DataFrame, pattern: str) -> pl.DataFrame:
    """Add the keys of each lookup and their class; what is distinct is looked at once."""
    matched = re.compile(pattern)
    told = found["key"].unique().drop_nulls().sort()
    keys = [_listed(key) for key in told.to_list()]
    classes = [(hit.group(0) if (hit := matched.search(each[0])) else "") for each in keys]
    table = pl.DataFrame(
        {
            "key": told,
            "keys": pl.Series(keys, dtype=pl.List(pl.String)),
            "class_of_key": pl.Series(classes, dtype=pl.String),
        }
    )
    joined = found.join(table, on="key", how="left", maintain_order="left")
    return joined.with_columns(
        pl.coalesce("told_class", "class_of_key", pl.lit("")).alias("key_class"),
        key=pl.when(pl.col("keys").list.len() == 1)
        .then(pl.col("keys").list.first())
        .otherwise(pl.col("key")),
    )


def _listed(key: str) -> list[str]:
    """Give the keys that a text stands for: those of a JSON list, else the text itself.

    >>> _listed('["a:1", "a:2"]'), _listed("a:1"), _listed("[x")
    (['a:1', 'a:2'], ['a:1'], ['[x'])
    """
    if not key.startswith("["):
        return [key]
    try:
        keys = [str(each) for each in json.loads(key)]
    except ValueError:
        return [key]
    return keys or [key]
