"""Do files downloaded by hand come in as they are meant, and change nothing where they cannot be read?"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from tests import estates
from tests.estates import Estate, daily, seat, usage
from w365core.errors import CallRefused, InputRefused
from w365core.jobs import filing, syncing
from w365core.jobs.context import Context
from w365core.jobs.filing import Claimed, Filed
from w365core.store import ledger
from w365core.store.tables import import_source, license_line, provider_invoice, usage_line

PLAIN = "customer_id,subscription_id,product_id,charge_type,charge_start,charge_end,quantity,unit_price,subtotal,tax,total,currency\n"
PLAIN_LINE = f"{estates.CONTOSO},{estates.SEATS},CFQ7,cycle,2026-10-01,2026-10-31,4,25.00,100.00,19.00,119.00,EUR\n"
LEGACY_LICENSE = (
    "CustomerId,CustomerName,SubscriptionId,SyndicationPartnerSubscriptionNumber,OfferId,DurableOfferId,OfferName,ChargeStartDate,"
    "ChargeEndDate,ChargeType,UnitPrice,Quantity,Amount,TotalOtherDiscount,Subtotal,Tax,TotalForCustomer,Currency\n"
    f"{estates.CONTOSO.upper()},Contoso,usCBMgAAAAAAAAIA,{estates.SEATS},FE61,CFQ7,Office,2/1/2019 0:00,2/28/2019 23:59,Cycle fee,"
    "6.82,2,13.64,2.64,11,2.09,13.09,EUR\n"
)
LEGACY_USAGE = (
    "CustomerId,SubscriptionId,SubscriptionDescription,ServiceName,ResourceGuid,ResourceName,Region,Sku,ChargeStartDate,ChargeEndDate,"
    "ConsumedQuantity,IncludedQuantity,OverageQuantity,ListPrice,PretaxCharges,TaxAmount,PostTaxTotal,Currency\n"
    f"{estates.CONTOSO},{estates.AZURE},Microsoft Azure,Storage,M-1,Disk,EU West,7UD-00001,2/1/2019 0:00,2/28/2019 23:59,"
    "1338,1024,314,$0.02,$6.28,$1.19,$7.47,EUR\n"
)
CLAIMED = Claimed("csp", "F1", None, None, date(2026, 11, 8), None, None, False)

Write = Callable[[str, str], Path]


@pytest.fixture
def configured(context: Context, tmp_path: Path) -> Context:
    records = Estate(tmp_path / "estate").records(tmp_path / "records")
    accounts = (records / "provider_accounts.csv").read_text() + f"distributor,{estates.CONTOSO},A-1\n"
    subscriptions = (records / "subscriptions.csv").read_text() + f"S-9,distributor,{estates.SEATS},A-1,CFQ7,License,\n"
    records = Estate(tmp_path / "estate").records(tmp_path / "records", provider_accounts=accounts, subscriptions=subscriptions)
    return estates.configure(context, "http://127.0.0.1:1", records=records)


def filed(context: Context, *paths: Path, **said: object) -> Filed:
    return filing.import_by_hand(context, paths, replace(CLAIMED, **said))


def invoice(context: Context, number: str = "F1"):
    with context.engine.connect() as connection:
        return connection.execute(select(provider_invoice).where(provider_invoice.c.invoice_number == number)).first()


def json_lines(written: Write, name: str, lines: list) -> Path:
    return written(name, "".join(json.dumps(line) + "\n" for line in lines))


def test_both_files_of_an_invoice_come_in_in_any_order(configured: Context, written: Write) -> None:
    monthly = json_lines(written, "monthly.json", [seat("100.00", tax="19.00"), usage("10.00")])
    rated = json_lines(written, "daily.json", [daily("4.123456789"), daily("5.876543211", day=2)])
    result = filed(configured, rated, monthly, total=Decimal("129.00"), currency="EUR")
    assert (result.outcome.status, result.outcome.exit_code) == ("Active/Active", 0)
    assert [file["kind"] for file in result.files] == ["daily_rated", "reconciliation"]
    found = invoice(configured)
    assert (found.source, found.header_total, found.daily_rated_total) == ("file", Decimal("129.00"), Decimal("10.00"))
    assert estates.children(configured.engine) == (2, 2, 1)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_without_a_total_the_header_is_the_sum_of_its_lines(configured: Context, written: Write) -> None:
    path = json_lines(written, "monthly.json", [seat("100.01", tax="19.00"), seat("-0.005")])
    assert filed(configured, path).outcome.failure is None
    found = invoice(configured)
    assert (found.header_total, found.difference, found.currency) == (Decimal("119.005"), 0, "EUR")


def test_without_a_daily_file_the_reconciliation_usage_is_taken_at_once(configured: Context, written: Write) -> None:
    path = json_lines(written, "monthly.json", [usage("10.00", SubscriptionId=estates.AZURE)])
    assert filed(configured, path).outcome.failure is None
    assert estates.children(configured.engine) == (1, 1, 1)


def test_sums_of_more_digits_than_python_keeps_by_itself_come_in_exactly(configured: Context, written: Write) -> None:
    great, small = "12345678.9", "0.000000123456789012345"
    monthly = json_lines(written, "monthly.json", [seat(great), seat(small), usage(great), usage(small)])
    rated = json_lines(written, "daily.json", [daily(great), daily(small, day=2)])
    assert filed(configured, rated, monthly).outcome.status == "Active/Active"
    found = invoice(configured)
    assert found.license_total == found.daily_rated_total == Decimal("12345678.900000123456789012345")
    assert found.header_total == Decimal("24691357.800000246913578024690")


def test_a_number_in_another_letter_case_is_the_same_invoice(configured: Context, written: Write) -> None:
    path = json_lines(written, "monthly.json", [seat("10.00")])
    assert filed(configured, path, invoice_number="Fa1").outcome.status == "Active/Active"
    with pytest.raises(CallRefused, match="is Active and is not downloaded again"):
        filed(configured, path, invoice_number="fA1")
    with configured.engine.begin() as connection:
        connection.execute(provider_invoice.update().values(state="Inactive", status_reason="Deactivated"))
    assert filed(configured, path, invoice_number="FA1").outcome.status == "Active/Active"
    with configured.engine.connect() as connection:
        assert connection.execute(select(provider_invoice.c.invoice_number, provider_invoice.c.attempts)).all() == [("Fa1", 2)]


def test_of_two_that_were_written_in_two_ways_each_can_be_named(configured: Context, written: Write) -> None:
    path = json_lines(written, "monthly.json", [seat("10.00")])
    for number in ("F1", "F2"):
        assert filed(configured, path, invoice_number=number).outcome.status == "Active/Active"
    with configured.engine.begin() as connection:  # as versions before this one could leave them
        connection.execute(provider_invoice.update().where(provider_invoice.c.invoice_number == "F2").values(invoice_number="f1"))
    for number in ("F1", "f1"):
        assert ledger.named(configured.engine, provider_name="CSP", invoice_number=number).invoice_number == number
    with pytest.raises(CallRefused, match="Several"):
        ledger.named(configured.engine, provider_name=None, invoice_number="F1")


def test_legacy_files_make_one_invoice_of_their_seats_and_their_usage_with_tax(configured: Context, written: Write) -> None:
    paths = written("usage.csv", LEGACY_USAGE), written("license.csv", LEGACY_LICENSE)
    result = filed(configured, *paths, total=Decimal("20.56"), currency="EUR")
    assert (result.outcome.status, result.outcome.message) == ("Active/Active", "")
    assert [file["kind"] for file in result.files] == ["legacy_usage", "legacy_license"]
    found = invoice(configured)
    assert (found.license_total, found.usage_total, found.tax_total) == (Decimal("11"), Decimal("6.28"), Decimal("3.28"))
    with configured.engine.connect() as connection:
        seats, overage = connection.execute(
            select(license_line).where(license_line.c.invoice_number.is_(None)).order_by(license_line.c.kind)
        ).all()
        metered = connection.execute(select(usage_line)).one()
    assert (seats.provider_subscription_id, seats.subscription_id is not None) == (estates.SEATS, True)
    assert json.loads(seats.extra)["SubscriptionId"] == "usCBMgAAAAAAAAIA" and json.loads(seats.extra)["OfferId"] == "FE61"
    assert (seats.charge_start, seats.charge_end) == (date(2019, 2, 1), date(2019, 2, 28))
    assert (overage.kind, overage.quantity, overage.billable_quantity) == ("usage", Decimal(1338), Decimal(314))
    assert (metered.meter_id, metered.meter_name, metered.meter_region, metered.quantity) == ("M-1", "Disk", "EU West", Decimal(314))
    assert (metered.billing_pre_tax_total, metered.sku_id) == (Decimal("6.28"), "7UD-00001")


def test_an_archive_of_both_files_is_both_files_and_is_validated_again_from_the_archive_alone(
    configured: Context, written: Write, tmp_path: Path
) -> None:
    monthly = json_lines(written, "monthly.json", [seat("100.00", tax="19.00"), usage("10.00")])
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/daily.json", json.dumps(daily("10.00")))
        archive.write(monthly, "../../monthly.json")
    result = filed(configured, path, total=Decimal("130.00"))
    assert [(file["file"], file["kind"]) for file in result.files] == [
        ("both.zip: in/daily.json", "daily_rated"),
        ("both.zip: ../../monthly.json", "reconciliation"),
    ]
    assert result.outcome.failure == "checksum_failed"
    path.unlink()
    again = syncing.sync_invoice(configured, provider_name=None, invoice_number="F1", override=Decimal(1))
    assert [outcome.status for outcome in again.outcomes] == ["Active/Active"]
    assert estates.children(configured.engine) == (2, 1, 1)


def test_the_same_file_under_two_names_is_refused(configured: Context, written: Write) -> None:
    paths = [json_lines(written, name, [seat()]) for name in ("a.json", "b.json")]
    with pytest.raises(CallRefused, match="b.json and a.json are the same file, byte for byte"):
        filed(configured, *paths)
    assert invoice(configured) is None


def test_every_file_that_cannot_be_read_is_named_and_what_was_assumed_is_said(configured: Context, written: Write) -> None:
    good, bad = written("good.csv", PLAIN + PLAIN_LINE.replace("2026-10-01", "1/10/2026")), written("bad.csv", "a,b\n1,2\n")
    with pytest.raises(InputRefused, match="2 files cannot be read; bad.csv") as refused:
        filed(configured, good, bad, written("worse.csv", ""), provider="distributor")
    assert [problem.file for problem in refused.value.problems] == ["bad.csv", "worse.csv"]
    result = filed(configured, good, provider="distributor")
    assert result.files[0]["notes"][0].startswith("Dates such as 1/10/2026 (row 2, column charge_start) are read month first")


@pytest.mark.parametrize("as_csv", [False, True])
def test_lines_that_name_another_invoice_come_in_with_a_warning(configured: Context, written: Write, as_csv: bool) -> None:
    def printing(*numbers: str) -> Path:
        rows = [seat(InvoiceNumber=number) for number in numbers]
        if not as_csv:
            return json_lines(written, f"{numbers[-1]}.json", rows)
        return written(f"{numbers[-1]}.csv", "".join(",".join(map(str, row)) + "\n" for row in (rows[0], *(row.values() for row in rows))))

    assert filed(configured, printing("", "f1")).warnings == ()
    result = filed(configured, printing("F2", "G99", " F1 ", "G99"), invoice_number="F2")
    assert (result.outcome.status, result.outcome.message) == ("Active/Active", "")
    here, elsewhere = sorted(result.warnings, key=len, reverse=True)
    assert "1 line names invoice F1, not F2. Invoice F1 is here already, Active/Active." in here
    assert "2 lines name invoice G99, not F2. See that it is the file of F2;" in elsewhere


def test_the_total_settles_how_the_numbers_of_a_file_are_read(configured: Context, written: Write) -> None:
    path = written("plain.csv", PLAIN + PLAIN_LINE.replace("25.00,100.00,19.00,119.00", "25,100.000,0,100.000"))
    for total in (None, Decimal("101.00")):
        with pytest.raises(InputRefused, match="say --decimal point or --decimal comma"):
            filed(configured, path, provider="distributor", total=total)
    for total, said in ((Decimal("100.03"), Decimal(100)), (Decimal(100_000), Decimal(100_000))):
        result = filed(configured, path, provider="distributor", total=total)
        assert (result.outcome.failure, invoice(configured).lines_total) == (None, said)
        assert result.files[0]["decimal_settled_by"] == "the total"
        assert result.files[0]["notes"] == [
            "How to read 100.000 (row 2, column subtotal) is settled by the lines adding up to the total of the invoice."
        ]


def test_a_manual_invoice_stays_populating_until_it_is_activated(configured: Context, written: Write) -> None:
    path = written("plain.csv", PLAIN + PLAIN_LINE)
    result = filed(configured, path, provider="distributor", total=Decimal("119.00"))
    assert (result.outcome.status, result.outcome.exit_code) == ("Active/Populating", 0)
    assert "activate it" in result.outcome.message and invoice(configured).status_reason == "Populating"
    assert estates.children(configured.engine) == (1, 0, 0)
    again = filed(configured, path, provider="distributor", total=Decimal("119.00"), activate=True)
    assert again.outcome.status == "Active/Active"
    assert estates.children(configured.engine) == (1, 0, 0)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_an_invoice_without_lines_comes_in_where_a_person_says_that_it_comes_to_nothing(configured: Context, written: Write) -> None:
    empty = {"provider": "distributor", "total": Decimal(0), "currency": "EUR"}
    path = written("plain.csv", PLAIN)
    for said in ({}, {"total": Decimal("19.00")}):
        with pytest.raises(InputRefused, match=r"expected lines under its header, but there are none; .* \(--total 0\)"):
            filed(configured, path, **(empty | {"total": None} | said))
    with pytest.raises(InputRefused, match="prints no currency; say it with --currency"):
        filed(configured, path, **(empty | {"currency": None}))
    assert invoice(configured) is None
    assert (filed(configured, path, **empty).outcome.status, estates.children(configured.engine)) == ("Active/Populating", (0, 0, 0))
    (again,) = syncing.sync_invoice(configured, provider_name="distributor", invoice_number="F1", override=None).outcomes
    assert again.status == "Active/Populating" and invoice(configured).header_total == 0
    lines = written("lines.csv", PLAIN + PLAIN_LINE)
    done = filed(configured, lines, provider="distributor", total=Decimal("119.00"), activate=True)  # they come after all
    assert (done.outcome.status, estates.children(configured.engine)) == ("Active/Active", (1, 0, 0))


def test_a_plain_file_is_for_manual_providers_only(configured: Context, written: Write) -> None:
    with pytest.raises(CallRefused, match="plain file, which is for providers of type manual"):
        filed(configured, written("plain.csv", PLAIN + PLAIN_LINE))
    assert invoice(configured) is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("bad.csv", PLAIN + PLAIN_LINE + PLAIN_LINE.replace("100.00", "hundred"), r"bad.csv, row 3, column subtotal: found 'hundred'"),
        ("strange.csv", "a,b,c\n1,2,3\n", "strange.csv"),
        ("empty.csv", "", "empty.csv"),
        ("lonely.csv", PLAIN, "lonely.csv"),
    ],
)
def test_a_file_that_cannot_be_read_in_whole_changes_nothing(
    configured: Context, written: Write, name: str, content: str, said: str
) -> None:
    before = estates.digest(configured.engine)
    with pytest.raises(CallRefused, match=said) as refused:
        filed(configured, written(name, content), provider="distributor")
    assert refused.value.exit_code == 2
    assert (invoice(configured), estates.digest(configured.engine)) == (None, before)
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_an_impossible_date_is_one_bad_cell_among_the_others(configured: Context, written: Write) -> None:
    bad = [PLAIN_LINE.replace("2026-10-31", day) for day in ("10/31/2026", "31/31/2026", "soon")]
    with pytest.raises(InputRefused) as refused:
        filed(configured, written("plain.csv", PLAIN + "".join(bad) + PLAIN_LINE.replace("100.00", "hundred")), provider="distributor")
    told = [(problem.row, problem.column, problem.value, problem.expected) for problem in refused.value.problems]
    assert sorted(told) == [
        (3, "charge_end", "31/31/2026", "a date such as 2026-11-30; there is no such day"),
        (4, "charge_end", "soon", "a date such as 2026-11-30"),
        (5, "subtotal", "hundred", "a number"),
    ]


def test_an_unreadable_file_leaves_the_invoice_as_an_earlier_attempt_left_it(configured: Context, written: Write) -> None:
    good = written("good.csv", PLAIN + PLAIN_LINE)
    assert filed(configured, good, provider="distributor", total=Decimal("500.00")).outcome.failure == "checksum_failed"
    before, digest = invoice(configured), estates.digest(configured.engine)
    bad = written("bad.csv", PLAIN + PLAIN_LINE.replace("19.00,", "nineteen,"))
    with pytest.raises(InputRefused):
        filed(configured, bad, provider="distributor", total=Decimal("119.00"), currency="USD", invoice_date=date(2026, 1, 1))
    assert (invoice(configured), estates.digest(configured.engine)) == (before, digest)


def test_a_cut_gzip_by_hand_is_refused(configured: Context, tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress((PLAIN + PLAIN_LINE * 50).encode())[:-20])
    with pytest.raises(CallRefused, match="cut.csv.gz"):
        filed(configured, path, provider="distributor")
    assert invoice(configured) is None


def test_a_file_that_fails_a_rule_leaves_an_invoice_in_error(configured: Context, written: Write) -> None:
    path = written("plain.csv", PLAIN + PLAIN_LINE)
    result = filed(configured, path, provider="distributor", total=Decimal("119.06"))
    assert (result.outcome.status, result.outcome.failure, result.outcome.exit_code) == ("Inactive/Error", "checksum_failed", 1)
    assert estates.children(configured.engine) == (0, 0, 0)
    result = filed(configured, path, provider="distributor", total=Decimal("119.06"), override=Decimal(1), activate=True)
    assert (result.outcome.status, invoice(configured).overridden) == ("Active/Active", Decimal("0.06"))


def test_a_manual_sync_validates_a_filed_invoice_again_from_what_landed(configured: Context, written: Write, tmp_path: Path) -> None:
    path = json_lines(written, "monthly.json", [seat(CustomerId="new-customer", CustomerName="Newco")])
    assert filed(configured, path).outcome.failure == "unresolved_references"
    path.unlink()
    accounts = f"provider,provider_account_id,account_id\ncsp,NEW-CUSTOMER,A-2\ncsp,{estates.CONTOSO},A-1\n"
    estates.configure(
        configured, "http://127.0.0.1:1", records=Estate(tmp_path / "e").records(tmp_path / "again", provider_accounts=accounts)
    )
    result = syncing.sync_invoice(configured, provider_name=None, invoice_number="f1", override=None)
    assert [outcome.status for outcome in result.outcomes] == ["Active/Active"]
    assert estates.children(configured.engine) == (1, 0, 0)
    with configured.engine.connect() as connection:
        sources = connection.execute(select(import_source.c.name, import_source.c.import_run_id)).all()
    assert [source.name for source in sources] == ["monthly.json", "monthly.json"]
    assert estates.leftovers(configured.engine, configured.settings.home) == []


def test_importing_the_same_file_twice_keeps_one_set_of_lines(configured: Context, written: Write) -> None:
    path = written("plain.csv", PLAIN + PLAIN_LINE)
    digests = set()
    for _ in range(3):
        filed(configured, path, provider="distributor", total=Decimal("119.00"))
        digests.add(estates.digest(configured.engine))
    assert len(digests) == 1 and estates.children(configured.engine) == (1, 0, 0)
    assert invoice(configured).version == 3


def test_a_number_with_characters_that_nobody_sees_is_refused(configured: Context, written: Write) -> None:
    path = json_lines(written, "monthly.json", [seat("100.00")])
    for number in ("F\n1", "F1\u200b"):
        with pytest.raises(CallRefused, match="characters that nobody sees"):
            filed(configured, path, invoice_number=number)
    assert invoice(configured) is None


def test_an_active_invoice_takes_no_file(configured: Context, written: Write) -> None:
    path = json_lines(written, "monthly.json", [seat()])
    filed(configured, path)
    before = estates.digest(configured.engine)
    with pytest.raises(CallRefused, match="is Active"):
        filed(configured, json_lines(written, "other.json", [seat("7.00")]))
    assert estates.digest(configured.engine) == before
