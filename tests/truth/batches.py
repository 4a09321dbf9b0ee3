"""Many estates as one invoice per currency, since their ids never meet; rows given to the judges in any order."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.truth.estates import CURRENCIES, Estate, Must
from tests.truth.invoiced import Row


@dataclass(frozen=True)
class Batch:
    """Estates of one currency."""

    currency: str
    lines: list[Row]
    subscriptions: list[Row]
    change_logs: list[Row]
    must: dict[str, Must]

    @property
    def given(self) -> tuple[list[Row], list[Row], list[Row]]:
        return self.lines, self.subscriptions, self.change_logs


def together(estates: list[Estate]) -> list[Batch]:
    """By currency, everything shuffled, lines numbered as they then stand."""
    return [_batch(currency, [one for one in estates if one.currency == currency]) for currency in CURRENCIES]


def _batch(currency: str, estates: list[Estate]) -> Batch:
    chance = random.Random(currency)
    lines = [row for one in estates for row in one.lines]
    subscriptions = [row for one in estates for row in one.subscriptions]
    logs = [row for one in estates for row in one.change_logs]
    for rows in (lines, subscriptions, logs):
        chance.shuffle(rows)
    must = {name: must for one in estates for name, must in one.must.items()}
    assert len(must) == sum(len(one.must) for one in estates) and len({row["subscription_id"] for row in subscriptions}) == len(
        subscriptions
    )
    return Batch(currency, [{**line, "line_number": number} for number, line in enumerate(lines, 1)], subscriptions, logs, must)
