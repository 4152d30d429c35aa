"""The retry window: which requests were taken lately, so that a repeat is stored once."""

from collections import OrderedDict


class RetryWindow:
    """Remembers batch ids by age and number.

    Attributes:
        nanos: how long, in ns.

    >>> window = RetryWindow(seconds=10, most=2)
    >>> window.add(b"a", 0)
    >>> b"a" in window
    True
    >>> window.add(b"b", 10_000_000_001)
    >>> b"a" in window
    False
    """

    def __init__(self, seconds: float, most: int) -> None:
        """Begin empty.

        Args:
            seconds: how long a request is remembered.
            most: how many are remembered at the most.
        """
        self.nanos = int(seconds * 1e9)
        self._most = most
        self._times: OrderedDict[bytes, int] = OrderedDict()

    def __contains__(self, batch_id: bytes) -> bool:
        """Tell whether a request was taken within the window."""
        return batch_id in self._times

    def __len__(self) -> int:
        """Give how many are remembered."""
        return len(self._times)

    def add(self, batch_id: bytes, time_unix_nano: int) -> None:
        """Remember a request, and forget those that are too old or too many."""
        self._times[batch_id] = time_unix_nano
        self._times.move_to_end(batch_id)
        while self._times:
            oldest = next(iter(self._times))
            too_old = self._times[oldest] < time_unix_nano - self.nanos
            if not too_old and len(self._times) <= self._most:
                return
            del self._times[oldest]
