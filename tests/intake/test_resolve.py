"""To whom a line belongs: the order of the lookups, ids in any case, what is missing and what is only a warning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from w365core.intake.resolve import NOT_GIVEN, References, Referred, Subscription, blank, kind_of, resolve, subscriptions_by_provider_id
from w365core.model import LineKind, ReferenceKind

SEATS = Subscription("S-1", "A-1", "P-1", "License", None)
REFERENCES = References(
    provider="csp",
    invoice_number="G1",
    currency="EUR",
    customers={"cust-1": "A-1", "cust-2": "A-2", "unmapped": None},
    subscriptions={"sub-1": SEATS},
    currencies=frozenset({"EUR", "USD"}),
    products=frozenset({"p-1", "cfq:0001"}),
)
LINE = Referred("CUST-1", "Contoso", " Sub-1 ", "Office", "CFQ", "0001", "Office 365", "EUR", LineKind.LICENSE)


def missing(**differences) -> list[tuple]:
    return list(resolve(replace(LINE, **differences), REFERENCES).missing)


def test_ids_resolve_in_any_case_and_with_blanks_around():
    found = resolve(LINE, REFERENCES)
    assert (found.account_id, found.subscription, found.missing) == ("A-1", SEATS, ())


def test_an_unknown_and_an_unmapped_customer_are_missing_under_the_name_on_the_line():
    assert missing(customer_id="Else") == [(ReferenceKind.CUSTOMER, "Else", "Contoso")]
    assert missing(customer_id="UNMAPPED") == [(ReferenceKind.CUSTOMER, "UNMAPPED", "Contoso")]


def test_an_unknown_subscription_is_missing_and_leaves_the_line_with_its_customer():
    found = resolve(replace(LINE, subscription_id=" New-ID "), REFERENCES)
    assert found.missing == ((ReferenceKind.SUBSCRIPTION, "New-ID", "Office"),)
    assert (found.account_id, found.subscription) == ("A-1", None)


@pytest.mark.parametrize("spelled", [None, "", "  ", "NULL", "(null)", "None", "N/A"])
def test_a_blank_subscription_id_is_nothing_to_resolve(spelled):
    assert blank(spelled)
    assert missing(subscription_id=spelled) == []


def test_the_id_0_is_an_id():
    assert not blank("0")
    assert missing(subscription_id="0") == [(ReferenceKind.SUBSCRIPTION, "0", "Office")]


@pytest.mark.parametrize("spelled", [None, "", "null"])
def test_a_blank_customer_is_the_subscriptions_own_else_it_is_missing(spelled):
    assert resolve(replace(LINE, customer_id=spelled), REFERENCES).account_id == "A-1"
    assert missing(customer_id=spelled, subscription_id=None) == [(ReferenceKind.CUSTOMER, NOT_GIVEN, "Contoso")]


def test_a_subscription_bills_its_own_account_whatever_customer_the_line_prints():
    assert resolve(replace(LINE, customer_id="cust-2"), REFERENCES).account_id == "A-1"


def test_a_subscription_without_an_account_bills_the_customer_of_the_line():
    references = replace(REFERENCES, subscriptions={"sub-1": replace(SEATS, account_id=None)})
    assert resolve(replace(LINE, customer_id="cust-2"), references).account_id == "A-2"


def test_a_currency_that_we_do_not_have_or_that_is_not_the_headers_is_missing():
    assert missing(currency="CHF") == [(ReferenceKind.CURRENCY, "CHF", None)]
    assert missing(currency="usd") == [(ReferenceKind.CURRENCY, "USD", None)]
    assert resolve(LINE, replace(REFERENCES, currencies=frozenset())).missing == ((ReferenceKind.CURRENCY, "EUR", None),)


def test_a_product_is_known_by_our_subscription_by_its_id_or_with_its_sku():
    foreign = replace(REFERENCES, subscriptions={"sub-1": replace(SEATS, product_id=None)})
    assert resolve(LINE, foreign).missing == ()
    assert resolve(replace(LINE, sku_id="0009"), foreign).missing == ((ReferenceKind.PRODUCT, "CFQ", "Office 365"),)
    assert resolve(replace(LINE, product_id="P-1", sku_id=None), foreign).missing == ()
    assert missing(sku_id="0009") == [], "the product of our subscription is enough"


def test_an_unknown_product_only_warns():
    assert [kind for kind in ReferenceKind if not kind.blocking] == [ReferenceKind.PRODUCT]


def test_several_things_may_be_missing_at_once():
    assert [kind for kind, _, _ in missing(customer_id="x", subscription_id="y", currency="CHF")] == [
        ReferenceKind.CURRENCY,
        ReferenceKind.SUBSCRIPTION,
        ReferenceKind.CUSTOMER,
    ]


def test_lines_that_do_not_resolve_a_subscription_or_customer_do_not_miss_it():
    assert missing(subscription_id="x", resolves_subscription=False) == []
    assert missing(customer_id="x", resolves_customer=False) == []


def test_a_providers_own_subscription_wins_over_an_alias_and_an_alias_over_a_manual_provider():
    own, alias, manual = (replace(SEATS, subscription_id=name) for name in ("own", "alias", "manual"))
    found = subscriptions_by_provider_id([("A", own)], [("a ", alias), ("b", alias)], [("a", manual), ("B", manual), (" C", manual)])
    assert {key: subscription.subscription_id for key, subscription in found.items()} == {"a": "own", "b": "alias", "c": "manual"}


@pytest.mark.parametrize(
    ("meter", "description", "reservation", "kind"),
    [
        ("D2 v3 - EU West", "Azure plan", None, LineKind.USAGE),
        ("D2 v3 - EU West", "Other", None, LineKind.USAGE),
        (None, "azure PLAN ", None, LineKind.USAGE),
        ("", "Azure plan", "n/a", LineKind.USAGE),
        ("", "Azure plan", "order-7", LineKind.LICENSE),
        (" ", "Microsoft 365 E3", "", LineKind.LICENSE),
        (None, None, None, LineKind.LICENSE),
    ],
)
def test_usage_is_what_a_meter_made_or_the_azure_plan_without_a_reservation(meter, description, reservation, kind):
    assert kind_of(meter, description, reservation) is kind
