"""Keys of caches as lookups tell them: lists of several, and the classes that they are of."""

import json
import re

import polars as pl

# A longer text is no list of keys that anybody asks for at once.
_LIST_MOST = 1_000_000
# Classes are names for people: longer ones are cut.
_CLASS_MOST = 64
# Classes with fewer lookups than so many others have stand together: what is a class of hardly
# more than itself, such as a hash, has no hits or misses to hold it against.
_CLASSES_MOST = 100


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
    name = pl.coalesce("told_class", "class_of_key", pl.lit(""))
    cut = pl.concat_str(name.str.slice(0, _CLASS_MOST - 1), pl.lit("…"))
    return joined.with_columns(
        key_class=pl.when(name.str.len_chars() > _CLASS_MOST).then(cut).otherwise(name),
        key=pl.when(pl.col("keys").list.len() == 1)
        .then(pl.col("keys").list.first())
        .otherwise(pl.col("key")),
    )


def folded(frame: pl.DataFrame) -> pl.DataFrame:
    """Let classes of keys beyond those with most lookups stand together, named by their number."""
    counted = frame.group_by("key_class").len().sort("len", "key_class", descending=[True, False])
    others = counted["key_class"][_CLASSES_MOST:]
    if others.is_empty():
        return frame
    is_other = pl.col("key_class").is_in(others.implode())
    name = pl.lit(f"({len(others)} others)")
    return frame.with_columns(key_class=pl.when(is_other).then(name).otherwise("key_class"))


def _listed(key: str) -> list[str]:
    """Give the keys that a text stands for: those of a JSON list, else the text itself.

    >>> _listed('["a:1", "a:2"]'), _listed("a:1"), _listed("[x")
    (['a:1', 'a:2'], ['a:1'], ['[x'])
    """
    if not key.startswith("[") or len(key) > _LIST_MOST:
        return [key]
    try:
        keys = [str(each) for each in json.loads(key)]
    except (ValueError, RecursionError):
        return [key]
    return keys or [key]
