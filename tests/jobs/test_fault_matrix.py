"""What becomes of an invoice whose provider misbehaves? One fault a case over real sockets: whole or nothing, a sentence to act on, and whole the next time.

Every case is an invoice of its own beside neighbours that were imported before: their rows must never move. The documents come in pages of two, so
that the one in question is on the last page.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import column, create_engine, func, literal, select, text
from sqlalchemy.dialects.postgresql import aggregate_order_by

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate, Served, daily, seat, usage
from w365core.errors import CallRefused, ProviderError
from w365core.jobs import syncing
from w365core.jobs.context import Context
from w365core.model import Provider, ProviderType
from w365core.settings import Settings
from w365core.store import providers as store_providers
from w365core.store.tables import import_run, license_line, provider_invoice, usage_line, usage_summary

D = Decimal
WHOLE = (4, 4, 1)  # license lines, usage lines and summaries of the standard document
_ACTION = re.compile(r"\b(again|ask|grant|check|report|correct|pass|map|add|sync)", re.IGNORECASE)
_OWN = ("provider_invoice_id", "usage_id", "line_number", "created_at", "fingerprint")

Write = Callable[[Estate, str], None]


@dataclass(frozen=True)
class Ended:
    """How a sync ended: `status` is None where the provider did not even list the invoice."""

    exit_code: int
    status: str | None
    failure: str | None
    message: str


@dataclass(frozen=True)
class Case:
    """A fault and what is promised of it. `said` are words of the message; `lines` and `but` say what an invoice that comes in has other than usual."""

    name: str
    switches: tuple[str, ...] = ()
    content: Write = estates.two_invoices_worth
    failure: str | None = None
    said: str = ""
    listed: bool = True
    lines: tuple[int, int, int] = WHOLE
    but: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return {None: 0, "provider_error": 3}.get(self.failure, 1)


# --- what may stand in the lines and headers -------------------------------------------------------------------------------------------------


def headed(**said: Any) -> Write:
    """The standard document under another header."""
    return lambda estate, number: estates.two_invoices_worth(estate, number, **said)


def holding(*lines: dict[str, Any], **said: Any) -> Write:
    return lambda estate, number: estate.invoice(number, lines, **said)


def packed(change: Callable[[bytes], bytes]) -> Write:
    """The standard document, the text of each blob of its reconciliation export changed before it is packed."""

    def write(estate: Estate, number: str) -> None:
        estates.two_invoices_worth(estate, number)
        for blob in sorted((estate.folder / "partner_center" / "exports" / number / "reconciliation").iterdir()):
            blob.write_bytes(gzip.compress(change(gzip.decompress(blob.read_bytes())), mtime=0))

    return write


def spelled(pattern: str, replacement: str) -> Write:
    return packed(lambda text: re.sub(pattern.encode(), replacement.encode(), text))


def lined(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Write:
    return packed(lambda text: b"".join(json.dumps(change(json.loads(line))).encode() + b"\n" for line in text.splitlines()))


def without(name: str) -> Write:
    return lined(lambda line: {key: value for key, value in line.items() if key != name})


def dated(start: str, end: str) -> Write:
    return lined(lambda line: line | {"ChargeStartDate": start, "ChargeEndDate": end})


def twice(estate: Estate, number: str) -> None:
    """The second blob holds the lines of the first once more."""
    estates.two_invoices_worth(estate, number)
    folder = estate.folder / "partner_center" / "exports" / number / "reconciliation"
    first, second = sorted(folder.iterdir())
    second.write_bytes(gzip.compress(gzip.decompress(second.read_bytes()) + gzip.decompress(first.read_bytes()), mtime=0))


def page_of_a_proxy(estate: Estate, number: str) -> None:
    """An answer of a proxy in place of the first blob."""
    estates.two_invoices_worth(estate, number)
    blob = min((estate.folder / "partner_center" / "exports" / number / "reconciliation").iterdir())
    blob.write_bytes(b"<html><body>Sign in to the network</body></html>")


def without_total(estate: Estate, number: str) -> None:
    estates.two_invoices_worth(estate, number)
    path = estate.folder / "partner_center" / "invoices.json"
    listed = json.loads(path.read_text())
    listed[-1].pop("totalCharges")
    path.write_text(json.dumps(listed))


PROVIDER, CHECKSUM, INVALID = "provider_error", "checksum_failed", "invalid_data"
SECOND_BLOB = "part-00001.c000.json.gz"

CASES = [
    # asked to wait
    Case("429 for a second", ("throttle:1@exportx1",)),
    Case("429 until a moment", ("throttle:date@blobx1",)),
    Case("429 without Retry-After", ("throttle:absent@operationx1",)),
    Case("429 with a Retry-After that makes no sense", ("throttle:nonsense@invoicesx1",)),
    Case("429 for a day", ("throttle:86400@export",), failure=PROVIDER, said="asks to wait. Try again after 20"),
    Case("429 for a day to the list", ("throttle:86400@invoices",), failure=PROVIDER, listed=False, said="asks to wait. Try again after 20"),
    Case("429 for ever", ("throttle:0@blob",), failure=PROVIDER, said="asks to wait"),
    # broken and mended
    Case("500, then fine", ("500@exportx1",)),
    Case("502, then fine", ("500:502@operationx1",)),
    Case("503, then fine", ("500:503@blobx1",)),
    Case("504 to the sign-in, then fine", ("500:504@tokenx1",)),
    Case("503 for ever", ("500:503@blob",), failure=PROVIDER, said="in 2 tries: it answered 503"),
    Case("500 to the list for ever", ("500@invoices",), failure=PROVIDER, listed=False, said="the list of invoices in 2 tries: it answered 500"),
    Case("a token that ran out in the middle", ("empty-401@operationx1",)),
    Case("a token that is never good", ("empty-401@operation",), failure=PROVIDER, said="answered 401 .* Check tenant"),
    # silence and torn connections
    Case("silence before the head, then fine", ("hang@operationx1",)),
    Case("silence before the head of a blob", ("hang@blob",), failure=PROVIDER, said="no answer within 0.4 s"),
    Case("silence in the middle of a blob", ("stall@blob",), failure=PROVIDER, said="stopped coming before its end"),
    Case("silence in the middle of an answer", ("stall@operation",), failure=PROVIDER, said="stopped coming before its end"),
    Case("a reset before the first byte", ("reset:0@blobx1",)),
    Case("a reset after 1 byte", ("reset:1@blob",), failure=PROVIDER, said="broke off before its end"),
    Case("a reset after 100 bytes", ("reset:100@blob",), failure=PROVIDER, said="broke off before its end"),
    Case("a reset in the list", ("reset:40@invoices",), failure=PROVIDER, listed=False, said="broke off before its end"),
    Case("a slow drip", ("drip:0.05@blob",), failure=PROVIDER, said="all but stands still"),
    Case("a redirect to another host", ("redirect@export",), failure=PROVIDER, said="redirect to elsewhere.example; redirects are not followed"),
    Case("a blob that is redirected", ("redirect@blob",), failure=PROVIDER, said="redirect to elsewhere.example; redirects are not followed"),
    # exports that are not whole
    Case("a gzip cut in the middle", ("truncated@blob",), failure=PROVIDER, said="export is damaged"),
    Case("a gzip without its trailer", ("damaged:trailer@blob",), failure=PROVIDER, said="export is damaged"),
    Case("a gzip with a wrong checksum", ("damaged:checksum@blob",), failure=PROVIDER, said="export is damaged"),
    Case("garbage behind a gzip", ("damaged:garbage@blob",), failure=PROVIDER, said="export is damaged"),
    Case("a gzip of two members", ("damaged:members@blob",)),
    Case("a gzip without its last line", ("damaged:last-line@blobx1",), failure=CHECKSUM, said="header says 1,220.00 EUR, the lines add up to 1,207.66 EUR"),
    Case("a page of a proxy in place of a blob", content=page_of_a_proxy, failure=INVALID, said="part-00000.c000.json.gz, row 1: found '<html>"),
    Case("a blob that is not there", ("missing-blob",), failure=PROVIDER, said="does not have what was announced"),
    Case("a SAS that ran out before the first blob", ("expired-sas@manifestx1",)),
    Case("a SAS that ran out in the middle of the list", (f"expired-sas:{SECOND_BLOB}@blobx1",)),
    Case("a SAS that is never good", ("expired-sas@manifest",), failure=PROVIDER, said="its signed address has run out"),
    Case("one blob less than counted", ("wrong-count",), failure=PROVIDER, said="lists 2 of 3 blobs"),
    Case("another version during the download", ("new-etagx1",)),
    Case("another version each time", ("new-etag",), failure=PROVIDER, said="changed the reconciliation export .* while it was downloaded"),
    # pages of the list
    Case("a page twice", ("duplicate-page@invoices",), failure=PROVIDER, listed=False, said=r"counts \d+ invoices but listed only \d"),
    Case("a page left out", ("skipped-page",), failure=PROVIDER, listed=False, said=r"counts \d+ invoices but listed only \d"),
    Case("pages in another order", ("reordered-pages",), but=("left",)),
    Case("pages that lead in a circle", ("next-loop",), failure=PROVIDER, listed=False, said=r"counts \d+ invoices but listed only \d"),
    # another shape of the lines
    Case("a new field", content=lined(lambda line: line | {"CarbonGrams": "12.5"}), but=("extra",)),
    Case("an optional field missing", content=without("UnitPrice"), but=("unit_price",)),
    Case("a total missing, which follows", content=without("Total")),
    Case("a money field missing", content=without("Subtotal"), failure=INVALID, said="row 1, column Subtotal"),
    Case("the currency missing", content=without("Currency"), failure=INVALID, said="row 1, column Currency"),
    Case("a money field renamed", content=spelled('"Subtotal"', '"NetAmount"'), failure=INVALID, said="row 1, column Subtotal"),
    Case("numbers in place of strings", content=spelled('"(Subtotal|TaxTotal|Total|UnitPrice|Quantity)": "([^"]*)"', r'"\1": \2')),
    Case("a string in place of a number", content=spelled('"Quantity": "1"', '"Quantity": " 1.0 "'), but=("quantity",)),
    Case("a number in place of a text", content=spelled('"CustomerName": "Contoso"', '"CustomerName": 42'), but=("customer_name",)),
    Case("a word in place of an amount", content=spelled('"Subtotal": "12.34"', '"Subtotal": "twelve"'), failure=INVALID, said="'twelve'"),
    Case("null in place of an amount", content=spelled('"Subtotal": "[^"]*"', '"Subtotal": null'), failure=INVALID, said="row 1, column Subtotal"),
    Case("null in place of an optional value", content=spelled('"UnitPrice": "[^"]*"', '"UnitPrice": null'), but=("unit_price",)),
    Case("NaN in place of an amount", content=spelled('"Subtotal": "12.34"', '"Subtotal": NaN'), failure=INVALID, said="part-00000"),
    Case("an amount beyond money", content=spelled('"Subtotal": "12.34"', '"Subtotal": 1e400'), failure=INVALID, said="Subtotal"),
    Case("days without a time", content=dated("2026-10-01", "2026-10-31")),
    Case("days with a zone", content=dated("2026-10-01T00:00:00+02:00", "2026-10-31T23:59:59-07:00")),
    Case("days with seven digits and no zone", content=dated("2026-10-01T00:00:00.0000000", "2026-10-31T00:00:00.0000000")),
    Case("days as Americans write them", content=dated("10/1/2026", "10/31/2026")),
    Case("a day that is none", content=dated("2026-10-01", "2026-10-32"), failure=INVALID, said="row 1, column ChargeEndDate"),
    Case("names of fields in another case", content=lined(lambda line: {key.lower(): value for key, value in line.items()})),
    Case("a byte order mark before each blob", content=packed(lambda text: b"\xef\xbb\xbf" + text)),
    Case("a line that breaks off", content=packed(lambda text: text[:-20]), failure=INVALID, said="row 2"),
    Case("the lines of a blob twice", content=twice, failure=CHECKSUM, said="lines"),
    # headers that do not fit
    Case("a total changed during the import", ("changed-total",), failure=CHECKSUM, said="2,000.00 EUR.*An override tolerance of 2000 would pass"),
    Case("a header off by a cent", content=headed(total="1220.01")),
    Case("a header off by 1,329.75", content=headed(total="2549.75"), failure=CHECKSUM, said="1,329.75 EUR.*An override tolerance of 1330 would"),
    Case("a header with its sign flipped", content=headed(total="-1220.00"), failure=CHECKSUM, said="-2,440.00 EUR"),
    Case("a header without a total", content=without_total, failure=PROVIDER, listed=False, said="`totalCharges`"),
    Case("an empty invoice over nothing", content=holding(total="0"), lines=(0, 0, 0)),
    Case("an empty invoice over something", content=holding(total="10.00"), failure=CHECKSUM, said="10.00 EUR"),
    Case("an invoice of credits alone", content=holding(seat("-75.50", tax="-14.35", ChargeType="customerCredit")), lines=(1, 0, 0)),
]  # fmt: skip


# --- the matrix ------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    estate = Estate(tmp_path_factory.mktemp("estate"))
    described = estate.folder / "estate.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"page_size": 2}))
    with estates.serve(estate) as running:
        yield running


@pytest.fixture(scope="module")
def configured(template: str, served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """Two neighbours imported, and one that the cases are compared with."""
    home = tmp_path_factory.mktemp("matrix")
    with postgres.used_database(template) as url:
        engine = create_engine(url, connect_args={"options": "-c synchronous_commit=off"})
        settings = Settings(home=home / "home", database_url=url, http_timeout=0.4, http_tries=2, poll=0.02)
        bare = Context(settings, engine, NOW, "tester", lambda sentence: None)
        context = estates.configure(bare, served.url, records=served.estate.records(home / "records"))
        estates.two_invoices_worth(served.estate, "N1")
        served.estate.invoice("N2", [seat("5.00"), usage("3.00")], [daily("3.00")])
        for number in ("N1", "N2"):
            assert synced(context, number).status == "Active/Active"
        yield context
        engine.dispose()


def synced(context: Context, number: str) -> Ended:
    try:
        result = syncing.sync_invoice(context, provider_name=estates.PROVIDER, invoice_number=number, override=None)
    except ProviderError as error:
        return Ended(error.exit_code, None, None, str(error))
    (outcome,) = result.outcomes
    return Ended(result.exit_code, outcome.status, outcome.failure, outcome.message)


def lines_of(context: Context, number: str, *, but: tuple[str, ...] = ()) -> dict[str, list]:
    """The published lines of an invoice, without what says whose they are and how they came."""
    found = {}
    with context.engine.connect() as connection:
        for table in (license_line, usage_line, usage_summary):
            mine = select(table).where(table.c.provider_invoice_id.in_(_named(number))).order_by(*table.primary_key)
            rows = [dict(row._mapping) for row in connection.execute(mine)]
            found[table.name] = [{key: value for key, value in row.items() if key not in (*_OWN, *but)} for row in rows]
    return found


def counts(found: dict[str, list]) -> tuple[int, ...]:
    return tuple(map(len, found.values()))


def others_than(context: Context, number: str) -> list[str]:
    """A hash over the published lines of every other invoice, table by table."""
    with context.engine.connect() as connection:
        hashed = [
            select(func.md5(func.string_agg(text("t::text"), aggregate_order_by(literal("|"), text("t::text")))))
            .select_from(table.alias("t"))
            .where(column("provider_invoice_id").not_in(_named(number)))
            for table in (license_line, usage_line, usage_summary)
        ]
        return [connection.execute(statement).scalar_one() for statement in hashed]


def _named(number: str):
    return select(provider_invoice.c.provider_invoice_id).where(provider_invoice.c.invoice_number == number)


def begin(served: Served, number: str, write: Write) -> None:
    """The neighbours and this one are listed, the others of the matrix no more."""
    for other in [one for one in served.estate.documents if one not in ("N1", "N2")]:
        del served.estate.documents[other]
    write(served.estate, number)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_fault_leaves_the_whole_invoice_or_nothing_and_heals(configured: Context, served: Served, case: Case) -> None:
    number = f"F{CASES.index(case):02}"
    others, left_before = others_than(configured, number), set(leftovers(configured))
    begin(served, number, case.content)
    served.faults.replace(switch.replace("changed-total", f"changed-total:{number}") for switch in case.switches)
    ended = synced(configured, number)
    struck, left = served.faults.left(), [switch for switch in case.switches if re.search(r"x\d$", switch)]
    served.faults.replace([])

    assert (ended.exit_code, ended.failure) == (case.exit_code, case.failure if case.listed else None), ended.message
    assert others_than(configured, number) == others
    assert not left or struck == [], "the fault was never met"
    if case.failure is None:
        assert ended.status == "Active/Active"
        assert counts(lines_of(configured, number)) == case.lines
    else:
        assert ended.status == ("Inactive/Error" if case.listed else None)
        assert counts(lines_of(configured, number)) == (0, 0, 0)
        assert re.search(case.said, ended.message, re.DOTALL), ended.message
        assert _ACTION.search(ended.message) and ended.message.endswith(".") and len(ended.message) < 500, ended.message
        assert told(configured, number) == (ended.message if case.listed else None)
        begin(served, number, estates.two_invoices_worth)
        assert synced(configured, number).status == "Active/Active"
    if case.lines == WHOLE:
        assert lines_of(configured, number, but=case.but) == lines_of(configured, "N1", but=case.but)
    assert set(leftovers(configured)) - left_before == set()


def leftovers(context: Context) -> list[str]:
    return estates.leftovers(context.engine, context.settings.home)


def told(context: Context, number: str) -> str | None:
    """What the stored invoice says of itself; None where none is stored."""
    with context.engine.connect() as connection:
        assert connection.execute(select(import_run).where(import_run.c.status == "running")).all() == []
        asked = select(provider_invoice.c.message).where(provider_invoice.c.invoice_number == number)
        return connection.execute(asked).scalars().one_or_none()


def test_one_number_in_two_tenants_is_two_invoices(configured: Context, served: Served, tmp_path: Path) -> None:
    elsewhere = Estate(tmp_path / "estate")
    elsewhere.invoice("N1", [seat("7.00", SubscriptionId="")])
    with estates.serve(elsewhere) as other:
        with configured.engine.begin() as connection:
            urls = {"api_url": other.url, "graph_url": other.url, "login_url": other.url}
            store_providers.save(
                connection,
                Provider("csp-two", ProviderType.PARTNER_CENTER, tenant_id=estates.TENANT, client_id="app", tolerance=D("0.05"), **urls),
                now=NOW,
            )
        records = elsewhere.records(
            tmp_path / "records", provider_accounts=f"provider,provider_account_id,account_id\ncsp-two,{estates.CONTOSO},A-1\n"
        )
        context = estates.configure(configured, served.url, records=records)
        both = replace(context.settings, environment={**context.settings.environment, "W365_SECRET_CSP_TWO": "another"})
        context = replace(context, settings=both)
        before = lines_of(context, "N1")
        result = syncing.sync_invoice(context, provider_name="csp-two", invoice_number="N1", override=None)
    assert [(outcome.provider, outcome.status) for outcome in result.outcomes] == [("csp-two", "Active/Active")]
    after = lines_of(context, "N1")
    assert len(after["license_line"]) == len(before["license_line"]) + 1
    assert [row for row in after["license_line"] if row not in before["license_line"]][0]["subtotal"] == D("7.00")
    with pytest.raises(CallRefused, match="--provider"):
        syncing.sync_invoice(context, provider_name=None, invoice_number="N1", override=None)
