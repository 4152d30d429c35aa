"""Frames of the stacks that bpftrace prints, a line each, leaf first."""

import re
from collections.abc import Sequence
from functools import lru_cache

from collectors.bpftrace_keys import is_stack
from collectors.frames_and_stacks import NO_STACK, UNKNOWN, Frame

# A name and how far in it; bpftrace's own mode has decimal offsets, perf's has hexadecimal ones.
_OFFSET = re.compile(r"(.+?)\+(?:0x[0-9a-fA-F]+|[0-9]+)")
_ADDRESS = re.compile(r"(?:0x)?([0-9a-fA-F]{1,16})")
# stack mode perf: address, name with offset, and in parentheses the binary.
_PERF = re.compile(r"([0-9a-fA-F]{4,16}) (.+?) \((.*)\)")

# From here on addresses are the kernel's, on x86-64 and arm64.
_KERNEL_ADDRESS = 0xFFFF_0000_0000_0000
_KERNEL_MAPPINGS = ("[kernel", "[guest.kernel")

# Where the kernel's stacks begin: entries from user code, its own threads, idle processors.
_KERNEL_ROOTS = re.compile(
    r"(?:entry_(?:SYSCALL|INT80|SYSENTER)\w*|do_syscall_64|x64_sys_call|invoke_syscall|el0t?_\w+"
    r"|asm_(?:exc|sysvec|common)_\w+|ret_from_fork\w*|kthread|cpu_startup_entry|start_kernel"
    r"|start_secondary|secondary_startup\w*|common_startup_64)$"
)


@lru_cache(maxsize=1 << 16)
def read_frame(line: str) -> Frame:
    """Read a line of a stack.

    >>> read_frame("    vfs_read+12").function, read_frame("    0x7f10").address
    ('vfs_read', 32528)
    """
    text = line.strip()
    mapping = ""
    address = 0
    perf = _PERF.fullmatch(text)
    if perf:
        address, text, mapping = int(perf[1], 16), perf[2], perf[3]
    plain = _ADDRESS.fullmatch(text)
    # A name of hexadecimal letters only is told by its offset.
    if plain and (text.startswith("0x") or len(text) >= 8):
        return Frame(address=int(plain[1], 16), kind="unknown")
    if text in (UNKNOWN, "unknown", ""):
        return Frame(mapping=mapping, address=address)
    offset = _OFFSET.fullmatch(text)
    return Frame(function=offset[1] if offset else text, mapping=mapping)


def _is_kernel(frames: Sequence[Frame]) -> bool:
    """Tell whether a part of a stack is the kernel's, by its root and its addresses."""
    return any(
        frame.address >= _KERNEL_ADDRESS or frame.mapping.startswith(_KERNEL_MAPPINGS)
        for frame in frames
    ) or any(_KERNEL_ROOTS.match(frame.function) for frame in frames[-3:])


def join_stack(parts: Sequence[str]) -> list[Frame]:
    """Make one stack of those that a key holds: the kernel's frames, then the user's below.

    Args:
        parts: the stacks of a key as printed, empty where there was none; of two the first is
            the kernel's, unless only the second looks like it.

    Returns:
        Frames, leaf first; the frame NO_STACK where there is none at all.
    """
    stacks = [[read_frame(line) for line in part.split("\n") if line.strip()] for part in parts]
    sides = [_is_kernel(stack) for stack in stacks]
    if len(stacks) == 2:
        if sides == [False, True]:
            stacks.reverse()
        sides = [True, False]
    found = [
        frame._replace(kind="kernel" if side else "native")
        for stack, side in zip(stacks, sides, strict=True)
        for frame in stack
    ]
    return found or [Frame(function=NO_STACK)]


def stack_columns(keys: Sequence[Sequence[str]]) -> set[int]:
    """Give the places of keys that are stacks.

    >>> sorted(stack_columns([["", "\\n    main+1\\n", "bash"], ["\\n    f\\n", "", "bash"]]))
    [0, 1]
    """
    return {place for parts in keys for place, part in enumerate(parts) if is_stack(part)}
