"""Labels of pprof samples: those that were sent, and columns that would be lost without one."""

from typing import Any

from pipeline.report.pprof_tables import Strings
from pipeline.report.protobuf_wire import content, integer

# Columns of profile_samples with the names that their labels go by; the first one is written,
# and only where the labels have none of them.
_KEYS = {
    "pid": ("pid", "process id", "process_id", "process.pid"),
    "thread_id": ("thread_id", "thread id", "thread.id", "tid"),
    "thread_name": ("thread_name", "thread name", "thread.name", "thread"),
    "comm": ("comm",),
    "trace_id": ("trace_id", "trace id"),
    "span_id": ("span_id", "span id"),
    "local_root_span_id": ("local_root_span_id", "local root span id"),
}

LABEL_COLUMNS = (*_KEYS, "labels", "num_labels")

# Key and text of each text, then key, number and unit of each number.
Labels = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, int, str], ...]]


def labels_of(row: dict[str, Any]) -> Labels:
    """Give the labels of a sample.

    Args:
        row: the columns of ``LABEL_COLUMNS``.

    Returns:
        Texts and numbers in the order they were sent, columns without a label after them.

    >>> nothing = dict.fromkeys(LABEL_COLUMNS)
    >>> labels_of(nothing | {"thread_id": 7, "comm": "app", "labels": [("tenant", "a")]})
    ((('tenant', 'a'), ('comm', 'app')), (('thread_id', 7, ''),))
    """
    texts = [(key, value or "") for key, value in row["labels"] or ()]
    numbers = [(each["key"], each["value"], each["unit"] or "") for each in row["num_labels"] or ()]
    taken = {key for key, _ in texts} | {key for key, _, _ in numbers}
    for column, keys in _KEYS.items():
        value = row[column]
        if value is None or not taken.isdisjoint(keys):
            continue
        if isinstance(value, int):
            numbers.append((keys[0], value, ""))
        else:
            texts.append((keys[0], value))
    return tuple(texts), tuple(numbers)


def write_labels(labels: Labels, strings: Strings) -> bytes:
    """Write the labels of a sample as fields of its message."""
    texts, numbers = labels
    parts = [
        content(3, integer(1, strings.add(key)) + integer(2, strings.add_value(value)))
        for key, value in texts
    ]
    parts += [
        content(
            3,
            integer(1, strings.add(key)) + integer(3, number) + integer(4, strings.add(unit)),
        )
        for key, number, unit in numbers
    ]
    return b"".join(parts)
