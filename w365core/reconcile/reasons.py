"""Why does a row have its verdict? One plain sentence with the quantities, for the analyst who has not opened it yet.

A sentence has places for what its row says. Text and cells are laid side by side once for all rows, whatever their sentences.
"""

from __future__ import annotations

import re
from functools import cache

import polars as pl

from w365core.reconcile import places
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


@cache
def _number() -> pl.Expr:
    """Which of the sentences is a row's."""
    cannot = pl.col("verdict") == str(Verdict.NOT_RECONCILABLE)
    plainly = pl.col("verdict").replace_strict({str(verdict): _NUMBERS[verdict] for verdict in Verdict}, return_dtype=pl.Int64)
    return (
        pl.when(pl.col("changed_since"))
        .then(_NUMBERS[_COINCIDENCE])
        .when(cannot & pl.col("why").is_not_null())
        .then(_NUMBERS[_CANNOT_TELL])
        .when(cannot & pl.col("our_quantity").is_null())
        .then(_NUMBERS[_NO_QUANTITY])
        .when(cannot & (pl.col("logs").fill_null(0) == 0))
        .then(_NUMBERS[_NO_LOGS])
        .when((pl.col("verdict") == str(Verdict.CHANGE_LOG_MISMATCH)) & pl.col("residual_settles"))
        .then(_NUMBERS[_SETTLES])
        .otherwise(plainly)
        .alias("number")
    )


@cache
def _said() -> dict[str, pl.Expr]:
    """What stands in the places of sentences."""
    unknown = "an unknown quantity"
    return {
        "theirs": pl.col("provider_quantity").fill_null(unknown),
        "ours": pl.col("our_quantity").fill_null(unknown),
        "then": pl.col("our_quantity_then").fill_null(unknown),
        "residual": pl.col("residual").fill_null(unknown),
        "why": pl.col("why"),
        "day": pl.col("snapshot").dt.to_string("%Y-%m-%d").fill_null("an unknown day"),
        "outside": pl.col("logs_outside").fill_null(0).cast(pl.String),
    }


@cache
def _pieces() -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    """Every sentence cut at its places, a row each: the texts between them, and which cells come after each text, where any do."""
    cut = [re.split(r"\{(\w+)\}", sentence) for sentence in _SENTENCES.values()]
    most = max(map(len, cut))
    whole = {f"piece_{place}": [one[place] if place < len(one) else "" for one in cut] for place in range(most)}
    slots = {name: tuple(sorted({said for said in said_there if said})) for name, said_there in whole.items() if int(name[6:]) % 2}
    return pl.DataFrame(whole), slots


def reason(rows: pl.DataFrame) -> pl.Series:
    """The sentences of rows with `verdict`, `why`, `logs`, `logs_outside`, `snapshot`, `changed_since` and the quantities as text."""
    pieces, slots = _pieces()
    cells = rows.select(**_said()).hstack(places.at(pieces, rows.select(_number()).to_series()))
    texts = [pl.col(name) if name not in slots else _cell(name, slots[name]) for name in pieces.columns]
    return cells.select(pl.concat_str(texts).alias("reason")).to_series()


def _cell(name: str, said: tuple[str, ...]) -> pl.Expr:
    """What a row says at this place of its sentence; nothing where the sentence is shorter."""
    return pl.coalesce(*(pl.when(pl.col(name) == one).then(one) for one in said), pl.lit(""))
