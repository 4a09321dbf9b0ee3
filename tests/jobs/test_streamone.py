"""Does an invoice of StreamOne come in whole, its layout named where it has to be, and does no secret stay behind?"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests import estates, streamones
from tests.streamones import PLAIN, SAID, THEIRS, Account, Served
from w365core.errors import CallRefused, ConfigurationMissing, ProviderRefused
from w365core.jobs import layouts, rebuilding, syncing
from w365core.jobs.context import Context
from w365core.reports import changes
from w365core.sandbox.streamone import ISSUED
from w365core.store import audit, ledger, providers as store_providers
from w365core.store.tables import column_mapping, import_source, landed_answer, license_line, provider_invoice

NUMBER = "4410"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with streamones.serve(Account(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return streamones.configure(context, served.url, tmp_path / "records")


def synced(context: Context) -> syncing.SyncResult:
    return syncing.sync_daily(context, provider_name=streamones.NAME)


def outcome(context: Context) -> tuple[str, str | None, str]:
    (one,) = synced(context).outcomes
    return one.status, one.failure, one.message


def again(context: Context) -> tuple[str, str | None, str]:
    (one,) = syncing.sync_invoice(context, provider_name=streamones.NAME, invoice_number=NUMBER, override=None).outcomes
    return one.status, one.failure, one.message


def lines(context: Context) -> list[tuple]:
    columns = (
        license_line.c[name] for name in ("subscription_id", "account_id", "charge_type", "quantity", "subtotal", "tax_total", "total")
    )
    with context.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(license_line.c.line_number))]


def header(context: Context):
    with context.engine.connect() as connection:
        return connection.execute(select(provider_invoice)).one()


def test_an_invoice_comes_in_whole_with_its_lines_resolved(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    assert outcome(configured) == ("Active/Active", None, "")
    assert lines(configured) == [
        ("S-1", "A-1", "renew", Decimal(10), Decimal("125.00"), Decimal("23.75"), Decimal("148.75")),
        ("S-1", "A-1", "addQuantity", Decimal(2), Decimal("16.14"), Decimal("3.07"), Decimal("19.21")),
        ("S-2", "A-2", "renew", Decimal(3), Decimal("120.00"), Decimal("22.80"), Decimal("142.80")),
    ]
    found = header(configured)
    assert (found.header_total, found.lines_total, found.currency, str(found.invoice_date)) == (
        Decimal("310.76"),
        Decimal("310.76"),
        "EUR",
        "2026-11-03",
    )
    assert synced(configured).outcomes == []  # it is not fetched again


def test_a_distributor_brings_license_lines_and_no_usage_nor_an_estimate_of_it(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    outcome(configured)
    with configured.engine.connect() as connection:
        counted = [connection.execute(text(f"select count(*) from {name}")).scalar_one() for name in ("usage_summary", "usage_line")]
        assert (*counted, connection.execute(text("select count(*) from usage_estimate")).scalar_one()) == (0, 0, 0)
    assert len(lines(configured)) == 3


@pytest.mark.parametrize("packed", ["gzip", "zip", "two files"])
def test_files_may_be_packed_or_several(configured: Context, served: Served, packed: str) -> None:
    head, *rows = PLAIN.splitlines(keepends=True)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("a.csv", head + rows[0])
        made.writestr("b.csv", head + rows[1] + rows[2])
    files = {
        "gzip": {"detail.csv.gz": gzip.compress(PLAIN.encode())},
        "zip": {"detail.zip": archive.getvalue()},
        "two files": {"1.csv": head + rows[0], "2.csv": head + rows[1] + rows[2]},
    }
    served.account.invoice(NUMBER, files[packed])
    assert outcome(configured)[0] == "Active/Active"
    assert [line[6] for line in lines(configured)] == [Decimal("148.75"), Decimal("19.21"), Decimal("142.80")]


def test_what_the_header_does_not_say_comes_from_the_lines(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN}, total=None, currency=None, invoiceDate=None)
    assert outcome(configured)[0] == "Active/Active"
    found = header(configured)
    assert (found.header_total, found.currency, str(found.invoice_date)) == (Decimal("310.76"), "EUR", "2026-10-31")


def test_an_invoice_may_be_asked_for_by_its_number_or_by_its_id(configured: Context, served: Served) -> None:
    served.account.invoice("9001", {"detail.csv": PLAIN}, invoiceNumber="INV/2026-77")
    for wanted in ("inv/2026-77", "9001"):
        result = syncing.sync_invoice(configured, provider_name=streamones.NAME, invoice_number=wanted, override=None)
        assert [one.invoice for one in result.outcomes] == ["INV/2026-77"]
        with configured.engine.begin() as connection:
            connection.execute(text("update provider_invoice set state = 'Inactive', status_reason = 'Error'"))


def test_a_changed_total_is_noticed_and_its_files_compared_and_no_file_is_fetched_to_find_that_out(
    configured: Context, served: Served
) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    synced(configured)
    served.faults.replace(["500@file"])  # whoever fetches a file fails
    assert synced(configured).warnings == [] and not header(configured).changed_at_provider
    served.faults.replace([])
    without_last = PLAIN.rpartition("502")[0]
    served.account.invoices.clear()
    served.account.invoice(NUMBER, {"detail.csv": without_last}, total="167.96")
    for _ in range(2):
        assert (synced(configured).changed, header(configured).header_total) == ([NUMBER], Decimal("310.76"))
    with configured.engine.connect() as connection:
        change = changes.load(connection, header(configured).provider_invoice_id)
        noticed = connection.execute(text("select count(*) from audit_log where action = 'notice change at provider'")).scalar_one()
    assert [(row["what"], row["subscription_id"], row["difference"]) for row in change.lines.rows] == [
        ("removed", "S-2", Decimal("-142.80"))
    ]
    assert noticed == 1
    served.account.invoices.clear()
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    assert synced(configured).changed == [] and not header(configured).changed_at_provider


def test_a_total_off_by_a_line_is_no_invoice(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN.rpartition("502")[0]})  # cleanly cut: only the header knows
    status, failure, message = outcome(configured)
    assert (status, failure) == ("Inactive/Error", "checksum_failed") and "142.80 EUR" in message
    assert lines(configured) == []


@pytest.mark.parametrize("fault", ["truncated@file", "500@file", "missing-blob@file", "reset@file", "500@detailed"])
def test_a_file_that_cannot_be_had_whole_never_shortens_an_invoice(configured: Context, served: Served, fault: str) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN}, total=None)  # no total to compare with
    served.faults.replace([fault])
    status, failure, _ = outcome(replace(configured, settings=replace(configured.settings, http_tries=1)))
    assert (status, failure) == ("Inactive/Error", "provider_error")
    assert lines(configured) == []
    served.faults.replace([])
    assert outcome(configured)[0] == "Active/Active"


def test_an_address_that_has_run_out_is_asked_for_again(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    served.faults.replace(["expired-url@detailedx1"])
    assert outcome(configured)[0] == "Active/Active"
    assert served.faults.left() == []


# --- layouts -------------------------------------------------------------------------------------------------------------------------------


def test_an_unknown_layout_is_named_by_a_person_and_remembered(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": THEIRS}, total="291.55")
    status, failure, message = outcome(configured)
    assert (status, failure) == ("Inactive/Error", "invalid_data")
    for said in ("customer_id, subscription_id, subtotal", "Seller Cost (EUR)", f"map-columns {streamones.NAME} --invoice {NUMBER}"):
        assert said in message
    with configured.engine.connect() as connection:
        provider = store_providers.named(connection, streamones.NAME)
    (printed,) = layouts.received_for(configured, provider, NUMBER)

    with pytest.raises(CallRefused, match="needed are subscription_id"):
        layouts.say(configured, provider, printed, {"End Client No": "customer_id", "Seller Cost (EUR)": "subtotal"})
    with pytest.raises(CallRefused, match="row 2, subtotal: found 'renew', expected a number"):
        layouts.say(configured, provider, printed, SAID | {"Event": "subtotal", "Seller Cost (EUR)": "unit_price"})
    with pytest.raises(CallRefused, match="has no column 'Cost'"):
        layouts.say(configured, provider, printed, {"Cost": "subtotal"})
    assert outcome(configured)[1] == "invalid_data"  # nothing was remembered

    shown = layouts.say(configured, provider, printed, SAID)
    assert shown.layout.currency == "EUR" and [check.passed for check in shown.checks] == [True, True, True, False]
    assert shown.preview[0]["subtotal"] == Decimal("125.00") and shown.preview[0]["customer_id"] == "501"
    assert outcome(configured)[0] == "Active/Active"
    assert [line[4] for line in lines(configured)] == [Decimal("125.00"), Decimal("120.00")]
    with configured.engine.connect() as connection:
        beside = connection.execute(select(license_line.c.extra).order_by(license_line.c.line_number)).scalars().all()
        assert "first, of two" in str(beside[0]) and audit.first_broken(connection) is None
        assert connection.execute(text("select count(*) from audit_log where action = 'map columns'")).scalar_one() == 1

    served.account.invoice("4411", {"next.csv": THEIRS.replace("(EUR)", "[EUR]").upper()}, total="291.55", invoiceDate="2026-11-04")
    assert [(one.invoice, one.status) for one in synced(configured).outcomes] == [("4411", "Active/Active")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_a_layout_may_be_written_as_in_another_country(configured: Context, served: Served, encoding: str) -> None:
    text = (
        "Kundennr.;Abo;Stück;Netto (EUR);Steuer (EUR);Brutto (EUR);Von;Bemerkung\r\n"
        '501;SUB-A;10;1.125,00;213,75;1.338,75;01.10.2026;"Büro; neu"\r\n\r\n'
        "502;SUB-B;3;120,00;22,80;142,80;13.10.2026;\r\n"
    )
    said = {"Kundennr.": "customer_id", "Abo": "subscription_id", "Stück": "quantity", "Von": "charge_start"}
    said |= {"Netto (EUR)": "subtotal", "Steuer (EUR)": "tax", "Brutto (EUR)": "total"}
    served.account.invoice(NUMBER, {"detail.csv": text.encode(encoding)}, total="1481.55")
    assert outcome(configured)[1] == "invalid_data"
    with configured.engine.connect() as connection:
        provider = store_providers.named(connection, streamones.NAME)
    layouts.say(configured, provider, layouts.received_for(configured, provider, NUMBER)[0], said)
    assert outcome(configured)[0] == "Active/Active"
    assert [line[3:] for line in lines(configured)] == [
        (Decimal(10), Decimal("1125.00"), Decimal("213.75"), Decimal("1338.75")),
        (Decimal(3), Decimal("120.00"), Decimal("22.80"), Decimal("142.80")),
    ]
    with configured.engine.connect() as connection:
        days = connection.execute(select(license_line.c.charge_start).order_by(license_line.c.line_number)).scalars().all()
        beside = connection.execute(select(license_line.c.extra).order_by(license_line.c.line_number)).scalars().first()
    assert [str(day) for day in days] == ["2026-10-01", "2026-10-13"] and "Büro; neu" in str(beside)


def test_the_order_of_dates_is_remembered_with_the_columns(configured: Context, served: Served, w365) -> None:
    theirs = "Client,Abo,Von,Bis,Netto (EUR)\n501,SUB-A,02/11/2026,03/11/2026,10.00\n"
    said = {"Client": "customer_id", "Abo": "subscription_id", "Von": "charge_start", "Bis": "charge_end", "Netto (EUR)": "subtotal"}
    served.account.invoice(NUMBER, {"detail.csv": theirs}, total="10.00")
    assert outcome(configured)[1] == "invalid_data"
    words = [word for header, column in said.items() for word in ("--set", f"{header}={column}")]
    named = w365("provider", "map-columns", streamones.NAME, "--invoice", NUMBER, *words, "--date-order", "DMY")
    assert named.returncode == 0, named.stderr
    assert outcome(configured)[0] == "Active/Active"
    with configured.engine.connect() as connection:
        assert [str(day) for day in connection.execute(select(license_line.c.charge_start, license_line.c.charge_end)).one()] == [
            "2026-11-02",
            "2026-11-03",
        ]
    named = w365("provider", "map-columns", streamones.NAME, "--invoice", NUMBER, "--set", "Abo=subscription_id", "--json")
    assert '"charge_start": "2026-11-02"' in named.stdout, named.stdout  # what was said once holds for what is shown later


def test_an_invoice_without_lines_comes_in_where_it_comes_to_nothing(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN.splitlines()[0] + "\n"}, total="0.00")
    assert outcome(configured)[0].startswith("Active/")
    assert lines(configured) == []


def test_the_listed_total_settles_what_a_comma_means(configured: Context, served: Served) -> None:
    text = "Customer ID;Subscription ID;Quantity;Subtotal;Tax;Total;Currency\n501;SUB-A;4;1.234;0;1.234;EUR\n"
    served.account.invoice(NUMBER, {"detail.csv": text}, total="1234.00")
    assert outcome(configured)[0] == "Active/Active"
    assert lines(configured)[0][4] == Decimal(1234)


def test_an_address_that_has_run_out_twice_says_what_can_be_done(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    served.faults.replace(["expired-url@detailed"])
    message = outcome(configured)[2]
    assert "had run out at once" in message and "Sync the invoice again later" in message and "export operation" not in message


def test_a_rebuild_reads_what_was_read_then_whatever_is_said_since(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": THEIRS}, total="291.55")
    outcome(configured)
    with configured.engine.connect() as connection:
        provider = store_providers.named(connection, streamones.NAME)
    (printed,) = layouts.received_for(configured, provider, NUMBER)
    layouts.say(configured, provider, printed, SAID)
    outcome(configured)
    with configured.engine.begin() as connection:
        connection.execute(column_mapping.delete())
    assert rebuilding.rebuild(configured, check=True).findings == ()


def test_the_command_shows_names_and_refuses(served: Served, configured: Context, w365, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(THEIRS)
    shown = w365("provider", "map-columns", streamones.NAME, path)
    assert (
        shown.returncode == 1
        and "needed are customer_id, subscription_id, subtotal" in shown.stdout
        and "line 1: End Client No 501" in shown.stdout
    )
    said = [word for header, column in SAID.items() for word in ("--set", f"{header}={column}")]
    named = w365("provider", "map-columns", streamones.NAME, path, *said, "--json")
    assert named.returncode == 0, named.stderr
    for told in ('"saved": true', '"needed": []', '"subtotal": "125.00"', '"currency": "EUR"'):
        assert told in named.stdout
    refused = w365("provider", "map-columns", streamones.NAME, "--invoice", "none")
    assert refused.returncode == 2 and "No file of invoice none" in refused.stderr


def test_a_file_by_hand_is_read_by_the_same_names(served: Served, configured: Context, w365, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(THEIRS)
    call = ("import", path, "--provider", streamones.NAME, "--invoice", "BY-HAND", "--invoice-date", "2026-11-03", "--json")
    refused = w365(*call)
    assert refused.returncode == 2 and "columns of theirs.csv are not known yet" in refused.stderr
    with configured.engine.connect() as connection:
        assert connection.execute(select(provider_invoice)).first() is None
        provider = store_providers.named(connection, streamones.NAME)
    (printed,) = layouts.printed_in(path, path.name)
    layouts.say(configured, provider, printed, SAID)
    assert w365(*call).returncode == 0
    assert [line[6] for line in lines(configured)] == [Decimal("148.75"), Decimal("142.80")]
    assert header(configured).status_reason == "Active"


# --- who may, and what stays behind --------------------------------------------------------------------------------------------------------


def test_without_or_with_a_wrong_key_it_says_which_variable(configured: Context, served: Served) -> None:
    def with_key(value: str) -> Context:
        return replace(configured, settings=replace(configured.settings, environment={"W365_SECRET_ION_EU": value}))

    for value in ("", "no colon"):
        with pytest.raises(ConfigurationMissing, match="W365_SECRET_ION_EU") as refusal:
            synced(with_key(value))
        assert refusal.value.exit_code == 4
    with pytest.raises(ProviderRefused, match="401 .*W365_SECRET_ION_EU: it is key:secret"):
        synced(with_key("key-41:wrong"))


def test_no_key_token_or_signature_stays_in_database_landing_or_messages(configured: Context, served: Served) -> None:
    said: list[str] = []
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    served.account.says("customers", [{"id": "501", "customerOrganization": "Contoso"}])
    heard = replace(configured, report=said.append)
    assert outcome(heard)[0] == "Active/Active"
    connector = syncing.connect(heard, streamones.provider(served.url), sync_run_id=None)
    assert [customer.id for customer in connector.customers()] == ["501"]

    kept = estates_dump(configured) + "\n".join(said)
    for path in (configured.settings.landing).rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            kept += (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8", "replace")
    with configured.engine.connect() as connection:
        answers = connection.execute(select(landed_answer.c.purpose)).scalars().all()
    assert "files of an invoice" in answers and "detailedInvoiceFilesUrls" in kept  # what was searched is really there
    for planted in (streamones.KEY, streamones.KEY.partition(":")[2], streamones.REFRESH, "X-Amz-Signature=", ISSUED):
        assert planted not in kept


def estates_dump(context: Context) -> str:
    """Every row of every table, bytes as the server prints them and as text."""
    with context.engine.connect() as connection:
        tables = connection.execute(text("select table_name from information_schema.tables where table_schema = 'public'")).scalars().all()
        rows = [str(row) for table in tables for row in connection.execute(text(f'select t::text from "{table}" t')).scalars()]
        sealed = connection.execute(text("select encode(encrypted, 'escape') from stored_token")).scalars().all()
    assert sealed
    return "\n".join([*rows, *sealed])


def test_a_token_near_its_end_is_said_by_sync(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    list(syncing.connect(configured, streamones.provider(served.url), sync_run_id=None).customers())

    def said(**later: int) -> list[str]:
        return syncing.sync_daily(
            configured.at(configured.now + timedelta(**later)), provider_name=streamones.NAME, with_estimate=False
        ).warnings

    assert said(days=24, hours=23) == []
    (late,) = said(days=25)
    assert "runs out on 2026-12-14 (day 25 of 32)" in late
    (over,) = said(days=33)
    assert "ran out on 2026-12-14" in over and "W365_REFRESH_ION_EU" in over
    (renewed,) = synced(configured.at(configured.now + timedelta(days=26))).warnings  # asking for orders renews it
    assert "renewed just now" in renewed and said(days=33) == []


def test_nothing_is_left_over(configured: Context, served: Served) -> None:
    served.account.invoice(NUMBER, {"detail.csv": PLAIN})
    served.faults.replace(["truncated@filex1"])
    outcome(configured)
    outcome(configured)
    assert estates.leftovers(configured.engine, configured.settings.home) == []
    with configured.engine.connect() as connection:
        read = connection.execute(select(import_source.c.feed, import_source.c.name)).all()
    assert [tuple(row) for row in read] == [("plain", "detail.csv")]
    assert ledger.find(configured.engine, provider_name=None, invoice_number=NUMBER).attempts == 2
