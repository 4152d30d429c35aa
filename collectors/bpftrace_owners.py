"""Whose a stack is: what the keys beside it say."""

from collections.abc import Mapping

# Of a task's name in the kernel, its end included.
_COMM_BYTES = 16

# Longer is no process id.
_PID_DIGITS = 10

# The command's name, its pid, and other keys by name.
Owner = tuple[str | None, int | None, tuple[tuple[str, str], ...]]


def owner_of(keys: Mapping[int, str]) -> Owner:
    """Tell what keys beside a stack are: one name is the command's, a number with it its pid.

    >>> owner_of({1: "cat", 2: "7"}), owner_of({0: "7"})
    (('cat', 7, ()), (None, None, (('key0', '7'),)))
    """
    numbers = {place: key for place, key in keys.items() if key.isascii() and key.isdigit()}
    names = {place: key for place, key in keys.items() if place not in numbers}
    comm = pid = None
    used = set()
    if len(names) == 1:
        ((place, name),) = names.items()
        if len(name.encode()) < _COMM_BYTES:
            comm = name
            used.add(place)
            if len(numbers) == 1:
                ((place, number),) = numbers.items()
                if len(number) <= _PID_DIGITS:
                    pid = int(number)
                    used.add(place)
    labels = tuple((f"key{place}", key) for place, key in keys.items() if place not in used)
    return comm, pid, labels
