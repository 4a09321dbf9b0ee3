"""What did a seat sell for on the day that the provider counted, and has its price changed since? Told by the prices that change logs carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from w365core.reports import wording

Row = Mapping[str, Any]
Price = tuple[date, Decimal, str]  # from that day on


def prices(logs: Sequence[Row], currency: str | None) -> list[Price]:
    """What a seat sold for, from which day on: of the change logs with a price and a day the last of each day, where it is another than before. A log without
    a currency has the subscription's, which is `currency`."""
    said: dict[date, tuple[Decimal, str]] = {}
    for log in sorted((one for one in logs if one["effective_date"] and one["selling_price"] is not None), key=_day):
        said[log["effective_date"]] = (log["selling_price"], (log["currency"] or currency or "").upper())
    found: list[Price] = []
    for day, price in said.items():
        if not found or found[-1][1:] != price:
            found.append((day, *price))
    return found


def sentence(row: Row, logs: Sequence[Row], subscription: Row | None) -> str | None:
    """The price on the day of the snapshot and each change up to the end of the window, where it is another than today's; None where nothing differs."""
    counted, end = row["snapshot"], row["charge_end"] or row["snapshot"]
    if counted is None or subscription is None:
        return None
    known = prices(logs, subscription["currency"])
    before, later = [one for one in known if one[0] <= counted], [one for one in known if counted < one[0] <= end]
    today = (subscription["selling_price"], (subscription["currency"] or "").upper())
    then = before[-1:]
    if all(one[1:] == today for one in (*then, *later)):
        return None
    told = [f"{wording.amount(price, currency)} on {wording.day(counted)}" for _, price, currency in then]
    told += [f"{wording.amount(price, currency)} from {wording.day(day)} on" for day, price, currency in later]
    now = "unknown" if today[0] is None else wording.amount(*today)
    return f"By our change logs a seat sold for {', '.join(told)}; our price today is {now}."


def _day(log: Row) -> tuple[date, str]:
    return log["effective_date"], log["change_log_id"]
