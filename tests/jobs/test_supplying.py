"""Is what a dry run says what happens? Fixes carried out, invoices validated again from what landed, and the ledger rebuilt from it all."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import select, text

from tests import estates
from tests.estates import CONTOSO, FABRIKAM, PROVIDER, Estate, Served, daily, seat, usage
from w365core.errors import CallRefused, InputRefused
from w365core.jobs import filing, queue, rebuilding, running, supplying, syncing, validating
from w365core.jobs.context import Context
from w365core.jobs.supplying import Done, DryRun
from w365core.model import Fix, FixAction
from w365core.store import audit, engine as store_engine, ledger, queries
from w365core.store.tables import audit_log, missing_reference, provider_invoice

MAP, ADD, ALIAS = FixAction.MAP_ACCOUNT, FixAction.ADD_SUBSCRIPTION, FixAction.ALIAS
STRANGER = "d1b2c3d4-0000-4000-8000-00000000000f"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running_one:
        yield running_one


@pytest.fixture
def shop(context: Context, served: Served, tmp_path: Path) -> Context:
    """Fabrikam is a customer that nobody has mapped."""
    records = served.estate.records(tmp_path / "records", provider_accounts=estates.without_customer(FABRIKAM))
    return estates.configure(context, served.url, records=records)


def would(context: Context, *fixes: Fix) -> DryRun:
    return supplying.would(context.engine, fixes, actor="ana", now=context.now, landing=context.landing)


def supply(context: Context, *fixes: Fix, validate: bool = False) -> Done:
    return supplying.supply(context.engine, fixes, actor="ana", now=context.now, landing=context.landing, validate=validate)


def map_fabrikam(account: str = "A-2") -> Fix:
    return Fix(MAP, FABRIKAM, PROVIDER, account_id=account)


def sync(context: Context, number: str, override: str | None = None) -> str:
    amount = None if override is None else Decimal(override)
    return syncing.sync_invoice(context, provider_name=PROVIDER, invoice_number=number, override=amount).outcomes[0].status


def filed(context: Context, folder: Path, number: str, lines: Sequence[dict], *, provider: str = PROVIDER, **said: object) -> str:
    path = folder / f"{number}.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    claimed = filing.Claimed(provider, number, said.get("total"), said.get("currency", "EUR"), None, None, None, False)
    return filing.import_by_hand(context, [path], claimed).outcome.status


def standing(context: Context, number: str) -> tuple[str, str | None]:
    found = ledger.named(context.engine, provider_name=None, invoice_number=number)
    return found.status_reason, found.failure


def touched(done: Done) -> list[int]:
    return [one.invoice_id for one in done.waiting if one.touched]


# --- before ------------------------------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_released_and_changes_nothing(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("41200.17", CustomerId=FABRIKAM)])
    served.estate.invoice("G2", [seat("10.00", CustomerId=FABRIKAM, currency="USD")], currency="USD")
    assert (sync(shop, "G1"), sync(shop, "G2")) == ("Inactive/Error", "Inactive/Error")
    before = estates.digest(shop.engine)
    found = would(shop, map_fabrikam())
    assert found.sentence == "This would release 2 invoices, 41,200.17 EUR and 10.00 USD."
    assert found.done == (f"{FABRIKAM} of csp is account A-2 now.",)
    assert found.released_money == {"EUR": Decimal("41200.17"), "USD": Decimal("10.00")}
    assert estates.digest(shop.engine) == before
    with shop.engine.connect() as connection:
        assert audit.first_broken(connection) is None
        assert "map provider account" not in connection.execute(select(audit_log.c.action)).scalars().all()


def test_what_would_stay_held_up_says_by_what(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("1.00", CustomerId=FABRIKAM), seat("2.00", CustomerId=STRANGER, CustomerName="Wingtip")])
    served.estate.invoice("G2", [seat("5.00", CustomerId=FABRIKAM)], total="1334.75")
    sync(shop, "G1"), sync(shop, "G2")
    found = would(shop, map_fabrikam())
    assert found.sentence == "This would release no invoice yet; 2 invoices would stay held up."
    assert {one.sentence for one in found.held_up} == {
        "G1 still lacks 1 customer (Wingtip).",
        "G2: its references would be resolved, its checksum still fails by 1,329.75 EUR.",
    }


def test_an_override_given_before_holds_when_the_reference_is_there(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("5.00", CustomerId=FABRIKAM)], total="9.00")
    assert sync(shop, "G1", override="4") == "Inactive/Error"
    assert would(shop, map_fabrikam()).sentence == "This would release 1 invoice, 9.00 EUR."
    validating.validate(shop, touched(supply(shop, map_fabrikam())))
    assert standing(shop, "G1") == ("Active", None)
    assert ledger.named(shop.engine, provider_name=None, invoice_number="G1").override_tolerance == Decimal(4)


def test_adding_the_currency_of_a_line_does_not_help_where_the_invoice_is_in_another(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("5.00"), seat("6.00", currency="CHF")], total="5.00")
    served.estate.invoice("G2", [seat("7.00", currency="CHF")], currency="CHF")
    sync(shop, "G1"), sync(shop, "G2")
    fix = Fix(FixAction.ADD_CURRENCY, "chf", rate_to_base=Decimal("1.05"))
    found = would(shop, fix)
    assert [one.invoice for one in found.released] == ["G2"]
    assert [one.sentence for one in found.held_up] == ["G1 still lacks 1 currency (CHF)."]
    with shop.engine.connect() as connection:
        suggested = {row["invoice_number"]: row["fix"] for row in supplying.missing(connection) if row["kind"] == "currency"}
    assert suggested["G1"] is None and (suggested["G2"].action, suggested["G2"].rate_to_base) == (FixAction.ADD_CURRENCY, None)


def test_a_currency_that_gets_its_rate_is_judged_with_the_tolerance_of_that_rate(shop: Context, served: Served):
    """0.05 in base is 0.50 at a rate of 0.1: what was beyond the tolerance no longer is."""
    served.estate.invoice("G1", [seat("7.00", currency="CHF")], currency="CHF", total="7.30")
    sync(shop, "G1")
    assert [one.sentence for one in would(shop, Fix(FixAction.ADD_CURRENCY, "CHF", rate_to_base=Decimal(1))).held_up] == [
        "G1: its references would be resolved, its checksum still fails by 0.30 CHF."
    ]
    cheap = Fix(FixAction.ADD_CURRENCY, "CHF", rate_to_base=Decimal("0.1"))
    assert would(shop, cheap).sentence == "This would release 1 invoice, 7.30 CHF."
    validating.validate(shop, touched(supply(shop, cheap)))
    assert standing(shop, "G1") == ("Active", None)


def test_a_subscription_with_an_account_tells_the_customer_whom_no_id_names(shop: Context, tmp_path: Path):
    lines = [seat("3.00", CustomerId="", SubscriptionId="old-9")]
    assert filed(shop, tmp_path, "F-1", lines) == "Inactive/Error"
    homeless = Fix(ADD, "old-9", PROVIDER, kind="License")
    assert [one.sentence for one in would(shop, homeless).held_up] == ["F-1 still lacks 1 customer (Contoso)."]
    assert would(shop, replace(homeless, account_id="A-1")).sentence == "This would release 1 invoice, 3.00 EUR."


def test_usage_resolves_by_an_alias_of_its_entitlement(shop: Context, served: Served):
    served.estate.invoice("G1", [usage("4.00")], [daily("4.00", EntitlementId="MIGRATED-1")])
    sync(shop, "G1")
    alias = Fix(ALIAS, "migrated-1", PROVIDER, subscription_id="U-1")
    assert would(shop, alias).sentence == "This would release 1 invoice, 4.00 EUR."
    validating.validate(shop, touched(supply(shop, alias)))
    assert standing(shop, "G1") == ("Active", None)


def test_an_old_id_under_a_manual_provider_answers_for_every_provider(shop: Context, served: Served, tmp_path: Path):
    served.estate.invoice("G1", [seat("4.00", SubscriptionId="Old-1")])
    sync(shop, "G1")
    plain = {"customer_id": "", "subscription_id": "old-1", "product_id": "CFQ7", "charge_type": "new", "charge_start": "2026-10-01",
             "charge_end": "2026-10-31", "quantity": "1", "unit_price": "6", "subtotal": "6.00", "tax": "0", "total": "6.00", "currency": "EUR"}  # fmt: skip
    path = tmp_path / "plain.csv"
    path.write_text(f"{','.join(plain)}\n{','.join(plain.values())}\n")
    claimed = filing.Claimed("distributor", "M-1", None, "EUR", None, None, None, False)
    assert filing.import_by_hand(shop, [path], claimed).outcome.status == "Inactive/Error"
    fix = Fix(ADD, "OLD-1", PROVIDER, account_id="A-1", kind="License", under="distributor")
    found = would(shop, fix)
    assert found.sentence == "This would release 2 invoices, 10.00 EUR. 1 of them is then to be activated by a person."
    validating.validate(shop, touched(supply(shop, fix)))
    assert (standing(shop, "G1"), standing(shop, "M-1")) == (("Active", None), ("Populating", None))


def test_a_product_holds_nothing_up(shop: Context):
    fix = Fix(FixAction.CHOOSE_PRODUCT, "NEW-1", PROVIDER, product_id="NEW-1", name="Something")
    assert would(shop, fix).sentence == "Products hold nothing up: their lines stop being write-ins with the next import."


# --- what blocks and what does not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ({"CustomerId": STRANGER, "CustomerName": "Wingtip"}, "customer"),
        ({"SubscriptionId": "nobody-knows"}, "subscription"),
        ({"currency": "CHF"}, "currency"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_unresolved_customer_subscription_or_currency_blocks_the_whole_invoice(shop: Context, served: Served, line: dict, kind: str):
    served.estate.invoice("G1", [*(seat("10.00") for _ in range(5)), seat("1.00", **line)], total="50.00" if kind == "currency" else None)
    sync(shop, "G1")
    assert standing(shop, "G1") == ("Error", "unresolved_references") and estates.children(shop.engine) == (0, 0, 0)
    with shop.engine.connect() as connection:
        (row,) = supplying.missing(connection)
        preview = queries.license_lines(connection, row["provider_invoice_id"])
    assert (row["kind"], row["blocking"], len(preview)) == (kind, True, 6)


def test_a_subscription_without_a_product_is_only_a_warning_and_its_lines_are_write_ins_under_their_own_name(shop: Context, served: Served):
    with shop.engine.begin() as connection:
        connection.execute(text("update subscription set product_id = null where subscription_id = 'S-1'"))
    served.estate.invoice("G1", [seat("10.00", ProductId="UNKNOWN", ProductName="Friendly name")])
    assert sync(shop, "G1") == "Active/Active"
    with shop.engine.connect() as connection:
        (row,) = supplying.missing(connection)
    assert (row["kind"], row["blocking"], row["name"], row["key"]) == ("product", False, "Friendly name", "UNKNOWN")
    message = ledger.named(shop.engine, provider_name=None, invoice_number="G1").message
    assert message == "1 product is unknown; its lines are billed as write-ins."


def test_importing_and_validating_never_change_our_subscriptions(shop: Context, served: Served):
    """Quantities and prices of the invoice are the provider's; ours stay what they were."""
    served.estate.invoice("G1", [seat("10.00", Quantity="99", UnitPrice="7.77", CustomerId=FABRIKAM), usage("1.50")], [daily("1.50")])
    before = estates.stored(shop.engine)["subscription"]
    sync(shop, "G1")
    validating.validate(shop, touched(supply(shop, map_fabrikam())))
    assert standing(shop, "G1") == ("Active", None)
    assert estates.stored(shop.engine)["subscription"] == before


# --- doing it ----------------------------------------------------------------------------------------------------------------------------


def test_what_is_refused_in_a_bulk_is_named_and_nothing_of_it_is_done(shop: Context):
    fixes = [map_fabrikam(), Fix(MAP, "c-2", PROVIDER, account_id="A-99"), Fix(FixAction.ADD_CURRENCY, "CHF", rate_to_base=Decimal(0))]
    before = estates.digest(shop.engine)
    with pytest.raises(InputRefused, match="2 of 3 fixes make no sense") as refusal:
        supply(shop, *fixes)
    assert [str(problem) for problem in refusal.value.problems] == [
        "fix of c-2, column account_id: found 'A-99', expected an account of ours; load it with accounts.csv first",
        "fix of CHF, column rate_to_base: found '0', expected a rate above zero: amount x rate = base",
    ]
    assert estates.digest(shop.engine) == before


def test_fixes_of_a_bulk_may_refer_to_each_other_in_any_order(shop: Context):
    done = supply(
        shop,
        Fix(ALIAS, "second-id", PROVIDER, subscription_id="first-id"),
        Fix(ADD, "first-id", PROVIDER, account_id="A-1", kind="Usage", under="distributor"),
    )
    assert done.said == (
        "second-id of csp is another id of our subscription first-id now.",
        "first-id is our subscription first-id now, under distributor.",
    )


def test_doing_it_twice_is_doing_it_once(shop: Context):
    fixes = [
        map_fabrikam(),
        Fix(ADD, "x-1", PROVIDER, account_id="A-1", kind="License"),
        Fix(ALIAS, "x-2", PROVIDER, subscription_id="S-1"),
        Fix(FixAction.ADD_CURRENCY, "CHF", rate_to_base=Decimal("1.10")),
        Fix(FixAction.CHOOSE_PRODUCT, "P-1", PROVIDER, product_id="P-1", name="New one"),
    ]
    supply(shop, *fixes)
    before = estates.digest(shop.engine), actions(shop)
    assert all("already" in sentence for sentence in supply(shop, *fixes).said)
    assert (estates.digest(shop.engine), actions(shop)) == before


def actions(context: Context) -> list[tuple[str, str]]:
    with context.engine.connect() as connection:
        rows = connection.execute(select(audit_log.c.action, audit_log.c.actor).order_by(audit_log.c.audit_id)).all()
    return [tuple(row) for row in rows]


# --- afterwards --------------------------------------------------------------------------------------------------------------------------


def test_after_the_fix_data_flow_in_without_the_provider(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM), usage("1.50")], [daily("1.50")])
    sync(shop, "G1")
    done = supply(shop, map_fabrikam())
    served.faults.replace(["500@invoices", "500@export", "missing-blob"])
    result = validating.validate(shop, touched(done))
    assert [(one.invoice, one.status) for one in result.outcomes] == [("G1", "Active/Active")]
    assert estates.children(shop.engine) == (2, 1, 1)
    with shop.engine.connect() as connection:
        assert connection.execute(select(missing_reference)).first() is None
    assert estates.leftovers(shop.engine, shop.settings.home) == []


def test_daily_usage_that_was_not_published_is_still_not_after_the_fix(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM), usage("1.50", SubscriptionId=estates.AZURE)], [])
    sync(shop, "G1")
    found = would(shop, map_fabrikam())
    assert [one.sentence for one in found.held_up] == ["G1: its references would be resolved, its daily usage is still not published."]
    validating.validate(shop, touched(supply(shop, map_fabrikam())))
    assert standing(shop, "G1") == ("Error", "checksum_failed")


def test_reconciliation_lines_that_a_person_took_instead_are_taken_again(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM), usage("1.50", SubscriptionId=estates.AZURE)], [])
    sync(shop, "G1")
    later = shop.at(shop.now.replace(day=30))
    assert sync(later, "G1") == "Inactive/Error"
    assert would(later, map_fabrikam()).sentence == "This would release 1 invoice, 5.50 EUR."
    validating.validate(later, touched(supply(later, map_fabrikam())))
    assert standing(later, "G1") == ("Active", None)


def test_an_invoice_whose_files_are_not_all_here_is_left_alone_with_a_sentence(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM)])
    sync(shop, "G1")
    with shop.engine.connect() as connection:
        fingerprint = connection.execute(text("select fingerprint from import_source")).scalars().first()
    shop.landing.path(fingerprint).unlink()
    said = "G1 cannot be validated again from here: not all of its files are in the landing folder; sync it."
    assert [one.sentence for one in would(shop, map_fabrikam()).held_up] == [said]
    result = validating.validate(shop, None)
    assert (result.outcomes, result.skipped) == ([], ["G1"])
    assert "not all of its files are in the landing folder" in result.warnings[0]
    with pytest.raises(CallRefused, match="not all of its files"):
        validating.validate_invoice(shop, provider_name=None, invoice_number="g1")


def test_only_what_is_in_error_for_want_of_references_is_validated(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00")])
    served.estate.invoice("G2", [seat("4.00")], total="9.00")
    assert (sync(shop, "G1"), sync(shop, "G2")) == ("Active/Active", "Inactive/Error")
    assert validating.validate(shop, None).outcomes == []
    with pytest.raises(CallRefused, match="it is Active/Active and does not wait on references"):
        validating.validate_invoice(shop, provider_name=None, invoice_number="G1")


def test_a_ledger_with_validated_invoices_is_rebuilt_as_it_is(shop: Context, served: Served, tmp_path: Path):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM), usage("1.50")], [daily("1.50")])
    served.estate.invoice("G2", [seat("4.00", CustomerId=FABRIKAM)], total="5.00")
    sync(shop, "G1"), sync(shop, "G2")
    filed(shop, tmp_path, "F-1", [seat("6.00", CustomerId=FABRIKAM)])
    done = supply(shop, map_fabrikam())
    result = validating.validate(shop, touched(done))
    assert sorted((one.invoice, one.status) for one in result.outcomes) == [
        ("F-1", "Active/Active"), ("G1", "Active/Active"), ("G2", "Inactive/Error"),
    ]  # fmt: skip
    rebuilt = rebuilding.rebuild(shop, check=True)
    assert rebuilt.findings == () and all(one.same for one in rebuilt.tables)


def test_the_validation_that_a_page_asks_for_is_a_job_that_says_what_it_did(shop: Context, served: Served, monkeypatch: pytest.MonkeyPatch):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM)])
    served.estate.invoice("G2", [seat("4.00", CustomerId=FABRIKAM)], total="5.00")
    sync(shop, "G1"), sync(shop, "G2")
    done = supply(shop, map_fabrikam(), validate=True)
    for name, value in {"DATABASE_URL": shop.settings.database_url, "W365_HOME": str(shop.settings.home)}.items():
        monkeypatch.setenv(name, value)
    assert queue.ask_validation(shop.engine, touched(done), actor="bo") == done.job_id
    assert running.main(done.job_id, parent=os.getppid()) == 0
    with shop.engine.connect() as connection:
        job = queue.watch(connection, done.job_id)
    assert (job.state, job.actor, job.message) == ("done", "ana", "2 invoices: 1 Active, 1 in Error.")
    assert {one["invoice"]: one["status"] for one in job.outcome["invoices"]} == {"G1": "Active/Active", "G2": "Inactive/Error"}


def test_validating_takes_the_lock_of_the_invoice_like_every_import(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00", CustomerId=FABRIKAM)])
    sync(shop, "G1")
    supply(shop, map_fabrikam())
    with shop.engine.connect() as somebody:
        assert store_engine.lock(somebody, *ledger.lock_names(PROVIDER, "G1"))
        result = validating.validate(shop, None)
    assert (result.outcomes, result.skipped) == ([], ["G1"]) and "by somebody else right now" in result.warnings[0]
    assert standing(shop, "G1") == ("Error", "unresolved_references")


def test_asking_for_a_validation_of_nothing_is_refused(shop: Context):
    with pytest.raises(CallRefused, match="nothing to validate"):
        queue.ask_validation(shop.engine, [], actor="bo")


# --- what is suggested -------------------------------------------------------------------------------------------------------------------


def test_a_name_and_a_meaning_come_from_past_invoices(shop: Context, served: Served):
    served.estate.invoice("G1", [seat("4.00", SubscriptionId=estates.SEATS, CustomerId=CONTOSO)])
    assert sync(shop, "G1") == "Active/Active"
    with shop.engine.begin() as connection:
        connection.execute(text("update subscription set provider_subscription_id = 'moved' where subscription_id = 'S-1'"))
        connection.execute(text("update provider_account set account_id = null"))
    served.estate.invoice("G2", [seat("5.00", CustomerName="", CustomerDomainName="", ProductName="", SubscriptionDescription="")])
    assert sync(shop, "G2") == "Inactive/Error"
    with shop.engine.connect() as connection:
        found = {row["kind"]: row for row in supplying.missing(connection)}
    customer, owned = found["customer"], found["subscription"]
    assert (customer["name"], customer["fix"].account_id, customer["fix"].because) == ("Contoso", "A-1", "it was account A-1 on invoice G1")
    assert (owned["name"], owned["fix"].action, owned["fix"].subscription_id) == ("Business Premium", ALIAS, "S-1")
    assert owned["fix"].confidence == customer["fix"].confidence == Decimal("0.90")


def test_every_ready_suggestion_can_be_carried_out(shop: Context, served: Served):
    lines = [
        seat("1.00", CustomerId=FABRIKAM, CustomerName="Fabrikam", CustomerDomainName="fabrikam.example"),
        seat("2.00", SubscriptionId="old-1"),
        seat("3.00", ProductId="NEW-1", SubscriptionId="old-2", ProductName="Brand new"),
    ]
    served.estate.invoice("G1", lines)
    sync(shop, "G1")
    with shop.engine.connect() as connection:
        fixes = [row["fix"] for row in supplying.missing(connection)]
    assert all(fix.is_ready for fix in fixes)
    assert would(shop, *fixes).sentence == "This would release 1 invoice, 6.00 EUR."
    validating.validate(shop, touched(supply(shop, *fixes)))
    assert standing(shop, "G1") == ("Active", None)


# --- the property ------------------------------------------------------------------------------------------------------------------------

_numbers = itertools.count(1)
_LINE = st.tuples(
    st.sampled_from(["", "c1", "c2", CONTOSO]),  # customer
    st.sampled_from(["", "s1", "s2", estates.SEATS]),  # subscription
    st.sampled_from(["EUR", "EUR", "X"]),  # currency; X is one that nobody knows
    st.integers(1, 999),
)
_INVOICE = st.tuples(st.lists(_LINE, min_size=1, max_size=3), st.booleans(), st.sampled_from([0, 0, 1]))  # lines, header in X, header off
_FIX = st.sampled_from(["map c1", "map c2", "add s1", "add s1 homeless", "add s2", "alias s1", "alias s2", "currency"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(invoices=st.lists(_INVOICE, min_size=1, max_size=3), wanted=st.sets(_FIX, min_size=1, max_size=4))
def test_a_dry_run_is_what_really_happens(shop: Context, tmp_path: Path, invoices, wanted):
    tag = next(_numbers)
    unknown = "".join(chr(ord("A") + digit) for digit in (16 + tag // 676, tag // 26 % 26, tag % 26))

    def own(key: str) -> str:
        return f"{key}-{tag}" if key in ("c1", "c2", "s1", "s2") else key

    for place, (lines, foreign, off) in enumerate(invoices):
        told = [
            seat(f"{amount}.00", CustomerId=own(customer), SubscriptionId=own(owned), currency=unknown if code == "X" else code)
            for customer, owned, code, amount in lines
        ]
        header = unknown if foreign else "EUR"
        total = sum((Decimal(line["Total"]) for line in told if line["Currency"] == header), Decimal(off))
        filed(shop, tmp_path, f"T{tag}-{place}", told, currency=header, total=total)
    fixes = [_fix(name, own, unknown) for name in sorted(wanted) if not (name == "alias s1" and wanted & {"add s1", "add s1 homeless"})]
    fixes = [fix for fix in fixes if not (fix.key == own("s2") and fix.action is ALIAS and "add s2" in wanted)]
    fixes = list({(fix.key, fix.action): fix for fix in fixes}.values())
    foretold = would(shop, *fixes)
    validating.validate(shop, [one.invoice_id for one in supply(shop, *fixes).waiting])
    with shop.engine.connect() as connection:
        invoice = {row.invoice_number: row for row in connection.execute(select(provider_invoice))}
        lacking = {(row.provider_invoice_id, row.kind) for row in connection.execute(select(missing_reference)) if row.blocking}
    assert all(invoice[one.invoice].status_reason == "Active" for one in foretold.released)
    for one in foretold.held_up:
        assert invoice[one.invoice].status_reason == "Error"
        assert {(one.invoice_id, kind) for kind, _ in one.lacks} == {place for place in lacking if place[0] == one.invoice_id}
        assert bool(one.otherwise) == ("checksum_failed" in invoice[one.invoice].failures)
    money = sum((invoice[one.invoice].header_total for one in foretold.released if one.currency == "EUR"), Decimal(0))
    assert foretold.released_money.get("EUR", Decimal(0)) == money
    mine = {number for number, row in invoice.items() if number.startswith(f"T{tag}-") and row.attempts > 1}
    assert mine == {one.invoice for one in (*foretold.released, *foretold.held_up)}


def _fix(name: str, own, unknown: str) -> Fix:
    verb, _, rest = name.partition(" ")
    if verb == "map":
        return Fix(MAP, own(rest), PROVIDER, account_id="A-1")
    if verb == "currency":
        return Fix(FixAction.ADD_CURRENCY, unknown, rate_to_base=Decimal(2))
    if verb == "alias":
        return Fix(ALIAS, own(rest), PROVIDER, subscription_id="S-1")
    key, _, homeless = rest.partition(" ")
    return Fix(ADD, own(key), PROVIDER, account_id=None if homeless else "A-1", kind="License", under="distributor")
