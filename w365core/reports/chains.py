"""What is left of a document once the notes that amend it are counted? Documents and their notes form a chain, whose header totals add up to its net."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from w365core import money
from w365core.store import queries

Key = tuple[str, str]


@dataclass(frozen=True)
class Chain:
    """`documents` are those that are here, oldest first; `net` is None where one is absent, has no total, or is in another currency."""

    documents: tuple[str, ...]
    net: Decimal | None


def load(connection: Connection) -> Mapping[Key, Chain]:
    """The chain of every document that amends another or is amended, by `key`."""
    return build(queries.amended_documents(connection))


def key(provider: str, number: str) -> Key:
    return provider.lower(), number.lower()


def build(rows: Iterable[Mapping[str, Any]]) -> Mapping[Key, Chain]:
    """`rows` are the documents, oldest first, each with provider, invoice_number, amends_of, currency and header_total."""
    known = {key(row["provider"], row["invoice_number"]): row for row in rows}
    members: dict[Key, list[Mapping[str, Any]]] = {}
    for row in known.values():
        members.setdefault(_first(row, known), []).append(row)
    return {
        key(row["provider"], row["invoice_number"]): Chain(tuple(one["invoice_number"] for one in ones), _net(ones, root in known))
        for root, ones in members.items()
        for row in ones
    }


def _first(row: Mapping[str, Any], known: Mapping[Key, Mapping[str, Any]]) -> Key:
    """The document at the beginning of the chain, here or not; of notes that amend each other in a circle the least of them."""
    passed = [key(row["provider"], row["invoice_number"])]
    while row is not None and row["amends_of"]:
        before = key(row["provider"], row["amends_of"])
        if before in passed:
            return min(passed[passed.index(before) :])
        passed.append(before)
        row = known.get(before)
    return passed[-1]


def _net(documents: list[Mapping[str, Any]], is_whole: bool) -> Decimal | None:
    totals = [one["header_total"] for one in documents]
    if not is_whole or None in totals or len({one["currency"] for one in documents}) > 1:
        return None
    return money.total(totals)
