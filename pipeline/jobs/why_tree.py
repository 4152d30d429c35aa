"""Self times of all spans below requests: exact, in whole nanoseconds, on trees of any shape."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SERVER, CLIENT = 2, 3


@dataclass(frozen=True)
class Nodes:
    """Spans, by number; every array has one element a span.

    Attributes:
        parent: the parent's number; -1 for none.
        start, duration: in ns.
        kind: as OTLP has it.
        instance: a number for the process that a span is of.
    """

    parent: Ints
    start: Ints
    duration: Ints
    kind: Ints
    instance: Ints

    @cached_property
    def children(self) -> tuple[Ints, Ints]:
        """Give spans in the order of their parents, and where each parent's begin: n + 1."""
        order = np.argsort(self.parent, kind="stable")
        return order, np.searchsorted(self.parent[order], np.arange(len(self.parent) + 1))


@dataclass(frozen=True)
class Visits:
    """Every span below every request, and the request's own; one element each, requests first.

    A span below two requests, one of which is inside the other, is here for each.

    Attributes:
        request: the request's place in what was asked for.
        node: the span.
        above: the place here of the parent's visit; -1 for the request's own span.
        self_time: ns, no less than 0: what is in none of its children.
        overlap: ns, no less than 0: by how much the children's times exceed their union.
        cut: whether the span is longer than what its parent has of it.
        moved: whether its clock was set right.
    """

    request: Ints
    node: Ints
    above: Ints
    self_time: Ints
    overlap: Ints
    cut: Bools
    moved: Bools


def visit(nodes: Nodes, roots: Ints) -> Visits:
    """Walk down from requests and share out their time.

    A child counts with what of it is inside its parent. Where a server's span is not inside its
    client's although it is no longer, their clocks differ: it is moved, with all that is below,
    by as little as puts it inside. Self time is the duration less the union of the children; for
    each request, self times less overlaps add up to its duration exactly.

    Args:
        nodes: the spans.
        roots: the numbers of the requests' own.

    Returns:
        The visits, those nearer to the request first.
    """
    order, first = nodes.children
    many = np.diff(first)
    request, node = np.arange(len(roots)), np.asarray(roots, dtype=np.int64)
    low, shift = nodes.start[node], np.zeros(len(node), dtype=np.int64)
    high = low + nodes.duration[node]
    above = np.full(len(node), -1, dtype=np.int64)
    none = np.zeros(len(node), dtype=bool)
    cut, moved = none, none
    levels, seen = [], 0
    while len(node):
        parent = np.repeat(np.arange(len(node)), many[node])
        run = np.arange(len(parent)) - np.repeat(np.cumsum(many[node]) - many[node], many[node])
        child = order[first[node[parent]] + run]
        # A chain of parents that closes can only close at the request itself.
        fresh = child != roots[request[parent]]
        parent, child = parent[fresh], child[fresh]
        start = nodes.start[child] + shift[parent]
        by = _correction(nodes, child, node[parent], start, (low[parent], high[parent]))
        start += by
        end = start + nodes.duration[child]
        child_low = np.clip(start, low[parent], high[parent])
        child_high = np.clip(end, low[parent], high[parent])
        union, total = _union(parent, child_low, child_high, len(node))
        levels.append((request, node, above, high - low - union, total - union, cut, moved))
        above, seen = seen + parent, seen + len(node)
        cut, moved = (child_low > start) | (child_high < end), by != 0
        request, node, shift = request[parent], child, shift[parent] + by
        low, high = child_low, child_high
    if not levels:
        nothing = np.zeros(0, dtype=np.int64)
        return Visits(nothing, nothing, nothing, nothing, nothing, none, none)
    return Visits(*(np.concatenate(column) for column in zip(*levels, strict=True)))


def _correction(
    nodes: Nodes, child: Ints, parent: Ints, start: Ints, bounds: tuple[Ints, Ints]
) -> Ints:
    """Give by how much each child's clock is set right, ns; 0 for most."""
    low, high = bounds
    latest = high - nodes.duration[child]
    apart = (
        (nodes.kind[child] == SERVER)
        & (nodes.kind[parent] == CLIENT)
        & (nodes.instance[child] != nodes.instance[parent])
        & (latest >= low)
    )
    return np.where(apart, np.clip(start, low, np.maximum(latest, low)) - start, 0)


def _union(parent: Ints, low: Ints, high: Ints, parents: int) -> tuple[Ints, Ints]:
    """Give the length of the union of each parent's intervals, and the sum of their lengths."""
    order = np.lexsort((high, low, parent))
    parent, low, high = parent[order], low[order], high[order]
    count = max(len(parent), 1)
    ranked = np.argsort(high, kind="stable")
    rank = np.empty(len(high), dtype=np.int64)
    rank[ranked] = np.arange(len(high))
    # Parents rise, so the largest so far is always one of the same parent.
    best = np.maximum.accumulate(parent * count + rank)
    reached = high[ranked][best % count] if len(high) else high
    before = np.concatenate([low[:1], reached[:-1]])
    before[np.flatnonzero(np.diff(parent, prepend=-1))] = np.iinfo(np.int64).min
    fresh = np.maximum(high - np.maximum(low, before), 0)
    return _added(parent, fresh, parents), _added(parent, high - low, parents)


def _added(place: Ints, values: Ints, places: int) -> Ints:
    """Add up whole numbers by place, which rises."""
    running = np.concatenate([[0], np.cumsum(values)])
    bounds = np.searchsorted(place, np.arange(places + 1))
    return np.diff(running[bounds])
