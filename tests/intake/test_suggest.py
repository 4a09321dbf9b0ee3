"""What would mend a missing reference: the mapping by domain, then by name, and never a guess between two."""

from __future__ import annotations

from decimal import Decimal

import pytest

from w365core.intake.suggest import with_suggestions
from w365core.model import MissingReference, ReferenceKind

ACCOUNTS = [("A-1", "Contoso", "contoso.com"), ("A-2", "Fabrikam", None), ("A-3", None, "twin.com"), ("A-4", "Fabrikam Ltd", "TWIN.com")]


def suggestion(kind: ReferenceKind = ReferenceKind.CUSTOMER, *, key: str = "c-9", name: str | None = None, domain: str = "") -> str:
    reference = MissingReference(kind, key, name, 3, Decimal("10.00"), "EUR", suggestion=domain)
    (found,) = with_suggestions([reference], provider="csp-demo", accounts=ACCOUNTS)
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
