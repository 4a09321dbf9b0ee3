"""Is what a person supplies put into our records once, audited, refused where it makes no sense, and still loadable afterwards?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, select, text

from w365core.errors import InputRefused
from w365core.jobs import loading
from w365core.model import Fix, FixAction, Provider, ProviderType
from w365core.store import providers, supplying
from w365core.store.ledger import Who
from w365core.store.tables import audit_log, currency, product, provider, provider_account, subscription, subscription_alias

WHO = Who("ana", datetime(2026, 11, 27, 9, tzinfo=UTC))
MAP = Fix(FixAction.MAP_ACCOUNT, "C-9", "csp", account_id="A-1", name="Contoso")
ADD = Fix(FixAction.ADD_SUBSCRIPTION, "Old-1", "csp", account_id="A-1", kind="License", quantity=Decimal(3), name="Seats")
ALIAS = Fix(FixAction.ALIAS, "Second", "csp", subscription_id="S-1")
CHF = Fix(FixAction.ADD_CURRENCY, "chf", rate_to_base=Decimal("1.05"))
PRODUCT = Fix(FixAction.CHOOSE_PRODUCT, "N-1", "csp", product_id="N-1", name="New", billing_type="License")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as opened:
        for name, kind in (("csp", ProviderType.PARTNER_CENTER), ("other", ProviderType.STREAMONE), ("hand", ProviderType.MANUAL)):
            providers.save(opened, Provider(name, kind), now=WHO.now)
        for statement in (
            "insert into account (account_id, name) values ('A-1', 'Contoso'), ('A-2', 'Fabrikam')",
            "insert into product (product_id, name) values ('P-1', 'Known')",
            "insert into currency (code, rate_to_base) values ('EUR', 1)",
            "insert into subscription (subscription_id, provider, provider_subscription_id, account_id, kind, product_id) values "
            "('S-1', 'csp', 'sub-1', 'A-1', 'License', null), ('S-2', 'hand', 'by-hand', 'A-1', 'License', 'P-1')",
        ):
            opened.execute(text(statement))
        yield opened


def do(connection: Connection, fix: Fix, **how: object) -> str:
    return supplying.carry_out(connection, fix, who=WHO, **how)


def logged(connection: Connection) -> list[tuple[str, str, str]]:
    rows = connection.execute(select(audit_log.c.action, audit_log.c.target_kind, audit_log.c.target).order_by(audit_log.c.audit_id))
    return [tuple(row) for row in rows]


def row_of(connection: Connection, table, **where: str) -> dict:
    query = select(table)
    for name, value in where.items():
        query = query.where(table.c[name] == value)
    return dict(connection.execute(query).mappings().one())


def test_an_unresolved_customer_is_mapped_and_its_provider_account_made_where_its_id_is_unknown(connection: Connection):
    assert do(connection, MAP, reason="asked Bo") == "C-9 of csp is account A-1 now."
    made = row_of(connection, provider_account, provider_account_id="C-9")
    assert (made["account_id"], made["provider_name"], made["sync_enabled"], made["loaded_fingerprint"]) == ("A-1", "Contoso", True, None)
    (entry,) = connection.execute(select(audit_log)).all()
    assert (entry.actor, entry.action, entry.reason, entry.after) == ("ana", "map provider account", "asked Bo", {"account_id": "A-1"})


def test_a_customer_that_somebody_else_has_mapped_meanwhile_is_not_mapped_over(connection: Connection):
    do(connection, MAP)
    with pytest.raises(InputRefused, match="it is account A-1 already"):
        do(connection, replace(MAP, key="c-9 ", account_id="A-2"))
    assert do(connection, replace(MAP, account_id="A-2"), again=True) == "C-9 of csp is account A-2 now."


def test_an_old_subscription_id_gets_a_subscription_under_a_manual_provider(connection: Connection):
    said = do(connection, ADD)
    assert said == "Old-1 is our subscription Old-1 now, under old-ids, a manual provider made for it."
    made = row_of(connection, subscription, subscription_id="Old-1")
    assert (made["provider"], made["account_id"], made["quantity"], made["status"]) == ("old-ids", "A-1", 3, "Active")
    assert row_of(connection, provider, name="old-ids")["type"] == "manual"
    assert logged(connection) == [("add provider", "provider", "old-ids"), ("add subscription", "subscription", "Old-1")]
    assert do(connection, replace(ADD, key="Old-2", under="HAND")) == "Old-2 is our subscription Old-2 now, under hand."


def test_usage_is_always_one(connection: Connection):
    do(connection, replace(ADD, kind="Usage", quantity=Decimal(7)))
    assert row_of(connection, subscription, subscription_id="Old-1")["quantity"] == 1


def test_a_migrated_azure_customer_has_two_ids_of_one_subscription(connection: Connection):
    assert do(connection, replace(ALIAS, subscription_id="s-1")) == "Second of csp is another id of our subscription S-1 now."
    assert row_of(connection, subscription_alias, provider_subscription_id="Second")["subscription_id"] == "S-1"


def test_a_currency_has_to_exist_with_a_rate(connection: Connection):
    assert do(connection, CHF) == "CHF is known now, 1 CHF = 1.05 in base currency."
    assert row_of(connection, currency, code="CHF")["rate_to_base"] == Decimal("1.05")


def test_a_product_is_made_under_the_printed_id_or_chosen_for_a_subscription(connection: Connection):
    assert do(connection, PRODUCT) == "N-1 is a product of ours now (New)."
    assert row_of(connection, product, product_id="N-1")["billing_type"] == "License"
    chosen = Fix(FixAction.CHOOSE_PRODUCT, "S-1", "csp", subscription_id="S-1", product_id="p-1")
    assert do(connection, chosen) == "S-1 has the product P-1 now."
    assert row_of(connection, subscription, subscription_id="S-1")["product_id"] == "P-1"


@pytest.mark.parametrize("fix", [MAP, ADD, ALIAS, CHF, PRODUCT], ids=lambda fix: fix.action)
def test_done_twice_is_done_once(connection: Connection, fix: Fix):
    do(connection, fix)
    before = logged(connection)
    assert "already" in do(connection, fix)
    assert logged(connection) == before


@pytest.mark.parametrize(
    ("fix", "said"),
    [
        (replace(MAP, account_id="A-9"), "account_id is 'A-9': expected an account of ours"),
        (replace(MAP, account_id=None), "account_id is blank"),
        (replace(MAP, provider="nobody"), "provider is 'nobody': expected a provider"),
        (replace(MAP, key=" "), "key is ' '"),
        (replace(MAP, key="a\nb"), "visible characters"),
        (replace(ADD, kind="Seats"), "kind is 'Seats': expected one of License, Usage"),
        (replace(ADD, status="Gone"), "expected one of Active, Suspended"),
        (replace(ADD, quantity=Decimal("NaN")), "quantity is 'NaN'"),
        (replace(ADD, quantity=Decimal(-1)), "0 or more"),
        (replace(ADD, product_id="P-9"), "expected a product of ours"),
        (replace(ADD, account_id="A-9"), "expected an account of ours"),
        (replace(ADD, under="other"), "expected csp itself or a provider of type manual; other is StreamOne"),
        (replace(ADD, under="nowhere"), "`provider add nowhere --type manual` adds it"),
        (replace(ADD, key="SUB-1"), "it is our subscription S-1 already"),
        (replace(ADD, key="By-Hand"), "it is our subscription S-2 already"),
        (replace(ADD, subscription_id="S-2"), "expected an id that no subscription of ours has; S-2 is one of hand"),
        (replace(ALIAS, subscription_id="S-9"), "expected a subscription of ours"),
        (replace(ALIAS, key="sub-1"), "it is our subscription S-1 already"),
        (replace(CHF, rate_to_base=Decimal(0)), "a rate above zero"),
        (replace(CHF, rate_to_base=Decimal("NaN")), "a rate above zero"),
        (replace(CHF, rate_to_base=Decimal("Infinity")), "a rate above zero"),
        (replace(CHF, rate_to_base=None), "rate_to_base is blank"),
        (replace(CHF, key="CHFX"), "three letters"),
        (replace(CHF, key="eur"), "EUR has the rate 1"),
        (replace(PRODUCT, product_id=None), "product_id is blank"),
        (replace(PRODUCT, product_id="P-9"), "a product of ours, or the printed id"),
        (replace(PRODUCT, product_id="P-1"), "that lines of a subscription of ours print"),
        (Fix(FixAction.CHOOSE_PRODUCT, "x", "csp", subscription_id="S-9", product_id="P-1"), "a subscription of ours"),
        (Fix(FixAction.CHOOSE_PRODUCT, "N", "csp", subscription_id="S-2", product_id="N", name="N"), "it has P-1, which a load changes"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.action,
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words_and_changes_nothing(connection: Connection, fix: Fix, said: str):
    with pytest.raises(InputRefused) as refusal, connection.begin_nested():
        do(connection, fix)
    assert said in str(refusal.value) and str(refusal.value).endswith("Nothing was changed.")
    assert len(refusal.value.problems) == 1 and logged(connection) == []


def test_an_id_that_the_provider_does_not_list_is_an_old_one_and_not_put_under_the_provider(connection: Connection):
    assert do(connection, replace(ADD, under="csp")).endswith("under csp.")  # it has told nothing yet
    connection.execute(
        text(
            "insert into provider_subscription (provider, provider_subscription_id, provider_customer_id, kind, first_seen_at, seen_at) "
            "values ('csp', 'listed', 'c', 'License', now(), now())"
        )
    )
    assert do(connection, replace(ADD, key="Listed", under="csp")).endswith("under csp.")
    with pytest.raises(InputRefused, match="csp does not list Old-2, so it is an old id"):
        do(connection, replace(ADD, key="Old-2", under="csp"))


def test_a_later_load_of_what_was_made_here_works_as_ever(connection: Connection, tmp_path: Path):
    for fix in (MAP, ADD, ALIAS, CHF, PRODUCT):
        do(connection, fix)
    for name, content in {
        "currencies.csv": "code,rate_to_base\nCHF,1.10\n",
        "provider_accounts.csv": "provider,provider_account_id,account_id\ncsp,C-9,A-2\n",
        "products.csv": "product_id,name\nN-1,Renamed\n",
        "subscriptions.csv": "subscription_id,provider,provider_subscription_id,account_id,kind\nOld-1,old-ids,Old-1,A-2,License\n",
        "subscription_aliases.csv": "provider,provider_subscription_id,subscription_id\ncsp,Second,S-2\n",
    }.items():
        (tmp_path / name).write_text(content)
    done = loading.load(connection, tmp_path)
    assert {name: counts["updated"] for name, counts in done.tables.items()} == dict.fromkeys(done.tables, 1)
    assert row_of(connection, currency, code="CHF")["rate_to_base"] == Decimal("1.10")
    assert row_of(connection, provider_account, provider_account_id="C-9")["account_id"] == "A-2"


def test_what_was_done_here_stays_where_the_file_has_not_changed_since(connection: Connection, tmp_path: Path):
    (tmp_path / "provider_accounts.csv").write_text("provider,provider_account_id,account_id\ncsp,C-9,\n")
    loading.load(connection, tmp_path)
    do(connection, MAP)
    loading.load(connection, tmp_path)
    assert row_of(connection, provider_account, provider_account_id="C-9")["account_id"] == "A-1"
