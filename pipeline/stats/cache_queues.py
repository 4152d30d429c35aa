"""Policies of several queues or a hand: SIEVE, S3-FIFO and ARC, played over a trace.

Source: see ``cache_policies``.
"""

from collections import OrderedDict

# Of a cache, one in so many is its small queue: a tenth of 70, rounded, is more than 7.
_SMALL_ONE_IN = 10
_COUNT_MOST = 3


class _Node:
    """An entry of a linked list.

    Attributes:
        key, size: of the entry.
        visited: since the hand came by.
        newer, older: its neighbours; None at the ends.
    """

    __slots__ = ("key", "newer", "older", "size", "visited")

    def __init__(self, key: int, size: float, older: "_Node | None") -> None:
        self.key, self.size, self.visited = key, size, False
        self.newer: _Node | None = None
        self.older = older


def sieve(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Move a hand from old to new, evict the first not visited, and stay there; give the hits."""
    held: dict[int, _Node] = {}
    head: _Node | None = None
    tail: _Node | None = None
    hand: _Node | None = None
    used, hits = 0.0, 0
    for key, size in zip(keys, sizes, strict=True):
        node = held.get(key)
        if node is not None:
            hits += 1
            node.visited = True
            continue
        if size > capacity:
            continue
        while used + size > capacity:
            found = hand or tail
            while found is not None and found.visited:
                found.visited = False
                found = found.newer or tail
            if found is None:
                break
            hand = found.newer
            if found.newer is not None:
                found.newer.older = found.older
            else:
                head = found.older
            if found.older is not None:
                found.older.newer = found.newer
            else:
                tail = found.newer
            used -= found.size
            del held[found.key]
        node = _Node(key, size, head)
        if head is not None:
            head.newer = node
        head = node
        tail = tail or node
        held[key] = node
        used += size
    return hits


class _S3Fifo:
    """A small queue that new entries must survive, a main one, and the ghosts of what did not.

    Attributes:
        small, main: sizes by key, the oldest first.
        ghosts: sizes of entries that were evicted from the small queue.
        uses: of entries, at most 3.
    """

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity
        self.small_most = capacity / _SMALL_ONE_IN
        self.ghosts_most = capacity - self.small_most
        self.small: OrderedDict[int, float] = OrderedDict()
        self.main: OrderedDict[int, float] = OrderedDict()
        self.ghosts: OrderedDict[int, float] = OrderedDict()
        self.uses: dict[int, int] = {}
        self.in_small = self.in_main = self.in_ghosts = 0.0

    def hit(self, key: int) -> bool:
        """Tell whether an entry is there, and note that it was used."""
        if key not in self.uses:
            return False
        self.uses[key] = min(self.uses[key] + 1, _COUNT_MOST)
        return True

    def add(self, key: int, size: float) -> None:
        """Take an entry in, into the main queue if it is a ghost."""
        while self.in_small + self.in_main + size > self.capacity:
            self._evict()
        if key in self.ghosts:
            self.in_ghosts -= self.ghosts.pop(key)
            self.main[key] = size
            self.in_main += size
        else:
            self.small[key] = size
            self.in_small += size
        self.uses[key] = 0

    def _evict(self) -> None:
        """Make room from the small queue while it has its share or more, else from the main one."""
        if self.small and (self.in_small >= self.small_most or not self.main):
            self._evict_small()
        else:
            self._evict_main()

    def _evict_small(self) -> None:
        key, size = self.small.popitem(last=False)
        self.in_small -= size
        if self.uses[key] > 1:
            self.main[key] = size
            self.in_main += size
            self.uses[key] = 0
            return
        del self.uses[key]
        self.ghosts[key] = size
        self.in_ghosts += size
        while self.in_ghosts > self.ghosts_most and self.ghosts:
            self.in_ghosts -= self.ghosts.popitem(last=False)[1]

    def _evict_main(self) -> None:
        while True:
            key, size = self.main.popitem(last=False)
            if self.uses[key] == 0:
                break
            self.uses[key] -= 1
            self.main[key] = size
        self.in_main -= size
        del self.uses[key]


def s3_fifo(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Let new entries prove themselves in a tenth of the cache; give the hits."""
    cache, hits = _S3Fifo(capacity), 0
    for key, size in zip(keys, sizes, strict=True):
        if cache.hit(key):
            hits += 1
        elif size <= capacity:
            cache.add(key, size)
    return hits


class _Arc:
    """What was used once and what was used more, with ghosts of both that move the border.

    Attributes:
        once, often: sizes by key, what was used longest ago first.
        once_ghosts, often_ghosts: of what was evicted from either.
        border: how much of the cache ``once`` should have.
    """

    def __init__(self, capacity: float) -> None:
        self.capacity, self.border = capacity, 0.0
        self.once, self.often = _Queue(), _Queue()
        self.once_ghosts, self.often_ghosts = _Queue(), _Queue()

    def refer(self, key: int, size: float) -> bool:
        """Take a reference, and tell whether it hit."""
        for queue in (self.once, self.often):
            if key in queue.sizes:
                queue.take(key)
                self.often.put(key, size)
                return True
        if size > self.capacity:
            return False
        if key in self.once_ghosts.sizes:
            step = max(self.often_ghosts.total / max(self.once_ghosts.total, 1e-12), 1.0) * size
            self.border = min(self.capacity, self.border + step)
            self._make_room(size, False)
            self.once_ghosts.take(key)
            self.often.put(key, size)
        elif key in self.often_ghosts.sizes:
            step = max(self.once_ghosts.total / max(self.often_ghosts.total, 1e-12), 1.0) * size
            self.border = max(0.0, self.border - step)
            self._make_room(size, True)
            self.often_ghosts.take(key)
            self.often.put(key, size)
        else:
            self._forget(size)
            self.once.put(key, size)
        return False

    def _make_room(self, size: float, of_often: bool) -> None:
        """Evict to ghosts until an entry fits."""
        while self.once.total + self.often.total + size > self.capacity:
            over = self.once.total > self.border or (of_often and self.once.total == self.border)
            if self.once.sizes and (over or not self.often.sizes):
                self.once_ghosts.put(*self.once.oldest())
            else:
                self.often_ghosts.put(*self.often.oldest())

    def _forget(self, size: float) -> None:
        """Make room for what was never seen, and keep the ghosts within their bounds."""
        while self.once.total + self.once_ghosts.total + size > self.capacity:
            if self.once_ghosts.sizes:
                self.once_ghosts.oldest()
            elif self.once.sizes:
                self.once.oldest()
            else:
                break
        self._make_room(size, False)
        queues = (self.once, self.often, self.once_ghosts, self.often_ghosts)
        while sum(each.total for each in queues) + size > 2 * self.capacity:
            if not self.often_ghosts.sizes:
                break
            self.often_ghosts.oldest()


class _Queue:
    """Sizes by key, what was used longest ago first, and their total."""

    __slots__ = ("sizes", "total")

    def __init__(self) -> None:
        self.sizes: OrderedDict[int, float] = OrderedDict()
        self.total = 0.0

    def put(self, key: int, size: float) -> None:
        """Add an entry as the one used last."""
        self.sizes[key] = size
        self.total += size

    def take(self, key: int) -> None:
        """Take an entry out."""
        self.total -= self.sizes.pop(key)

    def oldest(self) -> tuple[int, float]:
        """Take out the entry that was used longest ago."""
        key, size = self.sizes.popitem(last=False)
        self.total -= size
        return key, size


def arc(keys: list[int], sizes: list[float], capacity: float) -> int:
    """Balance what was used once against what was used more; give the hits."""
    cache = _Arc(capacity)
    return sum(cache.refer(key, size) for key, size in zip(keys, sizes, strict=True))
