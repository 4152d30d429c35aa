"""Ids of traces and spans as labels write them: hex digits, or a decimal number."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import Bools
from collectors.otlp.columns import hex_ids

# What fits 64 bits whatever the digits; longer ones are read one by one.
_DECIMAL = r"^[0-9]{1,19}$"
_LONG_DECIMAL = r"^(-[0-9]{1,38}|[0-9]{20,39})$"


def hex_of_numbers(numbers: npt.NDArray[np.uint64], digits: int) -> pa.StringArray:
    """Write n numbers in so many hex digits, at least 16; 0 is NULL.

    >>> hex_of_numbers(np.array([255, 0], np.uint64), 16).to_pylist()
    ['00000000000000ff', None]
    """
    width = digits // 2
    data = np.zeros((len(numbers), width), dtype=np.uint8)
    data[:, width - 8 :] = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
    size = pa.binary(width)
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        size, len(numbers), [None, pa.py_buffer(data.tobytes())]
    )
    return hex_ids(fixed.cast(pa.binary()), width, numbers != 0)


def hex_of_texts(texts: pa.StringArray, digits: int, decimal: Bools) -> pa.StringArray:
    """Write n ids in hex; NULL where they are none or zero.

    Args:
        texts: n ids, in hex or decimal.
        digits: of an id in hex.
        decimal: n, whether an id that could be either is decimal. Keys with blanks are those of
            tracers that write ids in decimal.

    >>> texts = pa.array(["AB" * 8, "10", "1" * 16, "1" * 16, "x", "0" * 16])
    >>> found = hex_of_texts(texts, 16, np.array([True, True, True, False, True, False]))
    >>> found.to_pylist()
    ['abababababababab', '000000000000000a', '0003f28cb71571c7', '1111111111111111', None, None]
    """
    nothing = pa.scalar(None, pa.string())
    zero = "0" * digits
    hexadecimal = pc.match_substring_regex(texts, f"^[0-9a-fA-F]{{{digits}}}$")
    if not decimal.any() and pc.all(hexadecimal).as_py():
        found = pc.utf8_lower(texts)
        return pc.if_else(pc.equal(found, zero), nothing, found)
    numeric = pc.match_substring_regex(texts, _DECIMAL)
    all_digits = pc.match_substring_regex(texts, "^[0-9]+$")
    hexadecimal = pc.and_not(hexadecimal, pc.and_(all_digits, pa.array(decimal)))
    read = pc.if_else(numeric, texts, pa.scalar("0")).cast(pa.uint64())
    found = hex_of_numbers(read.to_numpy(zero_copy_only=False), digits)
    found = pc.if_else(hexadecimal, pc.utf8_lower(texts), found)
    long = pc.and_not(pc.match_substring_regex(texts, _LONG_DECIMAL), hexadecimal)
    if pc.any(long).as_py():
        # Each different one once.
        encoded = pc.if_else(long, texts, nothing).dictionary_encode()
        modulus = 1 << 4 * digits
        wrapped = [f"{int(each) % modulus:0{digits}x}" for each in encoded.dictionary.to_pylist()]
        found = pc.if_else(long, pa.array(wrapped, pa.string()).take(encoded.indices), found)
    return pc.if_else(pc.equal(found, zero), nothing, found)
