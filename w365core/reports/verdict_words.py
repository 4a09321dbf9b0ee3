"""What do people read instead of a verdict? One sentence for every row, with the change that caused the difference and what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from w365core import money
from w365core.model import ProviderType
from w365core.reconciliation import Fit, LogBilling, PriceVerdict, Verdict
from w365core.reports import wording

Row = Mapping[str, Any]

LABELS = {
    Verdict.NO_SUBSCRIPTION: "No subscription of ours",
    Verdict.NOT_RECONCILABLE: "Cannot be compared",
    Verdict.SUSPENDED_BUT_BILLED: "Suspended, still charged",
    Verdict.CONFIRMED: "Confirmed",
    Verdict.CHANGE_LOG_MISMATCH: "Change logs do not add up",
    Verdict.PROVISIONING_GAP: "Not provisioned",
    Verdict.EXCLUDED: "Archived, never billed",
    Verdict.EXPLAINED_NOT_INVOICED: "Explained, not billed yet",
    Verdict.EXPLAINED_INVOICED: "Explained and billed",
    Verdict.PARTLY_EXPLAINED: "Partly explained",
    Verdict.UNEXPLAINED: "Unexplained",
    Verdict.NOT_ON_INVOICE: "Not on the invoice",
}
PRICE_LABELS = {
    PriceVerdict.PRICE_UNKNOWN: "Price unknown",
    PriceVerdict.BELOW_COST: "Sold below cost",
    PriceVerdict.ZERO_MARGIN: "Sold at cost",
    PriceVerdict.COST_DRIFT: "Cost has drifted",
    PriceVerdict.PRICE_OK: "Price is fine",
}
BILLING = {LogBilling.INVOICED: "Invoiced", LogBilling.NOT_INVOICED: "Not invoiced yet", LogBilling.EXCLUDED: "Archived, never billed"}
FITS = {
    Fit.SNAPSHOT: "{whose} quantity is what was provisioned by {day}.",
    Fit.SCHEDULED: "{whose} quantity is what was provisioned and in effect by {day}.",
    Fit.SHIFTED: "{whose} quantity is ours of a day or two beside {day}: its own day begins at another hour.",
    Fit.EFFECTIVE: "{whose} quantity is everything in effect by {day}, whether or not its provisioning was reported.",
}
_NAMES = {ProviderType.PARTNER_CENTER: "Microsoft", ProviderType.STREAMONE: "TD SYNNEX"}
# What to do next, verdict by verdict.
STEPS = {
    Verdict.NO_SUBSCRIPTION: "Add the subscription to our records, or ask the provider why it is charged.",
    Verdict.NOT_RECONCILABLE: "Look at its lines; accept it with a reason where they are right.",
    Verdict.SUSPENDED_BUT_BILLED: "Cancel it at the provider, or find out until when it is bound.",
    Verdict.CHANGE_LOG_MISMATCH: "Add the missing change log on the page Change logs.",
    Verdict.PROVISIONING_GAP: "Have the change provisioned, or take it back.",
    Verdict.EXCLUDED: "Decide whether it should have been billed; archived logs never are.",
    Verdict.EXPLAINED_NOT_INVOICED: "See that it is on the customer's next invoice, then accept it.",
    Verdict.EXPLAINED_INVOICED: "Nothing is lost: accept it.",
    Verdict.PARTLY_EXPLAINED: "Find the change that is missing, here or at the provider.",
    Verdict.UNEXPLAINED: "Find the change at the provider, or dispute the line.",
    Verdict.NOT_ON_INVOICE: "Find out whether it is charged elsewhere or was cancelled at the provider.",
    Verdict.CONFIRMED: "Nothing to do.",
}


def provider_called(provider: str | None, provider_type: str | None) -> str:
    """What people call who charges: Microsoft, TD SYNNEX, else the provider's own name."""
    return _NAMES.get(provider_type, provider or "The provider")


def sentence(row: Row, logs: Sequence[Row] = (), *, provider: str = "Microsoft") -> str:
    """What became of a row and why. `logs` are its change logs; those outside its view are the explanation."""
    outside = [log for log in logs if log["outside"]]
    return _SENTENCES[Verdict(row["verdict"])](row, outside, provider)


def fit_sentence(row: Row, *, provider: str = "Microsoft") -> str | None:
    """Which view of our change logs comes to the provider's quantity; None without one."""
    if not row["fit"]:
        return None
    return FITS[Fit(row["fit"])].format(whose=f"{provider}'s", day=wording.day(row["snapshot"]))


def our_currency(row: Row) -> str | None:
    """The currency of our prices: the row's own where they were compared, else our subscription's; None where it has none."""
    return row["currency"] if row["price_verdict"] != PriceVerdict.PRICE_UNKNOWN else row.get("our_currency")


def price_sentence(row: Row) -> str:
    """How the selling price stands to the cost, per seat and month, each in its own currency."""
    of_ours = our_currency(row)
    cost, selling, ours = (
        _price(row["unit_cost"], row["currency"]),
        _price(row["selling_price"], of_ours),
        _price(row["cost_price"], of_ours),
    )
    verdict = row["price_verdict"]
    if verdict == PriceVerdict.BELOW_COST:
        return f"Sold below cost: a seat costs {cost} a month and sells for {selling}."
    if verdict == PriceVerdict.ZERO_MARGIN:
        return f"Sold at cost: a seat costs and sells for {selling} a month."
    if verdict == PriceVerdict.COST_DRIFT:
        return f"The cost has drifted: a seat costs {cost} a month now, our records say {ours}; it sells for {selling}."
    if verdict == PriceVerdict.PRICE_OK:
        return f"A seat costs {cost} a month and sells for {selling}."
    if cost and selling and of_ours and of_ours != row["currency"]:
        return f"Cost and selling price are in two currencies and are not compared: a seat costs {cost} a month and sells for {selling}."
    return f"The price is not known: cost {cost or 'unknown'}, selling price {selling or 'unknown'} a month."


def _price(price: Decimal | None, currency: str | None) -> str | None:
    if price is None:
        return None
    return wording.amount(price, currency) if currency else f"{wording.digits(price)} without a currency"


def changed(log: Row) -> str:
    """added 4 seats on 12 Mar 2026; removed 2 seats on …"""
    quantity = log["quantity"]
    if quantity is None:
        return f"made a change without a quantity on {wording.day(log['effective_date'])}"
    verb = "added" if quantity > 0 else "removed"
    return f"{verb} {seats(quantity)} on {wording.day(log['effective_date'])}"


def seats(quantity: Decimal | None) -> str:
    """4 seats, whatever the sign; an unknown number of seats."""
    if quantity is None:
        return "an unknown number of seats"
    size = quantity.copy_abs()
    return f"{wording.digits(size)} {'seat' if size == 1 else 'seats'}"


def lapsed_sentence(row: Row) -> str | None:
    """Why a row that somebody had decided of is open again; None where it is not so."""
    if not row["lapsed"]:
        return None
    before = LABELS.get(row["reviewed_verdict"], row["reviewed_verdict"] or "nothing")
    was, now = row["reviewed_residual"], row["residual"]
    said = f"Open again: it was accepted as “{before}”"
    if row["reviewed_verdict"] != row["verdict"]:
        return f"{said}, and is “{LABELS[row['verdict']]}” now."
    return f"{said} with {_rest(was)} left over, and {_rest(now)} are left over now."


# --- the sentences -----------------------------------------------------------------------------------------------------------------------


def _confirmed(row: Row, _: Sequence[Row], provider: str) -> str:
    both = f"{provider} charged {seats(row['provider_quantity'])}, and we have as many."
    if not row["changed_since"]:
        return both
    then = wording.digits(row["our_quantity_then"])
    return f"{both} On {wording.day(row['snapshot'])} we had {then}, so it agrees by coincidence: look at its change logs."


def _no_subscription(row: Row, _: Sequence[Row], provider: str) -> str:
    lines = wording.counted(row["lines"] or 0, "line")
    whom = _customer(row)
    return f"{provider} charged {whom} {wording.amount(row['subtotal'], row['currency'])} on {lines} without a subscription of ours: nobody is billed for it."


def _not_reconcilable(row: Row, _: Sequence[Row], provider: str) -> str:
    return row["reason"] or f"{provider} charged {_money(row, 'subtotal')}, and its quantity cannot be compared with ours."


def _suspended(row: Row, _: Sequence[Row], provider: str) -> str:
    return (
        f"{_customer(row)}'s subscription is suspended with us, and {provider} still charges {seats(row['provider_quantity'])}: "
        f"{_money(row, 'subtotal')}."
    )


def _mismatch(row: Row, _: Sequence[Row], provider: str) -> str:
    residual = row["residual"]
    sign = "+" if residual is not None and residual > 0 else ""
    agrees = {True: f"with it {provider}'s {wording.digits(row['provider_quantity'])} would agree", False: f"{provider}'s "
              f"{wording.digits(row['provider_quantity'])} would not agree even then"}.get(row["residual_settles"], "")  # fmt: skip
    known = None if residual is None else money.EXACT.subtract(row["our_quantity"], residual)
    return (
        f"Our change logs come to {wording.digits(known)}, our subscription says {wording.digits(row['our_quantity'])}: a log of "
        f"{sign}{wording.digits(residual)} is missing{f'; {agrees}' if agrees else ''}."
    )


def _explained_invoiced(row: Row, outside: Sequence[Row], provider: str) -> str:
    numbers = list(dict.fromkeys(log["invoice_number"] for log in outside if log["invoice_number"]))
    on = f" on {_listed(numbers)}" if numbers else ""
    return f"{_changes(row, outside)}; {_both(row, provider)}. Invoiced{on}."


def _explained_not_invoiced(row: Row, outside: Sequence[Row], provider: str) -> str:
    return f"{_changes(row, outside)}; {_both(row, provider)}. Not yet invoiced by us: {_worth(row)}."


def _excluded(row: Row, outside: Sequence[Row], provider: str) -> str:
    return (
        f"{_changes(row, outside)}; {_both(row, provider)}. The log is archived without an invoice, so it is never billed: {_at_risk(row)}."
    )


def _gap(row: Row, outside: Sequence[Row], provider: str) -> str:
    waiting = [log for log in outside if log["provisioning_status"] in ("Awaiting Provisioning", "Failed Provisioning")]
    failed = any(log["provisioning_status"] == "Failed Provisioning" for log in waiting)
    state = "its provisioning failed" if failed else "it still awaits provisioning"
    return f"{_changes(row, outside)}, and {state}; {_both(row, provider)}: {_at_risk(row)}."


def _partly(row: Row, outside: Sequence[Row], provider: str) -> str:
    return (
        f"{_changes(row, outside)}; {_both(row, provider)}. {_left_over(row)} {_are(row['residual'])} still unexplained: {_at_risk(row)}."
    )


def _unexplained(row: Row, _: Sequence[Row], provider: str) -> str:
    more = row["residual"] is not None and row["residual"] > 0
    return (
        f"{_both(row, provider, capital=True)}, and no change of ours explains it: {_left_over(row)} too {'many' if more else 'few'}, "
        f"{_at_risk(row)}."
    )


def _not_on_invoice(row: Row, _: Sequence[Row], provider: str) -> str:
    cost = "what they cost is not known" if row["money_at_risk"] is None else f"{_at_risk(row)} of cost are missing"
    return f"{_customer(row)} has {seats(row['our_quantity'])} with us, and {provider} did not charge them: {cost}."


_SENTENCES: dict[Verdict, Callable[[Row, Sequence[Row], str], str]] = {
    Verdict.CONFIRMED: _confirmed,
    Verdict.NO_SUBSCRIPTION: _no_subscription,
    Verdict.NOT_RECONCILABLE: _not_reconcilable,
    Verdict.SUSPENDED_BUT_BILLED: _suspended,
    Verdict.CHANGE_LOG_MISMATCH: _mismatch,
    Verdict.PROVISIONING_GAP: _gap,
    Verdict.EXCLUDED: _excluded,
    Verdict.EXPLAINED_NOT_INVOICED: _explained_not_invoiced,
    Verdict.EXPLAINED_INVOICED: _explained_invoiced,
    Verdict.PARTLY_EXPLAINED: _partly,
    Verdict.UNEXPLAINED: _unexplained,
    Verdict.NOT_ON_INVOICE: _not_on_invoice,
}


def _changes(row: Row, outside: Sequence[Row]) -> str:
    """Contoso added 4 seats on 12 Mar 2026; where there are several changes, what they come to."""
    whom = _customer(row)
    if not outside:
        return f"{whom} changed seats"
    if len(outside) == 1:
        return f"{whom} {changed(outside[0])}"
    if len(outside) == 2:
        return f"{whom} {changed(outside[0])} and {changed(outside[1])}"
    days = sorted(log["effective_date"] for log in outside if log["effective_date"])
    total = money.total(log["quantity"] for log in outside if log["quantity"] is not None)
    between = f" between {wording.day(days[0])} and {wording.day(days[-1])}" if days else ""
    return f"{whom} made {len(outside)} changes{between}, {'+' if total > 0 else ''}{wording.digits(total)} in all"


def _both(row: Row, provider: str, *, capital: bool = False) -> str:
    """Microsoft charged 10 as of 1 Mar 2026, we have 14."""
    day: date | None = row["snapshot"]
    as_of = f" as of {wording.day(day)}" if day else ""
    named = provider[0].upper() + provider[1:] if capital else provider
    return f"{named} charged {wording.digits(row['provider_quantity'])}{as_of}, we have {wording.digits(row['our_quantity'])}"


def _left_over(row: Row) -> str:
    return seats(row["residual"])


def _are(quantity: Decimal | None) -> str:
    return "is" if quantity is not None and quantity.copy_abs() == 1 else "are"


def _rest(quantity: Decimal | None) -> str:
    return "nothing" if quantity is None else seats(quantity)


def _customer(row: Row) -> str:
    return row.get("customer") or row.get("customer_name") or row["account_id"] or row["provider_customer_id"] or "The customer"


def _money(row: Row, name: str) -> str:
    return wording.amount(row[name], row["currency"])


def _at_risk(row: Row) -> str:
    return "its price is not known" if row["money_at_risk"] is None else wording.rounded(row["money_at_risk"], row["currency"])


def _worth(row: Row) -> str:
    return wording.rounded(row["unbilled"], row["currency"]) if row["unbilled"] is not None else _at_risk(row)


def _listed(numbers: Sequence[str]) -> str:
    return numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"
