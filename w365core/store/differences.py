"""What are the lines of an invoice, summed by what they share? The facts that a difference is explained from, and the lines of an explanation.

Read from the stage of an attempt or from what is published: one grouping per file, however many lines there are. What is beyond the most groups that
are told apart stays as their sum, so that every sum agrees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from w365core import money
from w365core.charge_types import Charge
from w365core.difference import Document, LineGroup, Repeat, Selection, Trait
from w365core.model import LineKind
from w365core.store import charges, currencies, queries, stage

MOST_GROUPS = 30_000
MOST_REPEATS = 200
MOST_LISTED = 5_000
_LONGEST_REPEAT = 500  # line numbers of one repeated line


def folded(column: str) -> str:
    """An id of a line as it is compared: without blanks and case, null where blank, byte by byte."""
    return f"nullif(lower(btrim(line.{column}) collate \"C\"), '')"


_CREDIT = f"{charges.prints('line.charge_type', Charge.CREDIT)} or nullif(btrim(line.credit_reason_code), '') is not null"
_SAVINGS = "concat_ws(' ', line.product_name, line.sku_name) ilike '%savings plan%'"
_RESERVED = (
    "lower(coalesce(btrim(line.reservation_order_id), '')) not in ('', 'null', '(null)', 'none', 'n/a', 'na') "
    "or (line.kind = 'usage' and line.product_name ilike 'reserved %')"
)
_FOREIGN = "lower(coalesce(btrim(line.publisher_name), '')) not in ('', 'null', 'none', 'n/a', 'na') and line.publisher_name not ilike '%microsoft%'"
_TRAIT = (
    f"case when {_CREDIT} then '{Trait.CREDIT}' when {_SAVINGS} then '{Trait.SAVINGS_PLAN}' when {_RESERVED} then '{Trait.RESERVATION}' "
    f"when {_FOREIGN} then '{Trait.MARKETPLACE}' else '{Trait.PLAIN}' end"
)
_DAILY_TRAIT = f"case when {_FOREIGN} then '{Trait.MARKETPLACE}' else '{Trait.PLAIN}' end"
_KEYS = ("provider_customer_id", "provider_subscription_id", "product_id", "sku_id")
_SHARED = ", ".join(f"{folded(name)} as {name}" for name in (*_KEYS, "charge_type"))
_NAMES = (
    'line.customer_name collate "C" as customer_name, line.product_name collate "C" as product_name, line.sku_name collate "C" as sku_name'
)
_ROOM = "128MB"  # for hashes over a million lines; the server's default makes it sort them on disk
_PRICED = "line.effective_unit_price * coalesce(line.billable_quantity, line.quantity)"
_RATE = "coalesce(line.exchange_rate, 1)"


@dataclass(frozen=True)
class Lines:
    """Whose lines: those staged by a run, or without one those published."""

    provider_invoice_id: int
    run_id: int | None = None

    @property
    def reconciled(self) -> str:
        return stage.LICENSE if self.run_id is None else stage.table_of(stage.LICENSE, self.run_id)

    @property
    def daily(self) -> str:
        return stage.USAGE if self.run_id is None else stage.table_of(stage.USAGE, self.run_id)


def make_room(connection: Connection) -> None:
    """Has the caller's transaction sum up a million lines by hashing, in memory. The database takes the condition on a currency for one that hardly any
    line meets, and would rather sort them."""
    connection.execute(text(f"set local work_mem = '{_ROOM}'"))
    connection.execute(text("set local enable_sort = off"))


def lines_of(connection: Connection, provider_invoice_id: int) -> Lines:
    """The lines of an invoice as they stand: staged while it is in Error, else published."""
    return Lines(provider_invoice_id, queries.staged_run(connection, provider_invoice_id))


def reconciled(connection: Connection, lines: Lines, *, currency: str, most: int = MOST_GROUPS) -> tuple[LineGroup, ...]:
    """The reconciliation file's lines in this currency, in groups, the biggest first."""
    ruled = (
        f"case when line.kind = 'usage' then trunc(trunc({_PRICED}, :places) * {_RATE}, :places) "
        f"else trunc(line.effective_unit_price * {_RATE}, :places) * coalesce(line.billable_quantity, line.quantity) end"
    )
    fine = (
        f"select line.kind, {_TRAIT} as trait, {_SHARED}, coalesce(line.tax_total, 0) <> 0 as is_taxed, "
        f"case when {_CREDIT} then line.line_number end as line, {_NAMES}, line.subtotal, "
        f"coalesce(line.tax_total, 0) as tax, line.total, {_PRICED} * {_RATE} as unrounded, {ruled} as ruled, 0::bigint as days "
        f"from {lines.reconciled} line where line.provider_invoice_id = :id and {currencies.code('line.currency')} = :currency"
    )
    return _grouped(connection, fine, lines, currency, most)


def daily_rated(connection: Connection, lines: Lines, *, currency: str, most: int = MOST_GROUPS) -> tuple[LineGroup, ...]:
    """The daily-rated lines in this currency, in groups, with the days on which each has usage."""
    fine = (
        f"select 'usage' as kind, {_DAILY_TRAIT} as trait, {_SHARED}, false as is_taxed, null::bigint as line, {_NAMES}, line.billing_pre_tax_total as subtotal, "
        f"0::numeric as tax, line.billing_pre_tax_total as total, null::numeric as unrounded, null::numeric as ruled, "
        f"case when line.usage_date is null then 0 else 1::bigint << least(line.usage_date - (select min(usage_date) from {lines.daily} "
        f"where provider_invoice_id = :id), 62) end as days "
        f"from {lines.daily} line where line.provider_invoice_id = :id and {currencies.code('line.billing_currency')} = :currency"
    )
    return _grouped(connection, fine, lines, currency, most)


def window(connection: Connection, lines: Lines) -> tuple[Any, int]:
    """The first day with daily usage, and the days that the daily lines are charged for, as bits from that day on."""
    row = connection.execute(
        text(
            f"select min(usage_date) as first, greatest(max(charge_end), max(usage_date)) as last from {lines.daily} where provider_invoice_id = :id"
        ),
        {"id": lines.provider_invoice_id},
    ).one()
    if row.first is None or row.last is None:
        return None, 0
    return row.first, (1 << min((row.last - row.first).days + 1, 62)) - 1


def repeats(connection: Connection, lines: Lines, *, currency: str) -> tuple[Repeat, ...]:
    """Lines of the reconciliation file that stand several times, equal in all that is charged, biggest surplus first."""
    same = "provider_customer_id, provider_subscription_id, product_id, sku_id, charge_type, charge_start, charge_end, order_id, order_date, quantity"
    same += ", billable_quantity, subtotal, tax_total, total, meter_description"
    charged = ", ".join(f"line.{name}" for name in same.split(", "))
    statement = text(  # lines are told apart by a hash of 64 bits: a million of them stay in memory
        f"with marked as materialized (select line.line_number, hash_record_extended(row({charged}), 0) as mark from {lines.reconciled} line "
        f"where line.provider_invoice_id = :id and {currencies.code('line.currency')} = :currency and line.total <> 0), "
        f"many as (select mark, count(*) as times from marked group by mark having count(*) > 1), "
        f"twice as (select min(line_number) as first, max(times) as times, "
        f"(array_agg(line_number order by line_number))[1\\:{_LONGEST_REPEAT}] as numbers from marked join many using (mark) group by mark) "
        f"select twice.numbers, (twice.times - 1) * line.total as surplus, (twice.times - 1) * line.subtotal as before_tax, "
        f"line.kind, {', '.join(folded(name) for name in _KEYS)}, line.customer_name, line.product_name from twice "
        f"join {lines.reconciled} line on line.provider_invoice_id = :id and line.line_number = twice.first "
        f"order by abs((twice.times - 1) * line.total) desc, twice.first limit :most"
    )
    make_room(connection)
    given = {"id": lines.provider_invoice_id, "currency": currency.upper(), "most": MOST_REPEATS}
    rows = connection.execute(statement, given).all()
    return tuple(
        Repeat(tuple(numbers), surplus, customer, product, LineKind(kind), before_tax, tuple(key))
        for numbers, surplus, before_tax, kind, *key, customer, product in rows
    )


def taxed_per_line(connection: Connection, lines: Lines, *, currency: str, rates: Sequence[Decimal]) -> tuple[tuple[Decimal, Decimal], ...]:
    """What each rate, in per cent, comes to on the lines that print no tax, rounded half up line by line."""
    if not rates:
        return ()
    sums = ", ".join(f"coalesce(sum(round(line.subtotal * :rate{place} / 100, :places)), 0)" for place in range(len(rates)))
    statement = text(
        f"select {sums} from {lines.reconciled} line where line.provider_invoice_id = :id and {currencies.code('line.currency')} = :currency "
        "and coalesce(line.tax_total, 0) = 0"
    )
    given = {f"rate{place}": rate for place, rate in enumerate(rates)}
    given |= {"id": lines.provider_invoice_id, "currency": currency.upper(), "places": money.minor_units(currency)}
    return tuple(zip(rates, connection.execute(statement, given).one(), strict=True))


def documents(connection: Connection, provider_invoice_id: int) -> tuple[Document, ...]:
    """Documents of the same provider and currency that may belong to this one: what amends it, and credits of the last year."""
    statement = text(
        "select other.invoice_number, other.header_total, coalesce(lower(other.amends_of) = lower(mine.invoice_number), false) as amends "
        "from provider_invoice mine join provider_invoice other on other.provider = mine.provider and other.currency = mine.currency "
        "and other.provider_invoice_id <> mine.provider_invoice_id and other.header_total is not null and other.header_total <> 0 "
        "where mine.provider_invoice_id = :id and (lower(other.amends_of) = lower(mine.invoice_number) "
        "or (other.header_total < 0 and other.invoice_date > mine.invoice_date - 366)) order by 3 desc, other.invoice_date desc, 1 limit 500"
    )
    return tuple(Document(*row) for row in connection.execute(statement, {"id": provider_invoice_id}))


def selected(connection: Connection, lines: Lines, wanted: Selection, *, most: int = MOST_LISTED) -> list[Mapping[str, Any]]:
    """The lines of an explanation, biggest money first, with the account's name."""
    which = stage.USAGE if wanted.daily else stage.LICENSE
    table, other = (lines.daily, lines.reconciled) if wanted.daily else (lines.reconciled, lines.daily)
    names = ", ".join(f"line.{column.name}" for column in stage.columns_of(which))
    amount = "billing_pre_tax_total" if wanted.daily else "total"
    conditions, given = _conditions(wanted, other)
    statement = text(
        f"select {names}, account.name as account_name from {table} line left join account on account.account_id = line.account_id "
        f"where line.provider_invoice_id = :id {conditions} order by abs(line.{amount}) desc, line.line_number limit :most"
    )
    rows = connection.execute(statement, {"id": lines.provider_invoice_id, "most": most, **given}).mappings()
    return [dict(row) for row in rows]


# --- statements --------------------------------------------------------------------------------------------------------------------------


def _given(lines: Lines, currency: str) -> dict[str, Any]:
    return {"id": lines.provider_invoice_id, "currency": currency.upper()}


def _grouped(connection: Connection, fine: str, lines: Lines, currency: str, most: int) -> tuple[LineGroup, ...]:
    """The lines in groups; what is beyond `most` is summed by kind, trait and tax."""
    keys = f"{', '.join(_KEYS)}, charge_type, line"
    sums = "sum(subtotal) as subtotal, sum(tax) as tax, sum(total) as total, " + ", ".join(
        f"case when count(*) = count({name}) then sum({name}) end as {name}" for name in ("unrounded", "ruled")
    )
    told = "lines, subtotal, tax, total, unrounded, ruled, days, customer_name, product_name"
    blank = ", ".join(f"null as {name}" for name in (*_KEYS, "charge_type"))
    statement = text(
        f"with fine as ({fine}), grouped as (select kind, trait, is_taxed, {keys}, count(*) as lines, {sums}, bit_or(days) as days, "
        f"max(customer_name) as customer_name, concat_ws(', ', max(product_name), nullif(max(sku_name), max(product_name))) as product_name "
        f"from fine group by kind, trait, is_taxed, {keys}), "
        f"ranked as (select *, row_number() over (order by abs(subtotal) desc, kind, trait, is_taxed, {keys}) as place from grouped) "
        f"select kind, trait, is_taxed, {keys}, {told}, false as is_rest, place from ranked where place <= :most union all "
        f"select kind, trait, is_taxed, {blank}, null::bigint, sum(lines)::bigint, {sums}, bit_or(days), null, null, true, :most + 1 "
        f"from ranked where place > :most group by kind, trait, is_taxed order by place, kind, trait, is_taxed"
    )
    given = _given(lines, currency) | {"most": most}
    given |= {"places": money.minor_units(currency)} if ":places" in fine else {}
    make_room(connection)
    return tuple(_group(row) for row in connection.execute(statement, given))


def _group(row: Row) -> LineGroup:
    return LineGroup(
        kind=LineKind(row.kind),
        trait=Trait(row.trait),
        customer=row.provider_customer_id,
        subscription=row.provider_subscription_id,
        product=row.product_id,
        sku=row.sku_id,
        charge_type=row.charge_type,
        is_taxed=row.is_taxed,
        lines=row.lines,
        subtotal=money.trimmed(row.subtotal),
        tax=money.trimmed(row.tax),
        total=money.trimmed(row.total),
        unrounded=row.unrounded,
        ruled=row.ruled,
        days=row.days,
        line=row.line,
        customer_name=row.customer_name,
        product_name=row.product_name,
        is_rest=row.is_rest,
    )


def _conditions(wanted: Selection, other: str) -> tuple[str, dict[str, Any]]:
    """The selection as SQL, each condition with `and` before it, and what is bound in it. `other` is the table of the other file."""
    conditions: list[str] = []
    given: dict[str, Any] = {}
    for name, column in (("customer", "provider_customer_id"), ("product", "product_id"), ("charge_type", "charge_type")):
        if getattr(wanted, name) is not None:
            conditions.append(f"lower(btrim(line.{column})) = :{name}")
            given[name] = getattr(wanted, name)
    if wanted.kind is not None and not wanted.daily:
        conditions.append("line.kind = :kind")
        given["kind"] = wanted.kind
    if wanted.trait is not None:
        conditions.append(f"({_DAILY_TRAIT if wanted.daily else _TRAIT}) = :trait")
        given["trait"] = wanted.trait
    if wanted.taxed is not None:
        conditions.append(f"(coalesce(line.tax_total, 0) <> 0) = {'true' if wanted.taxed else 'false'}")
    if wanted.subscriptions:
        conditions.append("lower(btrim(line.provider_subscription_id)) = any(:subscriptions)")
        given["subscriptions"] = list(wanted.subscriptions)
    if wanted.line_numbers:
        conditions.append("line.line_number = any(:line_numbers)")
        given["line_numbers"] = list(wanted.line_numbers)
    if wanted.only_here:
        same = " and ".join(f"coalesce(lower(btrim(elsewhere.{name})), '') = coalesce(lower(btrim(line.{name})), '')" for name in _KEYS)
        conditions.append(f"not exists (select from {other} elsewhere where elsewhere.provider_invoice_id = :id and {same})")
    return " ".join(f"and {condition}" for condition in conditions), given
