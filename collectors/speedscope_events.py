"""Time per stack from events that open and close frames, which must nest."""

from collections.abc import Hashable
from typing import Any

from pipeline.errors import BadRequest

_ROOT = 0
_LONGEST = 2**63 - 1

# Frames of all stacks together: 400 MB of them. Events that open ever deeper make a file of n
# bytes into n^2 frames.
FRAMES_MOST = 50_000_000


class OpenFrames:
    """The frames that are open at a moment, and the time that each stack of them has had."""

    def __init__(self) -> None:
        """Begin with none open."""
        self._children: dict[tuple[int, Hashable], int] = {}
        self._frames: list[Any] = [None]
        self._parents = [_ROOT]
        self._depths = [0]
        self._times = [0]
        self._node = _ROOT
        self._at: int | None = None
        self.first = 0

    def open(self, frame: Hashable, at: int) -> None:
        """Open a frame in the one that was opened last.

        Raises:
            BadRequest: it is before the last event.
        """
        self._go_to(at)
        key = (self._node, frame)
        node = self._children.get(key)
        if node is None:
            node = self._children[key] = len(self._frames)
            self._frames.append(frame)
            self._parents.append(self._node)
            self._depths.append(self._depths[self._node] + 1)
            self._times.append(0)
        self._node = node

    def close(self, at: int) -> None:
        """Close the frame that was opened last.

        Raises:
            BadRequest: it is before the last event, or none is open.
        """
        self._go_to(at)
        if self._node == _ROOT:
            raise BadRequest("a frame is closed that is not open")
        self._node = self._parents[self._node]

    @property
    def innermost(self) -> Any:
        """Give the frame that was opened last and is still open; None for none."""
        return self._frames[self._node]

    @property
    def depth(self) -> int:
        """Give how many frames are open."""
        return self._depths[self._node]

    @property
    def last(self) -> int:
        """Give when the last event was."""
        return self._at or 0

    def _go_to(self, at: int) -> None:
        """Give the time since the last event to the stack that was open."""
        if self._at is None:
            self._at = self.first = at
        if at < self._at:
            raise BadRequest(f"events are not in order of time: {at} is after {self._at}")
        if at - self.first > _LONGEST:
            raise BadRequest("events are further apart than 63 bits")
        self._times[self._node] += at - self._at
        self._at = at

    def stacks(self) -> list[tuple[tuple[Any, ...], int]]:
        """Give each stack that had time, leaf first, and how much; what is idle is none.

        Raises:
            BadRequest: they have more than FRAMES_MOST frames together.
        """
        pairs = zip(self._depths, self._times, strict=True)
        if sum(depth for depth, spent in pairs if spent > 0) > FRAMES_MOST:
            raise BadRequest(f"its stacks have more than {FRAMES_MOST} frames together")
        found = []
        for node, spent in enumerate(self._times):
            if spent <= 0 or node == _ROOT:
                continue
            stack = []
            while node != _ROOT:
                stack.append(self._frames[node])
                node = self._parents[node]
            found.append((tuple(stack), spent))
        return found
