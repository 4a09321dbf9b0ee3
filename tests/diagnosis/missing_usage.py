"""One row of evidence, stated by what matters: an October that came in on 9 November, all in order, and what differs from it.

evidence, document, rows, invoice    the builders;  random_evidence: anything that the store could say
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from w365core.diagnosis.missing_usage_facts import (
    Contract,
    CustomerInvoice,
    Document,
    Estimate,
    Evidence,
    Missing,
    Month,
    Rows,
    Run,
    Source,
    Subscription,
)
from w365core.model import ReferenceKind

D = Decimal
TODAY, INVOICED_ON = date(2026, 11, 13), date(2026, 11, 12)
ARRIVED = date(2026, 11, 9)


def document(number: str = "G1", **said: Any) -> Document:
    """An Active invoice with usage of this subscription and others."""
    values = {
        "provider": "csp", "currency": "EUR", "invoice_id": 1, "invoice_date": date(2026, 11, 8), "total": D("120"), "usage": 4, "lines": 9,
        "listed_on": ARRIVED, "seen_on": ARRIVED, "attempted_on": ARRIVED, "arrived_on": ARRIVED, "mine": True,
    }  # fmt: skip
    return Document(number, **values | said)


def rows(**said: Any) -> Rows:
    """Two usage summaries of 20.00 that sell for 23.00."""
    values = {
        "document": "G1",
        "currency": "EUR",
        "count": 2,
        "cost": D("20"),
        "selling": D("23"),
        "arrived_on": ARRIVED,
        "markups": (D(15),),
    }
    return Rows(**values | said)


def invoice(status: str = "Billed", total: str = "23.00") -> CustomerInvoice:
    return CustomerInvoice("U-1", status, INVOICED_ON, D(total), "EUR")


def missing(kind: ReferenceKind = ReferenceKind.CUSTOMER, key: str = "c9", **said: Any) -> Missing:
    return Missing(kind, key, said.pop("name", None), D("5"), "EUR", **said)


def evidence(*documents: Document, **said: Any) -> Evidence:
    """October of contract BC-1: one document, two usage summaries, no invoice yet."""
    subscription = Subscription("U-1", "Contoso", markup_pct=D(15), provider_ids=frozenset({"a1"}), customer_ids=frozenset({"c1"}))
    values = {
        "today": TODAY, "cycle_start": date(2026, 10, 1), "cycle_end": date(2026, 11, 1), "invoice_date": INVOICED_ON, "currency": "EUR",
        "subscription": subscription, "source": Source("csp", "partner_center", True, ARRIVED, frozenset({"EUR"}), Run("sync", "done", ARRIVED)),
        "contract": Contract("BC-1", currency="EUR", account_id="A-1"), "rows": (rows(),),
        "months": (Month(date(2026, 10, 31), date(2026, 11, 8), date(2026, 11, 11), documents or (document(),)),),
    }  # fmt: skip
    return Evidence(**values | said)


def without_documents(**said: Any) -> Evidence:
    month = Month(date(2026, 10, 31), date(2026, 11, 8), date(2026, 11, 11))
    return evidence(**{"months": (month,), "rows": (), **said})


_FAILURES = (
    (),
    ("unresolved_references",),
    ("checksum_failed",),
    ("provider_error",),
    ("invalid_data",),
    ("unresolved_references", "checksum_failed"),
)


def random_evidence(chance: random.Random) -> Evidence:
    """Anything, also what no store would say: nothing that is asked of it may depend on its making sense."""
    pick = chance.choice
    documents = tuple(_random_document(chance, f"G{place}") for place in range(pick((0, 1, 1, 2, 3))))
    found = tuple(_random_rows(chance) for _ in range(pick((0, 1, 1, 2, 3))))
    made = evidence(*documents)
    months = (replace(made.months[0], documents=documents),)
    subscription = replace(
        made.subscription, markup_pct=pick((None, D(0), D(15))), minimum_commitment=pick((None, None, D(250))),
        start_date=pick((None, date(2026, 9, 1), date(2027, 1, 1))), status=pick(("Active", "Suspended")),
    )  # fmt: skip
    contract = pick(
        (
            None,
            made.contract,
            made.contract,
            made.contract,
            replace(made.contract, status="Inactive"),
            replace(made.contract, currency="USD"),
        )
    )
    source = pick(
        (made.source, made.source, replace(made.source, listed_on=None), Source("s1", "streamone"), Source("m", "manual"), Source(None))
    )
    return replace(
        made, months=months, rows=found, subscription=subscription, contract=contract, source=source,
        today=INVOICED_ON + timedelta(days=pick((-20, -1, 0, 1, 30))), invoice=pick((None, None, invoice("Draft"), invoice(), invoice("Paid", "0"))),
        estimates=pick(((), (Estimate(D("3"), "EUR", ARRIVED),))),
    )  # fmt: skip


def _random_document(chance: random.Random, number: str) -> Document:
    pick = chance.choice
    status = pick(("Active", "Active", "Active Usage", "Populating", "Error", "Deactivated", None))
    return document(
        number, status=status, currency=pick(("EUR", "EUR", "USD")), mine=pick((True, False, None)), usage=pick((0, 4)), lines=pick((0, 4, 9)),
        failures=pick(_FAILURES[1:]) if status == "Error" else (), message=pick(("", "daily usage not published", "it broke")),
        missing=pick(((), (missing(),), (missing(key="c1"),), (missing(ReferenceKind.SUBSCRIPTION, "x", customer_id="c1"),))),
        held_cost=pick((None, D("12.5"))), source=pick(("synced", "file")), arrived_on=pick((None, ARRIVED)),
    )  # fmt: skip


def _random_rows(chance: random.Random) -> Rows:
    pick = chance.choice
    status = pick(("Not invoiced", "Not invoiced", "Invoiced", "Archived"))
    told = {"invoice_number": "U-1", "invoice_status": pick(("Draft", "Billed"))} if status == "Invoiced" else {}
    unrated = pick((0, 0, 2))
    return rows(
        document=pick(("G0", "G1")), status=status, confirmed=pick((True, True, True, False)), currency=pick(("EUR", "EUR", "USD")),
        cost=pick((D(0), D("20"))), selling=D(0) if unrated else pick((D(0), D("23"))), unrated=unrated, unrated_cost=D("20") if unrated else D(0),
        arrived_on=INVOICED_ON + timedelta(days=pick((-3, 0, 4))), drifted=pick((0, 1)), drifted_cost=D("20"), **told,
    )  # fmt: skip
