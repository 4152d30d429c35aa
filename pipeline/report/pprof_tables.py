"""The tables of a pprof profile: strings, mappings, functions and locations, each once."""

from collections.abc import Sequence
from typing import Any

from collectors.frames_and_stacks import NO_STACK, UNKNOWN
from pipeline.report.protobuf_wire import content, integer

_WRAP = 1 << 64

Row = dict[str, Any]


class Strings:
    """The string table, in the order of first use; number 0 is the empty one."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def add(self, text: str | None) -> int:
        """Give a text's number; 0 for none."""
        return self._numbers.setdefault(text or "", len(self._numbers))

    def add_value(self, text: str) -> int:
        """Give a number other than 0 also for the empty text: 0 would say there is no text."""
        # The key is no text that UTF-8 can hold, so nothing else has it.
        return self.add(text or "\ud800")

    def texts(self) -> list[str]:
        """Give all texts by their numbers."""
        return ["" if text == "\ud800" else text for text in self._numbers]


class Tables:
    """What stacks are made of, numbered from 1 in the order of first use.

    A location is a frame with the ones that were inlined into it.
    """

    def __init__(self, strings: Strings, frames: Sequence[Row]) -> None:
        """Begin.

        Args:
            strings: gains the names.
            frames: rows of profile_frames.
        """
        self._strings = strings
        self._frames = frames
        self._locations: dict[tuple[int, ...], bytes] = {}
        self._numbers: dict[tuple[int, ...], int] = {}
        self._functions: dict[tuple[str, str, str, int], int] = {}
        self._mappings: dict[tuple[str, str], int] = {}
        # What of each mapping's frames is known: functions, files, lines, inlined ones.
        self._known: dict[int, list[bool]] = {}

    def locations(self, places: Sequence[int]) -> list[int]:
        """Give the numbers of a stack's locations.

        Args:
            places: of its frames, leaf first, inlined ones expanded.
        """
        if len(places) == 1 and self._frames[places[0]]["function"] == NO_STACK:
            return []
        numbers = []
        group: list[int] = []
        for place, after in zip(places, [*places[1:], None], strict=True):
            group.append(place)
            if after is None or not self._is_inlined_into(place, after):
                numbers.append(self._location(tuple(group)))
                group = []
        return numbers

    def location_messages(self) -> list[bytes]:
        """Give all locations as messages."""
        return list(self._locations.values())

    def functions(self) -> list[bytes]:
        """Give all functions as messages."""
        add = self._strings.add
        return [
            integer(1, number)
            + integer(2, add(name))
            + integer(3, add(system))
            + integer(4, add(file))
            + integer(5, start_line)
            for (name, system, file, start_line), number in self._functions.items()
        ]

    def mappings(self) -> list[bytes]:
        """Give all mappings as messages; flags tell tools what need not be looked up again."""
        add = self._strings.add
        return [
            integer(1, number)
            + integer(5, add(file))
            + integer(6, add(build_id))
            + b"".join(integer(7 + place, flag) for place, flag in enumerate(self._known[number]))
            for (file, build_id), number in self._mappings.items()
        ]

    def _is_inlined_into(self, place: int, after: int) -> bool:
        """Tell whether two frames are lines of one location, which has one mapping."""
        frame, other = self._frames[place], self._frames[after]
        return frame["kind"] == "inlined" and all(
            frame[name] == other[name] for name in ("mapping", "build_id")
        )

    def _location(self, group: tuple[int, ...]) -> int:
        """Give a location's number by its frames, innermost first."""
        number = self._numbers.get(group)
        if number is not None:
            return number
        number = self._numbers[group] = len(self._numbers) + 1
        frames = [self._frames[place] for place in group]
        mapping = self._mapping(frames)
        address = next((each["address"] for each in frames if each["address"]), 0)
        body = integer(1, number) + integer(2, mapping) + integer(3, address % _WRAP)
        functions = [self._function(frame) for frame in frames]
        if len(frames) > 1 or functions[0] or frames[0]["line"] or frames[0]["column"]:
            for frame, function in zip(frames, functions, strict=True):
                line = integer(1, function) + integer(2, frame["line"] or 0)
                body += content(4, line + integer(3, frame["column"] or 0))
        self._locations[group] = body
        return number

    def _function(self, frame: Row) -> int:
        """Give a frame's function; 0 where it has none."""
        name = frame["function"] or ""
        if not frame["system_name"] and (frame["address"] or name == UNKNOWN):
            # No symbol: the name is only what people are shown in its place.
            name = ""
        key = (name, frame["system_name"] or "", frame["file"] or "", frame["start_line"] or 0)
        if not any(key):
            return 0
        return self._functions.setdefault(key, len(self._functions) + 1)

    def _mapping(self, frames: Sequence[Row]) -> int:
        """Give the mapping of a location's frames; 0 for none."""
        key = (frames[0]["mapping"] or "", frames[0]["build_id"] or "")
        if not any(key):
            return 0
        number = self._mappings.setdefault(key, len(self._mappings) + 1)
        known = self._known.setdefault(number, [True, True, True, True])
        for frame in frames:
            known[0] = known[0] and not frame["address"]
            known[1] = known[1] and bool(frame["file"])
            known[2] = known[2] and bool(frame["line"])
        known[3] = known[0]
        return number
