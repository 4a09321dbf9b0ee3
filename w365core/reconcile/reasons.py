"""Why does a row have its verdict? One plain sentence with the quantities, for the analyst who has not opened it yet.

A sentence has places for what its row says. Text and cells are laid side by side once for all rows, whatever their sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from w365core import arrays
from w365core.reconcile import columns, exact, places, provider_side
from w365core.reconcile.columns import NEVER, NOWHERE, Columns, Maybe
from w365core.reconcile.verdicts import CODES
from w365core.reconciliation import Verdict

AGREES = "The quantities are equal."

_CHARGES, _EXPLAINED = "The provider charges {theirs}, we hold {ours}", "for {day} it counts without {outside} of our changes"
_LACKING = "Our change logs do not come to our {ours}: {residual} is missing; with it the provider's {theirs}"
_COINCIDENCE, _CANNOT_TELL, _NO_QUANTITY, _NO_LOGS, _SETTLES = "coincidence", "cannot tell", "no quantity", "no logs", "settles"
_SENTENCES = {
    _COINCIDENCE: "The quantities are equal today, but on the provider's day we held {then}: look whether this is a coincidence.",
    Verdict.CONFIRMED: AGREES,
    Verdict.NO_SUBSCRIPTION: "No subscription of ours is named: cost without revenue. Map it, or ask the provider what it is for.",
    _CANNOT_TELL: "The provider's quantity cannot be told: {why}.",
    _NO_QUANTITY: "The provider charges {theirs}, and our subscription has no quantity.",
    _NO_LOGS: f"{_CHARGES}, and no change log says how we came to it.",
    Verdict.NOT_RECONCILABLE: f"{_CHARGES}, and the window has no day to look at.",
    Verdict.SUSPENDED_BUT_BILLED: "Our subscription is suspended, and the provider still charges {theirs}.",
    _SETTLES: f"{_LACKING} agrees.",
    Verdict.CHANGE_LOG_MISMATCH: f"{_LACKING} still differs.",
    Verdict.PROVISIONING_GAP: f"{_CHARGES}: {_EXPLAINED}, at least one awaiting provisioning or failed.",
    Verdict.EXCLUDED: f"{_CHARGES}: {_EXPLAINED}, at least one archived without an invoice.",
    Verdict.EXPLAINED_NOT_INVOICED: f"{_CHARGES}: {_EXPLAINED}, not all of them invoiced yet.",
    Verdict.EXPLAINED_INVOICED: f"{_CHARGES}: {_EXPLAINED}, all of them invoiced.",
    Verdict.PARTLY_EXPLAINED: f"{_CHARGES}: our later changes explain a part, {{residual}} remains.",
    Verdict.UNEXPLAINED: f"{_CHARGES}, and no change of ours explains {{residual}}.",
    Verdict.NOT_ON_INVOICE: "We hold {ours}, active and under contract, and the invoice has no line for it.",
}
_NUMBERS = {sentence: number for number, sentence in enumerate(_SENTENCES)}


_PLAINLY = np.array([_NUMBERS[verdict] for verdict in Verdict])
_PLACES = ("theirs", "ours", "then", "residual", "why", "day", "outside")
_UNKNOWN = dict.fromkeys(_PLACES, "an unknown quantity") | {"day": "an unknown day"}


@dataclass(frozen=True)
class Facts(Columns):
    """What sentences say of rows: `verdict` (a number of verdicts.CODES), whether it is a coincidence, why the provider's quantity is not known (a place in
    provider_side.WHY, or NOWHERE), how many logs there are and how many lie outside, the day of the snapshot, and the quantities."""

    verdict: np.ndarray
    changed_since: np.ndarray
    settles: np.ndarray
    why: np.ndarray
    logs: np.ndarray
    outside: np.ndarray
    snapshot: np.ndarray
    theirs: Maybe
    ours: Maybe
    then: Maybe
    residual: Maybe


def _sentence(facts: Facts) -> np.ndarray:
    """Which of the sentences is a row's."""
    cannot = facts.verdict == CODES[Verdict.NOT_RECONCILABLE]
    return columns.first_true(
        [
            (facts.changed_since, _NUMBERS[_COINCIDENCE]),
            (cannot & (facts.why != NOWHERE), _NUMBERS[_CANNOT_TELL]),
            (cannot & ~facts.ours.known, _NUMBERS[_NO_QUANTITY]),
            (cannot & (facts.logs == 0), _NUMBERS[_NO_LOGS]),
            ((facts.verdict == CODES[Verdict.CHANGE_LOG_MISMATCH]) & facts.settles, _NUMBERS[_SETTLES]),
        ],
        _PLAINLY[facts.verdict],
    )


def _said(facts: Facts, scale: int) -> Iterator[pa.Array]:
    """What can stand in the places of sentences, in their order; null where it is unknown."""
    for seats in (facts.theirs, facts.ours, facts.then, facts.residual):
        yield exact.texts(seats, scale)
    yield columns.named(provider_side.WHY, facts.why)
    days, day = places.ranked(facts.snapshot)
    printed = columns.numbers(days, days != NEVER, kind=pa.date32()).to_pylist()
    yield columns.named([found and str(found) for found in printed], day)
    yield exact.texts(columns.certain(facts.outside), 0)


@cache
def _pieces() -> list[tuple[list[str], np.ndarray]]:
    """Every sentence cut at its places: the texts that come first, and which of _PLACES comes after each (NOWHERE: none); then the texts after those, and so on."""
    cut = [re.split(r"\{(\w+)\}", sentence) for sentence in _SENTENCES.values()]
    pieces = []
    for number in range(0, max(map(len, cut)), 2):
        after = [_PLACES.index(one[number + 1]) if number + 1 < len(one) else NOWHERE for one in cut]
        pieces.append(([one[number] if number < len(one) else "" for one in cut], np.array(after)))
    return pieces


def reasons(facts: Facts, scale: int) -> pa.Array:
    """The sentence of each row; its quantities are of this scale."""
    sentence, said = _sentence(facts), list(_said(facts, scale))
    # All that can be said stands in one column, one thing after the other; behind it what is said instead, and nothing.
    cells = pa.concat_arrays([*said, arrays.text_array([*_UNKNOWN.values(), ""])])
    known = np.concatenate([columns.valid(one) for one in said])
    parts = []
    for texts, after in _pieces():
        place = after[sentence]
        cell = place * len(facts) + np.arange(len(facts))
        instead = len(known) + np.where(place == NOWHERE, len(_PLACES), place)
        parts.append(columns.named(texts, sentence))
        if (after != NOWHERE).any():
            parts.append(columns.at(cells, np.where((place != NOWHERE) & known[np.maximum(cell, 0)], cell, instead)))
    return pc.binary_join_element_wise(*parts, arrays.scalar(""))
