"""Do lines as providers are known to send them come in as they stand? Each over a socket or from a file, one invoice a test beside the others.

The table in docs/provider-problems.md names these tests; what is already shown elsewhere is not repeated here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from tests import estates, postgres
from tests.conftest import NOW
from tests.estates import Estate, Line, Served, daily, seat, usage
from w365core.errors import InputRefused
from w365core.jobs import filing, syncing
from w365core.jobs.context import Context
from w365core.jobs.filing import Claimed
from w365core.settings import Settings
from w365core.store.tables import license_line, provider_invoice, usage_line, usage_summary

D = Decimal
_OWN = ("provider_invoice_id", "usage_id", "created_at", "invoice_number")


@dataclass(frozen=True)
class Found:
    """What an import left: the invoice, its lines in the order of the provider, its summaries, and what it said."""

    status: str
    failure: str | None
    message: str
    invoice: Any
    license: list
    usage: list
    summaries: list


@dataclass(frozen=True)
class Provided:
    """A provider over HTTP and a folder for files, both of the same invoices."""

    context: Context
    served: Served
    folder: Path
    numbers: Iterator[int]

    def sync(self, lines: list[Line], rated: list[Line] = (), **header: Any) -> Found:
        """Lists a document of these lines and syncs it."""
        number = f"G{next(self.numbers)}"
        self.served.estate.invoice(number, lines, rated, **header)
        (outcome,) = syncing.sync_invoice(self.context, provider_name=estates.PROVIDER, invoice_number=number, override=None).outcomes
        return self.found(outcome)

    def file(self, *written: str | bytes, total: str | None = None) -> Found:
        """Imports files with these contents by hand."""
        number = f"H{next(self.numbers)}"
        paths = []
        for position, content in enumerate(written):
            paths.append(self.folder / f"{number}-{position}.csv")
            paths[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
        said = Claimed(estates.PROVIDER, number, D(total) if total else None, "EUR", date(2026, 11, 8), None, None, False)
        return self.found(filing.import_by_hand(self.context, paths, said).outcome)

    def found(self, outcome) -> Found:
        with self.context.engine.connect() as connection:
            asked = select(provider_invoice).where(provider_invoice.c.invoice_number == outcome.invoice)
            invoice = connection.execute(asked).one()
            rows = [
                connection.execute(
                    select(table).where(table.c.provider_invoice_id == invoice.provider_invoice_id).order_by(table.c[order])
                ).all()
                for table, order in ((license_line, "line_number"), (usage_line, "line_number"), (usage_summary, "cost"))
            ]
        return Found(outcome.status, outcome.failure, outcome.message, invoice, *rows)


@pytest.fixture(scope="module")
def provided(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provided]:
    home = tmp_path_factory.mktemp("known")
    with estates.serve(Estate(home / "estate")) as served, postgres.used_database(template) as url:
        engine = create_engine(url, connect_args={"options": "-c synchronous_commit=off"})
        bare = Context(
            Settings(home=home / "home", database_url=url, http_timeout=5, http_tries=2, poll=0.02),
            engine,
            NOW,
            "tester",
            lambda said: None,
        )
        context = estates.configure(bare, served.url, records=served.estate.records(home / "records"))
        yield Provided(context, served, home, count(1))
        engine.dispose()


def as_csv(lines: list[Line], *, separator: str = ",") -> str:
    """The lines as the portal's CSV has them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for line in lines for name in line)), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def plain(rows: list) -> list[dict[str, Any]]:
    """Rows without what says whose they are."""
    return [{name: value for name, value in row._mapping.items() if name not in _OWN} for row in rows]


# --- sums that do not agree --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "rated", "total", "difference"),
    [
        pytest.param([seat("100.00", tax="19.00")], [], "138.00", "19.00", id="more tax on the header"),
        pytest.param([seat("100.00")], [], "75.00", "-25.00", id="a credit that only the header has"),
        pytest.param([seat("100.00")], [], "1429.7525", "1329.7525", id="a reservation that only the header has"),
    ],
)
def test_what_only_the_header_has_is_a_difference_with_its_sign(provided, lines, rated, total, difference):
    found = provided.sync(lines, rated, total=total)
    assert (found.failure, found.invoice.difference, found.license) == ("checksum_failed", D(difference), [])
    assert f"a difference of {D(difference):,} EUR" in found.message and "An override tolerance of" in found.message
    assert found.invoice.tax_total == sum(D(line["TaxTotal"]) for line in lines)


def test_a_reservation_and_the_marketplace_are_no_usage_that_the_daily_file_would_lack(provided):
    reservation = seat("1329.7525", SubscriptionDescription="Azure plan", SubscriptionId="", ReservationOrderId="R-1")
    marketplace = seat("40.00", PublisherName="Others Inc.", SubscriptionId="")
    found = provided.sync([reservation, marketplace, usage("10.00")], [daily("10.00")])
    assert (found.status, found.invoice.license_total, found.invoice.usage_total) == ("Active/Active", D("1369.7525"), D("10.00"))
    assert [line.kind for line in found.license] == ["license", "license", "usage"]


def test_the_same_invoice_by_file_and_by_api_has_the_same_lines(provided):
    lines = [seat("1234.567", tax="0.003"), seat("-34.57", ChargeType="removeQuantity"), usage("10.00")]
    rated = [daily("4.123456789", Tags='{"a": "b"}'), daily("5.876543211", day=2)]
    by_api, by_file = provided.sync(lines, rated), provided.file(as_csv(lines), as_csv(rated), total="1210.00")
    assert (by_api.status, by_file.status) == ("Active/Active", "Active/Active")
    for name in ("license", "usage", "summaries"):
        assert plain(getattr(by_api, name)) == plain(getattr(by_file, name))


# --- lines that look wrong and are not ---------------------------------------------------------------------------------------------------------


def test_usage_of_the_month_before_stays_on_the_invoice_it_came_on(provided):
    late = daily("4.00", UsageDate="2026-09-30", ChargeStartDate="2026-09-01", ChargeEndDate="2026-09-30")
    found = provided.sync([usage("10.00")], [late, daily("6.00")])
    assert [(one.cost, one.charge_start) for one in found.summaries] == [(D("4.00"), date(2026, 9, 1)), (D("6.00"), date(2026, 10, 1))]


def test_negative_amounts_and_quantities_count_as_they_stand(provided):
    lines = [seat("-8.00", Quantity="-2", UnitPrice="4.00"), seat("-5.00", Quantity="1"), usage("-3.50")]
    found = provided.sync(lines, [daily("-4.00", Quantity="-7.5"), daily("0.50", Quantity="-1")])
    assert (found.status, found.invoice.header_total) == ("Active/Active", D("-16.50"))
    assert [(line.quantity, line.subtotal) for line in found.license] == [(-2, -8), (1, -5), (1, D("-3.5"))]
    assert (found.summaries[0].cost, found.summaries[0].quantity) == (D("-3.50"), D("-8.5"))


def test_a_credit_and_its_new_bill_are_two_lines_and_nothing_is_netted(provided):
    credit = seat("-50.00", ChargeType="addQuantity", Quantity="10", OrderDate="2026-10-12T09:00:00Z")
    again = seat("60.00", ChargeType="addQuantity", Quantity="12", OrderDate="2026-10-12T09:00:00Z")
    found = provided.sync([seat("100.00", Quantity="10"), credit, again])
    assert [(line.charge_type, line.quantity, line.subtotal) for line in found.license] == [
        ("cycleCharge", 10, 100),
        ("addQuantity", 10, -50),
        ("addQuantity", 12, 60),
    ]


def test_lines_that_differ_in_their_earned_credit_alone_or_in_nothing_all_count(provided):
    pair = [daily("3.00", PartnerEarnedCreditPercentage=credit) for credit in ("15", "0", "0")]
    found = provided.sync([usage("9.00")], pair)
    assert [line.partner_earned_credit_percentage for line in found.usage] == [15, 0, 0]
    assert [(one.cost, one.lines) for one in found.summaries] == [(9, 3)]


def test_resources_that_differ_in_letter_case_are_one_summary_and_keep_their_names(provided):
    names = ("Microsoft.Storage", "microsoft.storage", "MICROSOFT.STORAGE")
    found = provided.sync([usage("3.00")], [daily("1.00", ConsumedService=name, ResourceGroup=name) for name in names])
    assert [line.consumed_service for line in found.usage] == list(names)
    assert [(one.cost, one.lines) for one in found.summaries] == [(3, 3)]


# --- ids that are missing, blank or other than they look ---------------------------------------------------------------------------------------


def test_a_blank_subscription_keeps_its_money_and_blocks_nothing(provided):
    found = provided.sync([seat("100.00", SubscriptionId=""), usage("10.00")], [daily("10.00", SubscriptionId="", EntitlementId="")])
    assert (found.status, "2 lines have no subscription id" in found.message) == ("Active/Active", True)
    assert (found.license[0].subscription_id, found.license[0].account_id, found.license[0].subtotal) == (None, "A-1", 100)
    assert [(one.subscription_id, one.account_id, one.cost) for one in found.summaries] == [(None, "A-1", 10)]


@pytest.mark.parametrize("blank", [None, ""], ids=["null", "blank"])
def test_a_line_without_customer_product_or_sku_is_kept_with_its_subscription(provided, blank):
    nobody = {"CustomerId": blank, "CustomerName": blank, "ProductId": blank, "SkuId": blank, "ProductName": blank}
    found = provided.sync([seat("100.00", **nobody)])
    assert (found.status, found.license[0].account_id, found.license[0].subtotal) == ("Active/Active", "A-1", 100)
    assert not found.license[0].provider_customer_id and not found.license[0].sku_id


def test_a_customer_that_no_line_names_blocks_the_invoice_with_its_money(provided):
    found = provided.sync([seat("100.00"), seat("7.00", CustomerId=None, CustomerName=None, SubscriptionId="")])
    assert (found.failure, found.license) == ("unresolved_references", [])
    assert "1 customer" in found.message and "7.00 EUR" in found.message


def test_ids_keep_zeros_and_digits_from_a_file(provided):
    line = seat("100.00", SkuId="0002", OrderId="123456789012345678", SkuName="365", MpnId="004711")
    (kept,) = provided.file(as_csv([line])).license
    assert (kept.sku_id, kept.order_id, kept.sku_name, kept.mpn_id) == ("0002", "123456789012345678", "365", "004711")


@pytest.mark.parametrize("printed", [-1, 0, "0", "", None], ids=repr)
def test_a_missing_reseller_in_any_spelling_is_kept_as_printed_and_nobody_elses_is_put_there(provided, printed):
    (kept,) = provided.sync([seat("100.00", MpnId=printed, Tier2MpnId=printed)]).license
    assert {kept.mpn_id, kept.tier2_mpn_id} <= {None if printed is None else str(printed)} | ({None} if printed == "" else set())


@pytest.mark.parametrize("spelled", ["onetime", "one_time", "OneTime", "something after 2026"])
def test_a_charge_type_in_any_spelling_and_an_unknown_one_are_kept_as_printed(provided, spelled):
    found = provided.sync([seat("100.00", ChargeType=spelled)])
    assert (found.status, found.license[0].charge_type) == ("Active/Active", spelled)


# --- values in odd shapes ----------------------------------------------------------------------------------------------------------------------


def test_two_currencies_on_one_line_are_two_amounts_and_only_the_billed_one_counts(provided):
    priced = {"PricingCurrency": "USD", "PricingPreTaxTotal": "20.00", "UnitPrice": "20.00", "PCToBCExchangeRate": "0.5"}
    found = provided.sync([usage("10.00")], [daily("10.00", **priced)])
    (line,) = found.usage
    assert (line.billing_pre_tax_total, line.billing_currency) == (10, "EUR")
    assert (line.pricing_pre_tax_total, line.pricing_currency, line.exchange_rate) == (20, "USD", D("0.5"))
    assert (found.summaries[0].cost, found.summaries[0].currency) == (10, "EUR")


def test_a_number_in_scientific_notation_keeps_every_digit(provided):
    printed = "1.2345678901234567890123E-7"
    (line,) = provided.sync([usage("0.01")], [daily("0.01", EffectiveUnitPrice=printed, Quantity="1.25E+3")]).usage
    assert (line.effective_unit_price, line.quantity) == (D(printed), 1250)


@pytest.mark.parametrize(
    "tags", ['{"env": "prod"}', '"env": "prod","env": "test"', '{" org": "x", "a": 1, "a": 2}', "env=prod;", "{not json"]
)
def test_tags_are_kept_as_they_came(provided, tags):
    (line,) = provided.sync([usage("1.00")], [daily("1.00", Tags=tags)]).usage
    assert line.tags == tags


@pytest.mark.parametrize("nothing", ["NULL", "(null)", "None", "null", ""])
def test_no_value_in_words_is_no_number_and_no_date_and_never_an_amount(provided, nothing):
    (kept,) = provided.file(as_csv([seat("100.00", UnitPrice=nothing, SubscriptionEndDate=nothing)])).license
    assert (kept.unit_price, kept.subscription_end) == (None, None)
    with pytest.raises(InputRefused, match="row 2, column Subtotal"):
        provided.file(as_csv([seat("100.00") | {"Subtotal": nothing}]))


def test_a_charge_without_a_window_is_open(provided):
    (kept,) = provided.sync([seat("100.00", ChargeStartDate=None, ChargeEndDate="0001-01-01T00:00:00")]).license
    assert (kept.charge_start, kept.charge_end) == (None, None)


def test_a_shifted_column_is_named_and_not_believed(provided):
    with pytest.raises(InputRefused, match="row 2, column Currency: found '12.50'"):
        provided.file(as_csv([seat("100.00") | {"Currency": "12.50", "PriceAdjustmentDescription": "EUR"}]))


def test_a_file_of_another_country_is_read_as_it_was_meant(provided):
    lines = [seat("1234.50", tax="234.56") | {"ChargeStartDate": "2026-10-01", "ChargeEndDate": "2026-10-31"} for _ in range(2)]
    money = ("Subtotal", "TaxTotal", "Total", "UnitPrice")
    local = [line | {name: line[name].replace(".", ",") for name in money} for line in lines]
    kept = provided.file(b"\xff\xfe" + as_csv(local, separator=";").encode("utf-16-le"), total="2938.12")
    assert (kept.status, [line.subtotal for line in kept.license]) == ("Active/Active", [D("1234.50")] * 2)


def test_headers_in_another_case_are_read_and_in_another_language_refused_by_name(provided):
    content = as_csv([seat("100.00")])
    head, _, rest = content.partition("\n")
    folded = ",".join(f" {name.lower()} " for name in head.split(","))
    assert provided.file(f"{folded}\n{rest}").license[0].subtotal == 100
    with pytest.raises(InputRefused) as refused:
        provided.file(f"{head.replace('Subtotal', 'Zwischensumme')}\n{rest}")
    assert "Subtotal" in str(refused.value)


def test_a_link_that_dies_is_not_stored(provided):
    found = provided.sync([seat("100.00")], pdfDownloadLink="https://partner.example/pdf?sig=dies-in-half-an-hour")
    assert found.status == "Active/Active" and "dies-in" not in repr(found.invoice)
    assert all("dies-in" not in str(rows) for rows in estates.stored(provided.context.engine).values())


def test_many_lines_come_in_batches_and_each_is_counted(provided):
    rows = as_csv([seat("0.01")]).splitlines()
    found = provided.file("\n".join([rows[0], *[rows[1]] * 30_000]), total="300.00")
    assert (found.status, found.invoice.license_lines, len(found.license)) == ("Active/Active", 30_000, 30_000)
