"""Lines as tests write them: builders that state only what matters, as JSON or as cells, through the kernel and put together again.

recon, daily      one line of a reconciliation or daily-rated file, as header -> value; a Decimal prints as a number, a text in quotes
as_json, as_cells a batch of lines
rated             a whole file through the kernel, in batches cut where the test says
REFERENCES        two customers, two subscriptions, an alias and a manual one
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import pyarrow as pa

from w365core import frames
from w365core.frames import Kind
from w365core.intake.parse import JSON_COLUMN, ROW_COLUMN, TextForm
from w365core.intake.resolve import References, Subscription, subscriptions_by_provider_id
from w365core.jobs.rating import Sums, Whole
from w365core.kernels.lines import rate_batch
from w365core.kernels.partials import Job, RatedBatch
from w365core.model import Feed

Line = dict[str, str | Decimal | None]

SEATS = Subscription("SEATS", "A-1", "P-SEATS", "License", None)
AZURE = Subscription("AZURE", "A-1", "P-AZURE", "Usage", Decimal(15))
MOVED = Subscription("MOVED", "A-2", "P-AZURE", "Usage", Decimal("17.647058"))
BLANK = Subscription("BLANK-MARKUP", "A-2", "P-AZURE", "Usage", None)
REFERENCES = References(
    provider="csp-demo",
    invoice_number="G000000001",
    currency="EUR",
    customers={"cust-1": "A-1", "cust-2": "A-2", "unmapped": None},
    subscriptions=subscriptions_by_provider_id(
        [("seats", SEATS), ("ent-1", AZURE), ("ent-4", BLANK)], [("ent-2", MOVED), ("ent-1", MOVED)], [("ent-3", MOVED), ("ent-2", SEATS)]
    ),
    currencies=frozenset({"EUR", "JPY", "KWD"}),
    products=frozenset({"p-seats", "p-azure"}),
)


def recon(subtotal: str | Decimal | None = Decimal(10), **cells: str | Decimal | None) -> Line:
    """A seat line of customer 1."""
    line: Line = {
        "CustomerId": "CUST-1",
        "CustomerName": "Contoso",
        "SubscriptionId": "seats",
        "ChargeType": "cycleCharge",
        "Subtotal": subtotal,
        "TaxTotal": Decimal(0),
        "Currency": "EUR",
        "ChargeStartDate": "2026-11-01T00:00:00Z",
        "ChargeEndDate": "2026-11-30T00:00:00Z",
        "MeterDescription": None,
        "SubscriptionDescription": "Microsoft 365 E3",
        "ReservationOrderId": None,
    }
    return line | cells


def metered(subtotal: str | Decimal | None = Decimal(10), **cells: str | Decimal | None) -> Line:
    """A usage line of a reconciliation file: it prints the Azure plan, not the Azure subscription."""
    return recon(subtotal, **({"SubscriptionId": "plan", "SubscriptionDescription": "Azure plan", "MeterDescription": "D2 v3"} | cells))


def daily(cost: str | Decimal | None = Decimal(10), **cells: str | Decimal | None) -> Line:
    """A daily-rated line of customer 1's Azure subscription."""
    line: Line = {
        "CustomerId": "cust-1",
        "CustomerName": "Contoso",
        "CustomerDomainName": "contoso.com",
        "SubscriptionId": "plan",
        "EntitlementId": "ent-1",
        "EntitlementDescription": "Production",
        "ProductId": "DZH1",
        "SkuId": "0001",
        "ProductName": "Virtual machines",
        "ChargeStartDate": "2026-11-01T00:00:00Z",
        "ChargeEndDate": "2026-11-30T23:59:00Z",
        "Quantity": Decimal(1),
        "BillingPreTaxTotal": cost,
        "BillingCurrency": "EUR",
    }
    return line | cells


def json_of(line: Line) -> bytes:
    """The line as one JSON object; a number prints every digit it has."""
    parts = (f"{json.dumps(key)}:{value if isinstance(value, Decimal) else json.dumps(value)}" for key, value in line.items())
    return ("{" + ",".join(parts) + "}").encode()


def as_json(lines: Sequence[Line | bytes]) -> pa.RecordBatch:
    """A batch of JSON lines; bytes are taken as they are."""
    return pa.RecordBatch.from_pydict(
        {JSON_COLUMN: pa.array([line if isinstance(line, bytes) else json_of(line) for line in lines], pa.binary())}
    )


def as_cells(lines: Sequence[Line], *, first_row: int = 2) -> pa.RecordBatch:
    """The same lines as the rows of a CSV file."""
    headers = list(dict.fromkeys(header for line in lines for header in line))
    cells = {header: pa.array([_cell(line.get(header)) for line in lines], pa.string()) for header in headers}
    return pa.RecordBatch.from_pydict(cells | {ROW_COLUMN: pa.array(range(first_row, first_row + len(lines)), pa.int64())})


def _cell(value: str | Decimal | None) -> str:
    return "" if value is None else str(value)


_KINDS = {column.name: column.kind for column in frames.USAGE_LINE}
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def as_stored(lines: pa.RecordBatch) -> list[dict]:
    """The lines as the table would hold them: blank is null, and what is text for COPY already is read as Postgres reads it."""
    rows: list[dict] = [{} for _ in range(lines.num_rows)]
    for name, column in zip(lines.schema.names, lines.columns, strict=True):
        for row, value in zip(rows, column.to_pylist(), strict=True):
            row |= {name: None if value == "" else value} if "\t" not in name else _read_by_copy(name, value)
    return [dict.fromkeys(_KINDS) | row if "\t" in "".join(lines.schema.names) else row for row in rows]


def _read_by_copy(names: str, text: str) -> dict:
    cells = re.findall(r'((?:[^"\\]|\\.)*)["\n]', text, re.DOTALL)
    return {name: _cell_of(name, cell) for name, cell in zip(names.split(), cells, strict=True)}


def _cell_of(name: str, cell: str) -> str | date | None:
    if _KINDS[name] is Kind.DAY:
        return date.fromisoformat(cell) if cell else None
    if _KINDS[name] is Kind.WHOLE:
        return int(cell)
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), cell, flags=re.DOTALL) or None


@dataclass
class Rated:
    """What came out: the whole, and the batches it was put together from."""

    whole: Whole
    batches: list[RatedBatch] = field(default_factory=list)

    def rows(self, name: str) -> list[dict]:
        return [row for batch in self.batches for row in as_stored(getattr(batch, name))]

    @property
    def totals(self) -> dict[tuple[str, str], tuple]:
        return {(str(t.kind), t.currency): (t.lines, t.subtotal, t.tax, t.total) for t in self.whole.totals}

    @property
    def missing(self) -> dict[tuple[str, str], tuple]:
        return {(str(m.kind), m.key): (m.name, m.lines, m.amount, m.currency) for m in self.whole.missing}


def job_of(feed: Feed, *, usage_from_here: bool = False, references: References = REFERENCES, form: TextForm = TextForm()) -> Job:
    return Job(feed, references, form, usage_from_here)


def rated(batches: Sequence[tuple[pa.RecordBatch, Job]]) -> Rated:
    """Batches through the kernel and their sums put together, as an import does; line numbers run per kind of file."""
    sums, done = Sums(), Rated(Whole())
    numbered: dict[bool, int] = {}
    for batch, job in batches:
        in_daily = job.feed is Feed.DAILY_RATED
        done.batches.append(rate_batch(batch, first_line=numbered.get(in_daily, 0) + 1, job=job))
        numbered[in_daily] = numbered.get(in_daily, 0) + batch.num_rows
        sums.add(done.batches[-1])
    done.whole = sums.into(Whole())
    return done


def rated_daily(*lines: Line | bytes, references: References = REFERENCES) -> Rated:
    return rated([(as_json(lines), job_of(Feed.DAILY_RATED, references=references))])


def rated_recon(*lines: Line | bytes, usage_from_here: bool = False, references: References = REFERENCES) -> Rated:
    return rated([(as_json(lines), job_of(Feed.RECONCILIATION, usage_from_here=usage_from_here, references=references))])
