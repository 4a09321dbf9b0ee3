"""The estates of all seeds, once for all tests of the truth, and what the kernel and the oracle say of them."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.truth import batches, histories, oracle, plants, product
from tests.truth.batches import Batch
from tests.truth.invoiced import Row

SEEDS = range(1, 211)


class Judged(NamedTuple):
    """A batch with what was said of it."""

    batch: Batch
    kernel: list[Row]
    oracle: list[Row]


def judged(batch: Batch) -> Judged:
    return Judged(batch, product.rows(*batch.given, currency=batch.currency), oracle.reconcile(*batch.given, currency=batch.currency))


@pytest.fixture(scope="session")
def natural() -> list[Judged]:
    """What happened, and nothing planted."""
    return [judged(batch) for batch in batches.together([histories.estate(seed) for seed in SEEDS])]


@pytest.fixture(scope="session")
def planted() -> list[Judged]:
    """The same with every plant in every estate."""
    return [judged(batch) for batch in batches.together([plants.planted(seed)[0] for seed in SEEDS])]
