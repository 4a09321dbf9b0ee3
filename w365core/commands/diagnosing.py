"""The command for usage that is not billed: why there is no usage invoice, contract by contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from w365core import money, printing
from w365core.commands import typed
from w365core.commands.typed import Json, opened
from w365core.errors import CallRefused

commands = typer.Typer()
_FIRST = ("contract_id", "subscription_id", "outcome", "headline", "causes", "amount_at_risk", "currency")


@commands.command()
def diagnose(
    period: Annotated[str, typer.Option("--period", help="Month of the invoice date of the customer's invoice, YYYY-MM.")],
    subscription: Annotated[str | None, typer.Option("--subscription", help="Only this usage subscription: our id.")] = None,
    contract: Annotated[str | None, typer.Option("--contract", help="Only this contract.")] = None,
    json: Json = False,
) -> None:
    """Why a usage invoice is missing: for each usage contract of the month what comes of it, what holds it up, and what to do."""
    from w365core.jobs import diagnosing
    from w365core.store.engine import guarded

    typed.month(period)
    if not period:
        raise CallRefused("--period is blank; write the month of the invoice date, such as 2026-11.")
    first_day = typed.day(f"{period}-01", "--period")
    context = opened()
    with guarded(), context.engine.connect() as connection:
        known, chosen = diagnosing.records(connection), {"subscription_id": subscription, "contract_id": contract}
        rows = diagnosing.diagnose(connection, period=first_day, today=context.now.date(), **chosen, known=known)
        behind = diagnosing.invoiced_late(connection, **chosen, known=known)
    for one in behind:
        printing.progress(one["sentence"])
    if json:
        printing.answer([_document(row) for row in rows], "", True)
    else:
        _tell(rows, period)
    raise typer.Exit(1 if any(row["outcome"] in diagnosing.FINDINGS for row in rows) else 0)


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    more = {name: value for name, value in row.items() if name not in (*_FIRST, "checks")}
    return {name: row[name] for name in _FIRST} | more


def _tell(rows: Sequence[Mapping[str, Any]], period: str) -> None:
    shown = (
        "contract_id",
        "subscription_id",
        "customer",
        "outcome",
        "headline",
        "amount_at_risk",
        "cost_at_risk",
        "currency",
        "invoice_date",
    )
    printing.table(
        [_readable(row) for row in rows], shown, False, empty=f"No usage subscription has a cycle whose invoice date lies in {period}."
    )
    for row in rows:
        if row["outcome"] not in ("billed", "zero_by_nature", "not_due_yet"):
            named = f"{row['contract_id'] or 'no contract'}, {row['subscription_id']}: {row['sentence']}"
            printing.answer({}, f"\n{named}\n  -> {row['fix']}" if row["fix"] else f"\n{named}", False)


def _readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """Amounts at the currency's minor unit; the exact ones are in the JSON."""
    amounts = {name: row[name] for name in ("amount_at_risk", "cost_at_risk")}
    return {**row} | {name: value if value is None else money.in_currency(value, row["currency"] or "") for name, value in amounts.items()}
