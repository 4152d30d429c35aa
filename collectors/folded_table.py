"""The distinct frames of a folded file: each text read once, known by a number."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collectors.folded_frames import Owner, open_brackets, read_frame, read_owner
from collectors.frames_and_stacks import NO_STACK, Frame, Frames, Ints, frame_id

# What a frame's text may be besides a frame.
PLAIN, EMPTY, SEPARATOR, OWNER, OPEN = range(5)

# More distinct texts than any program has; beyond it they are forgotten and read again.
TEXTS_MOST = 500_000

# Marks the text of a frame in the kernel; no frame holds a line's end.
_IN_KERNEL = "\n"


@dataclass
class FrameTable:
    """Texts of frames, each with its number.

    Attributes:
        py_spy: whether py-spy wrote them.
        owners: what the texts that are processes or threads say, by their number.
    """

    py_spy: bool = False
    owners: dict[int, Owner] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _texts: list[str] = field(default_factory=list)
    _labels: list[str] = field(default_factory=list)
    _ids: list[int] = field(default_factory=list)
    _roles: list[int] = field(default_factory=list)
    _frames: list[Frame] = field(default_factory=list)
    _given: set[int] = field(default_factory=set)
    _flat: tuple[Ints, Ints, pa.StringArray] | None = None

    def number(self, text: str) -> int:
        """Give a text's number, reading it if it is new."""
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._texts)
            in_kernel = text.startswith(_IN_KERNEL)
            plain = text.removeprefix(_IN_KERNEL)
            frame = read_frame(plain, self.py_spy, in_kernel) if plain else Frame()
            self._texts.append(plain)
            self._labels.append(frame.label)
            self._ids.append(frame_id(frame))
            self._roles.append(PLAIN if in_kernel else self._role(number, plain))
            self._frames.append(frame)
        return number

    def numbers(self, texts: list[str]) -> list[int]:
        """Give the numbers of some texts, most of which are known: those take no call each."""
        found = list(map(self._numbers.get, texts))
        return [
            self.number(text) if number is None else number
            for number, text in zip(found, texts, strict=True)
        ]

    def _role(self, number: int, text: str) -> int:
        """Tell what a text is."""
        if not text:
            return EMPTY
        if text in ("-", "--"):
            return SEPARATOR
        owner = read_owner(text)
        if owner:
            self.owners[number] = owner
            return OWNER
        return OPEN if max(open_brackets(text)) > 0 else PLAIN

    def in_kernel(self, numbers: Ints) -> Ints:
        """Give the numbers of the same frames in the kernel."""
        distinct, places = np.unique(numbers, return_inverse=True)
        inside = [self.number(_IN_KERNEL + self._texts[number]) for number in distinct.tolist()]
        return np.array(inside, dtype=np.int64)[places]

    def no_stack(self) -> int:
        """Give the number of the frame that stands for none."""
        return self.number(NO_STACK)

    def text(self, number: int) -> str:
        """Give the text of a number."""
        return self._texts[number]

    def ids(self) -> Ints:
        """Give the id of each number's frame."""
        return self._arrays()[0]

    def roles(self) -> Ints:
        """Give what each number's text is."""
        return self._arrays()[1]

    def labels(self) -> pa.StringArray:
        """Give what people read of each number's frame."""
        return self._arrays()[2]

    def _arrays(self) -> tuple[Ints, Ints, pa.StringArray]:
        if self._flat is None or len(self._flat[0]) < len(self._ids):
            ids: npt.NDArray[np.int64] = np.array(self._ids, dtype=np.int64)
            roles: npt.NDArray[np.int64] = np.array(self._roles, dtype=np.int64)
            self._flat = (ids, roles, pa.array(self._labels, pa.string()))
        return self._flat

    def rows(self, numbers: Ints) -> pa.Table:
        """Give frames as rows of profile_frames, those that were not given before."""
        used = np.zeros(len(self._ids), dtype=np.bool_)
        used[numbers] = True
        frames: dict[int, Frame] = {}
        for number in np.flatnonzero(used).tolist():
            if self._ids[number] not in self._given:
                self._given.add(self._ids[number])
                frames[self._ids[number]] = self._frames[number]
        return Frames.of(frames.values(), list(frames)).rows()

    @property
    def full(self) -> bool:
        """Tell whether it is time to begin another table."""
        return len(self._texts) > TEXTS_MOST
