"""What would supply a missing thing, how sure is that, and where does a person have to say it?"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from w365core.intake.fixes import Past, Surroundings, best_name, fixes_of
from w365core.intake.suggest import View
from w365core.model import Fix, FixAction, MissingReference, ProviderCustomer, ProviderSubscription, ReferenceKind

ACCOUNTS = [("A-1", "Contoso", "contoso.example"), ("A-2", "Fabrikam", None), ("A-3", "Twin", None), ("A-4", "Twin", None)]
CUSTOMER, SUBSCRIPTION, CURRENCY, PRODUCT = ReferenceKind


def missing(kind: ReferenceKind, key: str = "c-9", name: str | None = None) -> MissingReference:
    return MissingReference(kind, key, name, 3, Decimal("10.00"), "EUR")


def fix(one: MissingReference, *more: MissingReference, view: View = View(), **around: Any) -> Fix | None:
    return fixes_of([one, *more], provider="csp", accounts=ACCOUNTS, view=view, around=Surroundings(**around))[0]


def told(found: Fix) -> tuple:
    return found.action, found.account_id, found.confidence, found.because


def test_a_customer_is_mapped_by_the_domain_that_its_lines_print_before_its_name():
    found = fix(missing(CUSTOMER, "C-9", "Fabrikam"), domains={"c-9": "contoso.example"})
    assert told(found) == (FixAction.MAP_ACCOUNT, "A-1", Decimal(1), "same domain contoso.example") and found.is_ready
    assert fix(missing(CUSTOMER, name="fabrikam")).account_id == "A-2"


def test_what_it_was_on_an_earlier_invoice_comes_before_what_looks_alike():
    found = fix(missing(CUSTOMER, name="Fabrikam"), past={("customer", "c-9"): Past("A-1", "G7", "Old name")})
    assert told(found) == (FixAction.MAP_ACCOUNT, "A-1", Decimal("0.90"), "it was account A-1 on invoice G7")


@pytest.mark.parametrize("name", ["Twin", "Nobody", None, ""])
def test_between_two_accounts_and_without_any_a_person_chooses(name: str | None):
    found = fix(missing(CUSTOMER, name=name))
    assert (found.account_id, found.confidence, found.is_ready) == (None, None, False)


def test_a_customer_whom_no_id_names_cannot_be_mapped():
    assert fix(missing(CUSTOMER, "(not given)", "Contoso")) is None


def test_a_subscription_that_the_provider_knows_stands_under_the_provider_itself():
    known = ProviderSubscription("s-1", "c-9", "License", name="Suite", quantity=Decimal(12), started_at=datetime(2026, 11, 1, tzinfo=UTC))
    view = View(subscriptions={"s-1": known}, account_of={"c-9": "A-2"})
    found = fix(missing(SUBSCRIPTION, "S-1"), view=view)
    assert (found.action, found.under, found.kind, found.quantity, found.start_date, found.name) == (
        FixAction.ADD_SUBSCRIPTION, "csp", "License", Decimal(12), date(2026, 11, 1), "Suite",
    )  # fmt: skip
    assert (found.account_id, found.confidence, found.is_ready) == ("A-2", Decimal("0.95"), True)
    unmapped = fix(missing(SUBSCRIPTION, "S-1"), view=View(subscriptions={"s-1": known}))
    assert (unmapped.account_id, unmapped.confidence, unmapped.is_ready) == (None, Decimal("0.80"), False)


def test_what_took_the_place_of_a_subscription_of_ours_is_another_id_of_it():
    moved = ProviderSubscription("s-1", "c-9", "Usage", migrated_from_id="OLD")
    found = fix(missing(SUBSCRIPTION, "s-1"), view=View(subscriptions={"s-1": moved}, ours={"old": "U-7"}))
    assert (found.action, found.subscription_id, found.because) == (FixAction.ALIAS, "U-7", "csp says that it took the place of OLD")
    before = fix(missing(SUBSCRIPTION, "s-1"), past={("subscription", "s-1"): Past("U-8", "G7")})
    assert (before.action, before.subscription_id) == (FixAction.ALIAS, "U-8")


def test_an_id_that_nobody_knows_goes_under_a_manual_provider_for_the_customer_that_its_lines_print():
    view = View(customer_of={"old-1": "c-9"}, account_of={"c-9": "A-1"})
    found = fix(missing(SUBSCRIPTION, "Old-1", "Business Premium"), view=view)
    assert (found.under, found.kind, found.account_id, found.confidence) == ("old-ids", "License", "A-1", Decimal("0.50"))
    assert fix(missing(SUBSCRIPTION, "Old-1"), view=view, of_usage=frozenset({"old-1"})).kind == "Usage"
    assert fix(missing(SUBSCRIPTION, "Old-1", "Azure plan"), view=view).quantity == 1


def test_a_subscription_of_a_customer_that_is_missing_too_is_suggested_for_the_account_that_this_one_is():
    view = View(customer_of={"old-1": "c-9"})
    found = fix(missing(SUBSCRIPTION, "old-1"), missing(CUSTOMER, "C-9", "Fabrikam"), view=view)
    assert (found.account_id, found.is_ready) == ("A-2", True)


def test_a_currency_is_added_where_it_is_the_invoices_own_and_nobody_knows_it():
    found = fix(missing(CURRENCY, "CHF"), currency="chf", currencies=frozenset({"EUR"}))
    assert (found.action, found.key, found.rate_to_base, found.is_ready) == (FixAction.ADD_CURRENCY, "CHF", None, False)
    assert fix(missing(CURRENCY, "CHF"), currency="EUR", currencies=frozenset({"EUR"})) is None


def test_a_product_is_the_one_of_the_same_name_else_a_new_one_under_the_printed_id():
    known = [("P-1", "Suite"), ("P-2", "Copilot")]
    assert fix(missing(PRODUCT, "CFQ7", " suite"), products=known).product_id == "P-1"
    new = fix(missing(PRODUCT, "CFQ7", "Other"), products=known)
    assert (new.product_id, new.name, new.billing_type, new.is_ready) == ("CFQ7", "Other", "License", True)
    assert fix(missing(PRODUCT, "CFQ7"), products=known).product_id is None


def test_the_best_name_is_that_of_its_lines_then_of_earlier_ones_then_the_providers():
    view = View(customers={"c-9": ProviderCustomer("c-9", "From the provider")})
    around = Surroundings(past={("customer", "c-9"): Past(None, "G7", "From the past")})
    assert best_name(missing(CUSTOMER, name="Printed"), view, around) == "Printed"
    assert best_name(missing(CUSTOMER), view, around) == "From the past"
    assert best_name(missing(CUSTOMER), view, Surroundings()) == "From the provider"


@given(
    st.lists(
        st.builds(
            missing,
            st.sampled_from(ReferenceKind),
            st.sampled_from(["c-9", "s-1", "CHF", "X"]),
            st.sampled_from([None, "", "Contoso", "Twin"]),
        )
    )
)
def test_a_suggestion_is_sure_only_where_it_says_everything(references: list[MissingReference]):
    found = fixes_of(references, provider="csp", accounts=ACCOUNTS, view=View(), around=Surroundings(currency="CHF"))
    assert len(found) == len(references)
    for one in filter(None, found):
        assert one.confidence is None or (0 < one.confidence <= 1 and one.is_ready)
