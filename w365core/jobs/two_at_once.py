"""How is the same done to many things when much of it takes one core, and each takes room? Two at a time, in threads that let each other go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing, Result = TypeVar("Thing"), TypeVar("Result")


def two_at_once(do: Callable[[Thing], Result], things: Iterable[Thing]) -> Iterator[Result]:
    """What `do` gives for each, in their order, as `map` does. A thing is taken only when there is room for it; what one raises, this raises."""
    with ThreadPoolExecutor(2) as pool:
        begun: deque[Future[Result]] = deque()
        for thing in things:
            begun.append(pool.submit(do, thing))
            if len(begun) == 2:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
