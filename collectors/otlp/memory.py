"""What a long-lived process of ours does first: keep its memory small and Arrow's calls quick."""

import contextlib
import ctypes
import sys

import pyarrow as pa

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_ARENAS = 2

# Less would be given back and faulted in again for every batch: with 128 KiB a landed span took
# 1.06 us of system time, with this 0.43 us.
_TRIM_BYTES = 64 << 20
_MMAP_BYTES = 32 << 20


def settle() -> None:
    """Do all of it."""
    give_back()
    without_pandas()


def give_back() -> None:
    """Tell glibc to keep few arenas and to return what is free at the top of each, beyond a bound.

    Each thread gets an arena of its own otherwise, and what one freed the next cannot use: landing
    grew by 50 MiB a round. With this it stays where its largest round was. Other C libraries have
    no such call, and then nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)


def without_pandas() -> None:
    """Spare Arrow its search for pandas.

    PyArrow looks for it again in nearly every conversion as long as it is not there, through every
    folder of the path: a tenth of what a small request costs. We have no use for it.
    """
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    # The first search takes that for the module and fails over it; there is no second one.
    with contextlib.suppress(AttributeError):
        pa.array([0])
