"""Keys and names of bpftrace's maps: keys told apart, stacks among them, units by the name."""

import re
from collections.abc import Sequence

# How keys are joined, and never escaped, in either form.
JSON_SEPARATOR = ","
TEXT_SEPARATOR = ", "

# A stack is a key of several lines, one indented line a frame.
_STACK = re.compile(r"\n(?:[ \t]+[^\n]*\n)+")
_HELD = re.compile("\0([0-9]+)")

_UNITS = {
    "ns": "ns",
    "nsec": "ns",
    "nsecs": "ns",
    "us": "us",
    "usec": "us",
    "usecs": "us",
    "ms": "ms",
    "msec": "ms",
    "msecs": "ms",
    "secs": "s",
    "seconds": "s",
    "bytes": "bytes",
}


def unit_of_name(name: str) -> str:
    """Give the unit that a map's name ends in; empty for none.

    >>> unit_of_name("@usecs"), unit_of_name("@read_bytes"), unit_of_name("@status")
    ('us', 'bytes', '')
    """
    return _UNITS.get(name.lstrip("@").rpartition("_")[2].lower(), "")


def is_stack(part: str) -> bool:
    """Tell whether a key is a stack."""
    return part.startswith("\n") and _STACK.fullmatch(part) is not None


def has_stack(key: str) -> bool:
    """Tell whether there is a stack among joined keys."""
    return "\n" in key and _STACK.search(key) is not None


def key_parts(key: str, separator: str) -> list[str]:
    r"""Cut joined keys at each separator that is in no stack.

    >>> key_parts("\n    f(int, int)+1\n, bash", ", ")
    ['\n    f(int, int)+1\n', 'bash']
    """
    if "\n" not in key:
        return key.split(separator)
    stacks: list[str] = []

    def hold(found: re.Match[str]) -> str:
        stacks.append(found[0])
        return f"\0{len(stacks) - 1}"

    # A NUL can stand in no key: the kernel's strings end there.
    plain = _STACK.sub(hold, key.replace("\0", "\ufffd"))
    return [_HELD.sub(lambda found: stacks[int(found[1])], part) for part in plain.split(separator)]


def join_surplus(parts: Sequence[str], keys: int, separator: str) -> list[str]:
    r"""Join parts again until there are as many as keys: a comm may hold a comma.

    Keys are told apart from the right, so the surplus goes to the first that is no stack.

    >>> join_surplus(["a", "b", "7"], 2, ",")
    ['a,b', '7']
    >>> join_surplus(["\n    f\n", "a", "b"], 2, ",")
    ['\n    f\n', 'a,b']
    """
    found = list(parts)
    surplus = len(found) - max(keys, 1)
    place = 0
    while surplus > 0 and place < len(found):
        end = place
        while end < len(found) and end - place <= surplus and not is_stack(found[end]):
            end += 1
        if end - place > 1:
            found[place:end] = [separator.join(found[place:end])]
            surplus -= end - place - 1
        place += 1
    return found
