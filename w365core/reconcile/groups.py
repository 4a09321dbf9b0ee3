"""What do rows come to that stand group by group? Each group's rows lie side by side; a group may have none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Groups:
    """Where each group's rows begin, and where the last one's end: one number more than there are groups."""

    bounds: np.ndarray

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @cached_property
    def sizes(self) -> np.ndarray:
        return np.diff(self.bounds)

    @cached_property
    def _filled(self) -> np.ndarray:
        return self.sizes > 0

    @cached_property
    def of_row(self) -> np.ndarray:
        """The group of each row."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def sum(self, numbers: np.ndarray) -> np.ndarray:
        """Of each group; of several columns at once where there are several, a row each."""
        found = np.zeros((*numbers.shape[:-1], len(self)), dtype=numbers.dtype)
        if self._filled.any():
            found[..., self._filled] = np.add.reduceat(numbers, self.bounds[:-1][self._filled], axis=-1)
        return found

    def count(self, mask: np.ndarray) -> np.ndarray:
        """How many rows of each group are in the mask."""
        return self.sum(mask.astype(np.int64))

    def any(self, mask: np.ndarray) -> np.ndarray:
        return self.count(mask) > 0

    def most(self, numbers: np.ndarray, nothing: int) -> np.ndarray:
        """The largest of each group; of none, `nothing`, which is less than all."""
        found = np.full(len(self), nothing, dtype=numbers.dtype)
        if self._filled.any():
            found[self._filled] = np.maximum.reduceat(numbers, self.bounds[:-1][self._filled])
        return found

    def least(self, numbers: np.ndarray, nothing: int) -> np.ndarray:
        """The smallest of each group; of none, `nothing`, which is more than all."""
        return -self.most(-numbers, -nothing)


def of_sorted(keys: np.ndarray) -> Groups:
    """The groups of equal keys, which stand side by side."""
    begins = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1)) if len(keys) else np.zeros(0, dtype=np.int64)
    return Groups(np.append(begins, len(keys)))


def within(bounds: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, Groups]:
    """The places of all rows of the chosen of other groups, group by group, and the groups that they form so."""
    begin, end = bounds[chosen], bounds[chosen + 1]
    found = Groups(np.concatenate([[0], np.cumsum(end - begin)]))
    return np.arange(found.bounds[-1]) + (begin - found.bounds[:-1])[found.of_row], found
