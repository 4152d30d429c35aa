"""Work ahead by one: the next part is made while the last is used."""

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 0.1


def ahead(parts: Iterator[T]) -> Iterator[T]:
    """Give what an iterator gives, made in a thread of its own.

    At most one part waits, which bounds memory. It pays where using a part lets go of the GIL.

    Raises:
        Whatever the iterator raises.

    >>> list(ahead(iter([1, 2, 3])))
    [1, 2, 3]
    """
    ready: queue.Queue[tuple[T | None, BaseException | None] | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def offer(item: tuple[T | None, BaseException | None] | None) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for part in parts:
                offer((part, None))
                if stopped.is_set():
                    return
            offer(None)
        except BaseException as error:
            offer((None, error))

    worker = threading.Thread(target=produce, name="ahead", daemon=True)
    worker.start()
    try:
        while (item := ready.get()) is not None:
            part, error = item
            if error is not None:
                raise error
            yield part  # type: ignore[misc]
    finally:
        stopped.set()
        worker.join()
