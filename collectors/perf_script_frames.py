"""Frames of perf script: what stands behind the address, read once for each distinct text."""

import itertools
import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collectors.frames_and_stacks import NO_STACK, UNKNOWN, Bools, Frame, Frames, Ints, take_lists
from collectors.perf_script_lines import Codes, encoded_spans
from collectors.perf_script_names import tidy

# Distinct texts that are remembered; beyond it the memory of a file without end would grow.
_TEXTS_MOST = 1_000_000

_OFFSET_AT_END = re.compile(r"\+0x[0-9a-f]+$")
_SOURCE = re.compile(r"^(.*):(\d+)(?: \(discriminator \d+\))?$")
_JIT = re.compile(r"/perf-\d+\.map$|jitted-\d+-\d+\.so$|^\[JIT\]|\[JIT app cache\]|^//anon")
_KERNEL = re.compile(r"^\[(?:kernel|guest)\.|(?:^|/)vmlinux|\.ko(?:\.[xgz]\w+)?$|^\[[a-z]\w*\]$")
_NOT_KERNEL = ("[vdso]", "[vdso32]", "[vsyscall]", "[heap]", "[stack]", "[uprobes]", "[anon]")
_INLINED = " (inlined)"
_DIGITS_MOST = 16
_IS_HEX: Bools = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdef", dtype=np.uint8))
_IS_BLANK: Bools = np.isin(np.arange(256), np.frombuffer(b" \n", dtype=np.uint8))


@dataclass
class FileFrames(Frames):
    """The frames of a whole file, whose rows are given once each."""

    _given: int = 0
    _id_array: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _label_array: pa.StringArray = field(default_factory=lambda: pa.array([], pa.string()))

    def ids(self) -> Ints:
        """Give the id of each frame."""
        new = self._ids[len(self._id_array) :]
        if new:
            self._id_array = np.concatenate([self._id_array, np.array(new, dtype=np.int64)])
        return self._id_array

    def labels(self) -> pa.StringArray:
        """Give what people read of each frame."""
        new = itertools.islice(self._places, len(self._label_array), None)
        labels = pa.array([frame.label for frame in new], pa.string())
        if len(labels):
            self._label_array = pa.concat_arrays([self._label_array, labels])
        return self._label_array

    def rows(self) -> pa.Table:
        """Give those that were added since the last time as rows of profile_frames."""
        new = list(itertools.islice(self._places, self._given, None))
        identities = self._ids[self._given :]
        self._given = len(self._ids)
        return Frames.of(new, identities).rows()


@dataclass
class FrameTexts:
    """Distinct texts of frames that a file had so far, as numbers.

    A number stands for one frame or, where a compiler of Java put functions into each other, for
    several.

    Attributes:
        frames: the frames of all texts.
    """

    frames: FileFrames = field(default_factory=FileFrames)
    _numbers: dict[str, int] = field(default_factory=dict)
    _widths: list[int] = field(default_factory=list)
    _flat: list[int] = field(default_factory=list)

    def encode(self, codes: Codes, texts: pa.StringArray) -> Ints:
        """Give a number for each frame; texts that differ in their offset only have one.

        Args:
            codes: n places in ``texts``.
            texts: distinct ones, each what stands behind an address, with the source line behind
                an LF.
        """
        if not len(codes):
            return np.zeros(0, dtype=np.int64)
        # Python sees each text once without its offset, as offsets make many of few.
        of_text, left = without_offsets(texts)
        known = self._numbers
        numbers = np.array(
            [known[text] if text in known else self._add(text) for text in left], dtype=np.int64
        )
        of_each: Ints = numbers[of_text]
        return of_each[codes]

    def is_full(self) -> bool:
        """Tell whether so much is remembered that it is time to begin anew."""
        return len(self._numbers) > _TEXTS_MOST

    def no_stack(self) -> int:
        """Give the number of what stands for a stack without frames."""
        number = self._numbers.get("\n")
        return self._keep("\n", (Frame(NO_STACK),)) if number is None else number

    def expanded(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Give how many frames each of n numbers stands for, and their places in ``frames``."""
        return take_lists(
            np.array(self._widths, dtype=np.int64), np.array(self._flat, dtype=np.int64), numbers
        )

    def _add(self, text: str) -> int:
        return self._keep(text, parse(text))

    def _keep(self, text: str, frames: tuple[Frame, ...]) -> int:
        number = self._numbers[text] = len(self._numbers)
        self._widths.append(len(frames))
        self._flat.extend(self.frames.add(frame) for frame in frames)
        return number


def without_offsets(texts: pa.StringArray) -> tuple[Codes, list[str]]:
    """Cut the offset out of each of n texts.

    Returns:
        The place of each in what is distinct then, and that.

    >>> codes, distinct = without_offsets(pa.array(["main+0x1f (shop)", "main+0x2 (shop)", "f"]))
    >>> codes.tolist(), distinct
    ([0, 0, 1], ['main (shop)', 'f'])
    """
    # One of no characters has no buffer.
    texts = pa.concat_arrays([texts, pa.array(["-"])])
    _, offset_buffer, data_buffer = texts.buffers()
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[: len(texts)].astype(np.int64)
    starts, ends = offsets[:-1], offsets[1:]
    found = pc.find_substring(texts.slice(0, len(starts)), "+0x").to_numpy()
    has = np.flatnonzero(found >= 0)
    begin = starts[has] + found[has]
    behind = begin + 3
    for _ in range(_DIGITS_MOST):
        behind += _IS_HEX[data[behind]]
    # Names may hold "+0x" too, but no blank or end behind it.
    is_whole = (behind >= ends[has]) | _IS_BLANK[data[behind]]
    has, begin, behind = has[is_whole], begin[is_whole], behind[is_whole]
    cut, rest = ends.copy(), ends.copy()
    cut[has], rest[has] = begin, np.minimum(behind, ends[has])
    names, distinct_names = encoded_spans(data_buffer, starts, cut)
    rests, distinct_rests = encoded_spans(data_buffer, rest, ends)
    pairs = names.astype(np.int64) * len(distinct_rests) + rests
    encoded = pa.array(pairs).dictionary_encode()
    name_of, rest_of = np.divmod(encoded.dictionary.to_numpy(), len(distinct_rests))
    both = zip(
        distinct_names.take(pa.array(name_of)).to_pylist(),
        distinct_rests.take(pa.array(rest_of)).to_pylist(),
        strict=True,
    )
    return encoded.indices.to_numpy(), [name + rest for name, rest in both]


def parse(text: str) -> tuple[Frame, ...]:
    """Read one frame.

    Args:
        text: the symbol, its offset, the binary in parentheses, whether it is inlined, and the
            source line behind an LF; all but the symbol may be missing.

    Returns:
        It, or leaf first the functions that it says are in each other.

    >>> (frame,) = parse("main+0x1f (/srv/shop)")
    >>> frame.function, frame.mapping, frame.kind
    ('main', '/srv/shop', 'native')
    """
    first, _, source = text.partition("\n")
    first, source = first.strip(), source.strip()
    inlined = first.endswith(_INLINED) or source.endswith(_INLINED)
    symbol, mapping = _mapping(first.removesuffix(_INLINED))
    symbol = _OFFSET_AT_END.sub("", symbol)
    kind = _kind(mapping)
    if symbol in ("", UNKNOWN):
        return (Frame(mapping=mapping, kind=kind),)
    file, line = _source(source.removesuffix(_INLINED))
    is_jit = kind == "jit"
    parts = symbol.split("->") if is_jit and "operator->" not in symbol else [symbol]
    frames = []
    for place, part in enumerate(part for part in parts if part):
        name = tidy(part, is_jit)
        frames.append(
            Frame(
                function=name.function,
                system_name=part,
                file=file or name.file,
                line=line or name.line,
                column=name.column,
                mapping=mapping,
                inlined=inlined or place > 0,
                kind=name.kind or ("native" if kind == "unknown" else kind),
            )
        )
    return tuple(reversed(frames)) or (Frame(mapping=mapping, kind=kind),)


def _mapping(text: str) -> tuple[str, str]:
    """Cut off the last balanced parenthesis, which holds the binary."""
    if not text.endswith(")"):
        return text, ""
    depth = 0
    place = len(text)
    while place:
        place -= 1
        depth += (text[place] == ")") - (text[place] == "(")
        if not depth:
            break
    if depth:
        place = text.rfind(" (") + 1
    # Without a blank before it these are the arguments of a C++ name.
    if place and text[place - 1] != " ":
        return text, ""
    mapping = text[place + 1 : -1].removesuffix(" (deleted)")
    return text[:place].rstrip(), "" if mapping == UNKNOWN else mapping


def _kind(mapping: str) -> str:
    """Give the kind of code in a binary."""
    if not mapping:
        return "unknown"
    if _JIT.search(mapping):
        return "jit"
    return "kernel" if _KERNEL.search(mapping) and mapping not in _NOT_KERNEL else "native"


def _source(text: str) -> tuple[str, int]:
    """Read a source line."""
    found = _SOURCE.match(text)
    if not found or len(found[2]) > 9 or found[1] in ("", "??"):
        return "", 0
    return found[1], int(found[2])
