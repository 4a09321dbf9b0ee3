"""Whose is a customer? Certain only by a domain that is one account's and one customer's; names by how alike they are; never a guess between two."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from w365core.intake.matching import CERTAIN, EQUAL_BUT_FOR_FORM, EQUAL_NAME, SHARED_DOMAIN, Accounts, domain_of, essence
from w365core.model import ProviderCustomer

ACCOUNTS = [
    ("A-1", "Contoso Ltd.", "contoso.example"),
    ("A-2", "Müller & Söhne GmbH & Co. KG", None),
    ("A-3", "Fabrikam B.V.", "twin.example"),
    ("A-4", "Fabrikam Ltd", "www.TWIN.example"),
    ("A-5", "Schule 12", ""),
    ("A-6", "Acme sp. z o.o.", None),
    ("A-7", "Northwind Traders", None),
    ("A-8", None, None),
    ("A-9", "AB", None),
]


def match(name: str | None = None, domain: str | None = None, **more):
    return Accounts(ACCOUNTS, **more).match(name=name, domain=domain)


def found(*asked: str | None):
    said = match(*asked)
    return said and (said.account_id, said.confidence)


@pytest.mark.parametrize("domain", ["contoso.example", " HTTPS://www.Contoso.example/de ", "@contoso.example", "info@contoso.example."])
def test_a_domain_of_one_account_is_certain_whatever_the_name(domain):
    said = match("Fabrikam B.V.", domain)
    assert (said.account_id, said.confidence, said.is_certain) == ("A-1", CERTAIN, True)


def test_a_domain_of_several_customers_is_not_certain():
    customers = [
        ProviderCustomer(str(number), domain=domain) for number, domain in enumerate(("CONTOSO.example", "contoso.example", None, None))
    ]
    said = match("x", "contoso.example", customers=customers)
    assert (said.account_id, said.confidence, said.is_certain) == ("A-1", SHARED_DOMAIN, False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("contoso  LTD.", ("A-1", EQUAL_NAME)),
        ("Contoso, Inc", ("A-1", EQUAL_BUT_FOR_FORM)),
        ("MULLER SOHNE", ("A-2", EQUAL_BUT_FOR_FORM)),
        ("Müller und Söhne KG", ("A-2", EQUAL_BUT_FOR_FORM)),
        ("Mueller & Soehne", ("A-2", Decimal("0.82"))),
        ("ACME", ("A-6", EQUAL_BUT_FOR_FORM)),
        ("Traders Northwind", ("A-7", EQUAL_BUT_FOR_FORM)),
        ("Nortwind Trader Inc.", ("A-7", Decimal("0.84"))),
        ("Schule 12", ("A-5", EQUAL_NAME)),
        ("Schule 13", None),  # another number is another school
        ("ABC", None),  # too short to be like AB
        ("AB Holding", None),
        ("GmbH", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_is_never_certain_and_what_is_not_alike_is_nothing(name, expected):
    assert found(name, None) == expected


def test_between_equally_good_accounts_there_is_a_list_and_no_choice():
    said = match("Fabrikam")
    assert (said.account_id, said.confidence, said.candidates) == (None, None, ("A-3", "A-4")) and "A-3, A-4" in said.because
    said = match("Nobody", "twin.example")
    assert (said.account_id, said.candidates) == (None, ("A-3", "A-4"))
    assert found("fabrikam ltd", "twin.example") == ("A-4", EQUAL_NAME)  # among those of the domain the name decides


_WORDS = st.lists(st.text("abcdefghij", min_size=3, max_size=8), min_size=1, max_size=3, unique=True)
_FORMS = st.sampled_from([" Ltd", " GmbH", ", Inc.", " B.V.", " S.A.R.L.", " sp. z o.o.", " GmbH & Co. KG", " Pty Ltd", " A/S", ""])


@settings(max_examples=150, deadline=None)
@given(_WORDS, _FORMS, _FORMS, st.booleans())
def test_the_form_of_a_company_letters_and_accents_change_nothing(words, own, other, shout):
    name = " ".join(words)
    dressed = "-".join(words).replace("a", "á").replace("e", "ë") + other
    assert essence(name + own) == essence(dressed.upper() if shout else dressed)


@settings(max_examples=60, deadline=None)
@given(
    st.permutations(ACCOUNTS),
    st.sampled_from(["Contoso", "Fabrikam", "Nortwind Trader", "Muller", None]),
    st.sampled_from([None, "twin.example", "contoso.example"]),
)
def test_the_order_of_the_accounts_changes_nothing(accounts, name, domain):
    one, other = (Accounts(order).match(name=name, domain=domain) for order in (ACCOUNTS, accounts))
    assert (one and (one.account_id, one.confidence, set(one.candidates))) == (
        other and (other.account_id, other.confidence, set(other.candidates))
    )


@pytest.mark.parametrize(
    ("text", "domain"), [(None, ""), ("  ", ""), ("Contoso.Example.", "contoso.example"), ("http://a@b.example:8080/x", "b.example")]
)
def test_a_domain_is_read_from_what_people_type(text, domain):
    assert domain_of(text) == domain
