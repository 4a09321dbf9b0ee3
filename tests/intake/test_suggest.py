"""What would mend a missing reference: the mapping by domain, then by name, and never a guess between two."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from w365core.intake.suggest import View, with_suggestions
from w365core.model import MissingReference, ProviderCustomer, ProviderSubscription, ReferenceKind

ACCOUNTS = [("A-1", "Contoso", "contoso.com"), ("A-2", "Fabrikam", None), ("A-3", None, "twin.com"), ("A-4", "Fabrikam Ltd", "TWIN.com")]


def suggestion(
    kind: ReferenceKind = ReferenceKind.CUSTOMER, *, key: str = "c-9", name: str | None = None, domain: str = "", **view: Any
) -> str:
    reference = MissingReference(kind, key, name, 3, Decimal("10.00"), "EUR", suggestion=domain)
    (found,) = with_suggestions([reference], provider="csp-demo", accounts=ACCOUNTS, view=View(**view))
    assert (found.kind, found.key, found.lines, found.amount) == (kind, key, 3, Decimal("10.00"))
    return found.suggestion


def test_a_customer_of_the_same_domain_is_proposed_with_the_command_that_maps_it():
    assert suggestion(domain="CONTOSO.com", name="Fabrikam") == (
        "Map it to account A-1 (Contoso; same domain contoso.com, confidence 1): map-account --provider csp-demo --provider-account-id c-9 "
        "--account A-1"
    )


def test_a_customer_of_the_same_name_is_proposed_where_no_domain_matches():
    assert suggestion(domain="else.com", name="fabrikam").startswith(
        "Map it to account A-2 (Fabrikam; same name, confidence 0.95): map-account "
    )


@pytest.mark.parametrize(
    ("name", "domain", "said"),
    [("Nobody", "twin.com", " (2 accounts have the domain twin.com: A-3, A-4)"), ("Nobody", "", ""), (None, "", ""), ("", "", "")],
)
def test_where_several_or_none_match_nothing_is_guessed(name, domain, said):
    assert suggestion(name=name, domain=domain) == (
        f"Map it to the account it belongs to{said}: map-account --provider csp-demo --provider-account-id c-9 --account ACCOUNT_ID"
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (ReferenceKind.SUBSCRIPTION, "subscriptions.csv"),
        (ReferenceKind.CURRENCY, "Add CHF with its rate to currencies.csv"),
        (ReferenceKind.PRODUCT, "Add CHF to products.csv"),
    ],
)
def test_everything_else_names_the_file_that_mends_it(kind, said):
    assert said in suggestion(kind, key="CHF")


# --- with what the provider knows ----------------------------------------------------------------------------------------------------------

SUBSCRIPTION = ReferenceKind.SUBSCRIPTION
CUSTOMERS = {"c-9": ProviderCustomer("c-9", "Contoso Nederland", "contoso.com")}


def test_a_customer_that_the_lines_do_not_name_is_known_by_the_providers_name_and_domain():
    assert suggestion(customers=CUSTOMERS, key="C-9").startswith("Map it to account A-1 (Contoso; same domain contoso.com, confidence 1)")


def test_a_customer_that_is_gone_or_whose_sync_is_disabled_is_said_to_be():
    said = suggestion(key="C-9", gone=frozenset({"c-9"}), sync_disabled=frozenset({"c-9"}))
    assert said.startswith(
        "csp-demo lists it no more: it may have left. Its provider account has sync disabled, so its subscriptions are not"
    )


def owned(**said: Any) -> dict[str, ProviderSubscription]:
    told = {"kind": "License", "name": 'Suite, "all in"', "quantity": Decimal(12), "status": "active", **said}
    return {"s-1": ProviderSubscription("s-1", "c-9", started_at=datetime(2026, 11, 1, tzinfo=UTC), **told)}


def test_a_subscription_is_said_as_the_provider_knows_it_with_the_row_to_add():
    said = suggestion(SUBSCRIPTION, key="S-1", customers=CUSTOMERS, subscriptions=owned(), account_of={"c-9": "A-1"})
    assert said == (
        'csp-demo knows it as Suite, "all in", 12 seats, active, of customer Contoso Nederland (c-9). Add this row to subscriptions.csv '
        "(subscription_id,provider,provider_subscription_id,account_id,kind,name,quantity,start_date,status): "
        's-1,csp-demo,s-1,A-1,License,"Suite, ""all in""",12,2026-11-01,Active'
    )


def test_an_azure_subscription_has_a_plan_and_no_seats_and_an_unmapped_customer_leaves_a_place_to_fill_in():
    said = suggestion(SUBSCRIPTION, key="S-1", subscriptions=owned(kind="Usage", quantity=None, parent_id="p-1", status="suspended"))
    assert ", under plan p-1, suspended, of customer c-9." in said and said.endswith(
        ',ACCOUNT_ID,Usage,"Suite, ""all in""",1,2026-11-01,Suspended'
    )


def test_a_migrated_subscription_is_a_second_id_of_ours():
    said = suggestion(SUBSCRIPTION, key="S-1", subscriptions=owned(migrated_from_id="OLD-1"), ours={"old-1": "S-00007"})
    assert said.endswith("It took the place of OLD-1, our S-00007: add csp-demo,s-1,S-00007 to subscription_aliases.csv.")


def test_disabled_sync_and_a_refusal_are_the_reason_that_nothing_is_known():
    of = {"customer_of": {"s-1": "c-9"}, "customers": CUSTOMERS}
    disabled = suggestion(SUBSCRIPTION, key="S-1", **of, sync_disabled=frozenset({"c-9"}))
    assert disabled.startswith(
        "The provider account of its customer Contoso Nederland (c-9) has sync disabled, so its subscriptions were not brought;"
    )
    refused = suggestion(SUBSCRIPTION, key="S-1", **of, refused={"c-9": "Partner Center answered 403"})
    assert refused.startswith(
        "The provider does not tell what its customer Contoso Nederland (c-9) owns: Partner Center answered 403. Add it to"
    )
    assert suggestion(SUBSCRIPTION, key="S-1", **of).startswith("Add it to subscriptions.csv; an old id")
