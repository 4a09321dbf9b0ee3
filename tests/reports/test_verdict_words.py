"""Does every verdict read as a sentence with the change, the quantities and the money in it, and no code?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from w365core.reconciliation import Fit, PriceVerdict, Verdict
from w365core.reports import verdict_words as words


def row(verdict: str, **said: Any) -> dict[str, Any]:
    values = {
        "verdict": verdict, "customer": "Contoso", "account_id": "A-1", "provider_customer_id": "c-1", "snapshot": date(2026, 3, 1), "currency": "EUR",
        "provider_quantity": Decimal(10), "our_quantity": Decimal(14), "our_quantity_then": Decimal(10), "residual": Decimal(2), "residual_settles": None,
        "subtotal": Decimal("100.00"), "money_at_risk": Decimal("57.60"), "unbilled": Decimal("57.6"), "changed_since": False, "reason": None, "fit": None,
        "lines": 2, "lapsed": False, "price_verdict": "price_ok", "unit_cost": Decimal(10), "selling_price": Decimal(12), "cost_price": Decimal(10),
        "our_currency": "EUR",
    }  # fmt: skip
    return values | said


def log(quantity: str = "4", **said: Any) -> dict[str, Any]:
    values = {
        "quantity": Decimal(quantity),
        "effective_date": date(2026, 3, 12),
        "provisioning_status": "Provisioned",
        "invoice_number": None,
        "outside": True,
    }
    return values | said


SENTENCES = [
    (row("explained_not_invoiced"), [log()],
     "Contoso added 4 seats on 12 Mar 2026; Microsoft charged 10 as of 1 Mar 2026, we have 14. Not yet invoiced by us: 57.60 EUR."),
    (row("explained_invoiced"), [log(invoice_number="I-7"), log("-1", invoice_number="I-8")],
     "Contoso added 4 seats on 12 Mar 2026 and removed 1 seat on 12 Mar 2026; Microsoft charged 10 as of 1 Mar 2026, we have 14. Invoiced on I-7 and I-8."),
    (row("excluded"), [log()],
     "Contoso added 4 seats on 12 Mar 2026; Microsoft charged 10 as of 1 Mar 2026, we have 14. The log is archived without an invoice, so it is never "
     "billed: 57.60 EUR."),
    (row("provisioning_gap"), [log("-2", provisioning_status="Failed Provisioning")],
     "Contoso removed 2 seats on 12 Mar 2026, and its provisioning failed; Microsoft charged 10 as of 1 Mar 2026, we have 14: 57.60 EUR."),
    (row("partly_explained"), [log()],
     "Contoso added 4 seats on 12 Mar 2026; Microsoft charged 10 as of 1 Mar 2026, we have 14. 2 seats are still unexplained: 57.60 EUR."),
    (row("unexplained", residual=Decimal(-1)), [],
     "Microsoft charged 10 as of 1 Mar 2026, we have 14, and no change of ours explains it: 1 seat too few, 57.60 EUR."),
    (row("change_log_mismatch", our_quantity=Decimal(10), residual_settles=True), [],
     "Our change logs come to 8, our subscription says 10: a log of +2 is missing; with it Microsoft's 10 would agree."),
    (row("suspended_but_billed"), [], "Contoso's subscription is suspended with us, and Microsoft still charges 10 seats: 100.00 EUR."),
    (row("no_subscription"), [], "Microsoft charged Contoso 100.00 EUR on 2 lines without a subscription of ours: nobody is billed for it."),
    (row("not_reconcilable", reason="Only customer credits."), [], "Only customer credits."),
    (row("not_on_invoice"), [], "Contoso has 14 seats with us, and Microsoft did not charge them: 57.60 EUR of cost are missing."),
    (row("confirmed"), [], "Microsoft charged 10 seats, and we have as many."),
    (row("confirmed", changed_since=True, our_quantity_then=Decimal(8)), [],
     "Microsoft charged 10 seats, and we have as many. On 1 Mar 2026 we had 8, so it agrees by coincidence: look at its change logs."),
]  # fmt: skip


@pytest.mark.parametrize(("what", "logs", "sentence"), SENTENCES, ids=lambda value: value["verdict"] if isinstance(value, dict) else "")
def test_a_verdict_reads_as_a_sentence(what, logs, sentence) -> None:
    assert words.sentence(what, logs) == sentence


@pytest.mark.parametrize("verdict", Verdict)
def test_no_sentence_names_a_code_and_none_breaks_where_everything_is_unknown(verdict) -> None:
    unknown = dict.fromkeys(row(verdict)) | {"verdict": str(verdict), "currency": "EUR", "lapsed": False}
    said = words.sentence(unknown, [dict.fromkeys(log()) | {"outside": True}])
    assert said.endswith(".") and "_" not in said and "None" not in said
    assert verdict in words.LABELS and verdict in words.STEPS


def test_logs_inside_the_view_are_no_part_of_the_explanation() -> None:
    assert "added 10" not in words.sentence(row("explained_not_invoiced"), [log("10", outside=False), log()])


def test_many_changes_are_told_as_what_they_come_to() -> None:
    logs = [log("4"), log("-1", effective_date=date(2026, 3, 20)), log("2", effective_date=date(2026, 3, 15))]
    assert words.sentence(row("explained_not_invoiced"), logs).startswith(
        "Contoso made 3 changes between 12 Mar 2026 and 20 Mar 2026, +5 in all;"
    )


@pytest.mark.parametrize("fit", Fit)
def test_every_fit_says_which_view_agrees(fit) -> None:
    assert words.fit_sentence(row("explained_invoiced", fit=str(fit))).startswith("Microsoft's quantity is")
    assert words.fit_sentence(row("unexplained")) is None


@pytest.mark.parametrize("verdict", PriceVerdict)
def test_every_price_verdict_says_both_prices(verdict) -> None:
    said = words.price_sentence(row("confirmed", price_verdict=str(verdict), selling_price=Decimal("9.5")))
    assert "9.50 EUR" in said and said.endswith(".")


def test_our_prices_are_said_in_our_currency_and_the_cost_in_the_invoice_s() -> None:
    unknown = row("unexplained", price_verdict="price_unknown", selling_price=Decimal(5), unit_cost=Decimal(4))
    two = "Cost and selling price are in two currencies and are not compared: a seat costs 4.00 EUR a month and sells for 5.00 USD."
    assert words.price_sentence(unknown | {"our_currency": "USD"}) == two
    assert words.price_sentence(unknown | {"our_currency": None}) == (
        "The price is not known: cost 4.00 EUR, selling price 5 without a currency a month."
    )
    assert words.price_sentence(unknown | {"our_currency": "USD", "unit_cost": None}).endswith(
        "cost unknown, selling price 5.00 USD a month."
    )


def test_seats_that_are_on_no_invoice_and_have_no_price_read_as_a_sentence() -> None:
    said = words.sentence(row("not_on_invoice", money_at_risk=None))
    assert said == "Contoso has 14 seats with us, and Microsoft did not charge them: what they cost is not known."


def test_a_decision_that_lapsed_says_what_has_changed() -> None:
    lapsed = row("partly_explained", lapsed=True, reviewed_verdict="partly_explained", reviewed_residual=Decimal(1))
    assert "with 1 seat left over, and 2 seats are left over now" in words.lapsed_sentence(lapsed)
    other = row("unexplained", lapsed=True, reviewed_verdict="partly_explained", reviewed_residual=Decimal(2))
    assert words.lapsed_sentence(other) == "Open again: it was accepted as “Partly explained”, and is “Unexplained” now."


def test_whoever_charges_is_called_by_name() -> None:
    assert [words.provider_called("x", kind) for kind in ("partner_center", "streamone", "manual")] == ["Microsoft", "TD SYNNEX", "x"]
