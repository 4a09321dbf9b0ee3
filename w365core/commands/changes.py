"""Commands for an invoice that the provider has changed, and for what holds it: what is otherwise, whose usage is billed, unlink, take the new version."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from w365core import printing
from w365core.commands.typed import Json, ProviderName, opened

commands = typer.Typer()
Number = Annotated[str, typer.Option("--invoice", help="The provider invoice's number.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays in the history of the invoice.")]


@commands.command()
def changes(invoice: Number, provider: ProviderName = None, json: Json = False) -> None:
    """What the provider changed after the import, line by line, and what that means for each customer."""
    from w365core.reports import changes as report, wording
    from w365core.store import ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.connect() as connection:
            change = report.load(connection, found.provider_invoice_id)
    if json:
        printing.answer(_change(found, change), "", True)
        return
    if change is None:
        said = (
            "The provider has not changed it"
            if not found.changed_at_provider
            else "Its lines were not compared yet: the next daily run does it"
        )
        printing.answer({}, f"Invoice {found.invoice_number}: {said}.", False)
        return
    past = "" if found.changed_at_provider else " That is past: it is not marked as changed any more."
    said = [f"{found.invoice_number}: {change.headline}{past}"]
    if not change.compared:
        printing.answer({}, f"{said[0]} Its lines could not be compared. {change.message}", False)
        return
    said += [
        f"{tile.label}: {wording.counted(tile.lines, 'line')}, {wording.amount(tile.amount, change.currency)}" for tile in change.tiles
    ]
    printing.answer({}, "\n".join(said), False)
    shown = ("what", "customer", "product_name", "charge_type", "charge_start", "amount_before", "amount_now", "currency")
    printing.table(change.lines.rows, shown, False, empty="No line is otherwise.")
    printing.table(change.customers.rows, ("customer", "amount", "billed", "would_be", "delta", "currency", "advice"), False, empty="")


def _change(found: Any, change: Any) -> dict[str, Any]:
    told = {
        "invoice": found.invoice_number,
        "provider": found.provider,
        "currency": found.currency,
        "changed_at_provider": found.changed_at_provider,
    }
    if change is None:
        return told | {"compared": False, "message": "", "lines": [], "customers": []}
    same = ("noticed_at", "compared", "message", "header_total_before", "header_total_now")
    tiles = {tile.label.lower().replace(" ", "_"): {"lines": tile.lines, "amount": tile.amount} for tile in change.tiles}
    named = (
        "what", "feed", "account_id", "customer", "provider_customer_id", "subscription_id", "provider_subscription_id", "product_id", "product_name",
        "charge_type", "charge_start", "charge_end", "quantity_before", "quantity_now", "amount_before", "amount_now", "difference", "currency",
    )  # fmt: skip
    customers = [{**one.as_row(), "customer_invoices": one.on} for one in change.consequences]
    lines = [{name: row[name] for name in named} for row in change.lines.rows]
    return told | {name: getattr(change, name) for name in same} | tiles | {
        "lines_left_out": change.lines_left_out, "lines": lines, "customers": customers,
    }  # fmt: skip


@commands.command()
def children(invoice: Number, provider: ProviderName = None, json: Json = False) -> None:
    """What holds an invoice: the customer invoices that its usage is billed on, and what follows where it is taken off."""
    from w365core.reports import children as report
    from w365core.store import billed, ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.connect() as connection:
            rows = [report.row(child) for child in billed.children(connection, found.provider_invoice_id)]
    shown = ("customer_invoice", "status", "customer", "summaries", "amount", "currency", "consequence")
    printing.table(rows, shown, json, empty=f"No usage of invoice {found.invoice_number} is on a customer invoice; nothing holds it.")


@commands.command()
def unlink(
    invoice: Number,
    reason: Reason,
    customer_invoice: Annotated[list[str] | None, typer.Option("--customer-invoice", help="Only off this one; may be repeated.")] = None,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Takes the usage of an invoice off customer invoices, so that it is billable again; says what follows for each."""
    from w365core.reports import children as report
    from w365core.store import billed, ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.begin() as connection:
            told = {"customer_invoices": customer_invoice or (), "reason": reason, "who": context.who}
            taken = billed.unlink(connection, provider_invoice_id=found.provider_invoice_id, **told)
    said = [report.after(taken, invoice_number=found.invoice_number), *map(report.consequence, taken)]
    document = {"invoice": found.invoice_number, "provider": found.provider, "unlinked": [report.row(child) for child in taken]}
    printing.answer(document, "\n".join(said), json)


@commands.command("take-new-version")
def take_new_version(
    invoice: Number,
    provider: ProviderName = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it stays in the history of the invoice.")] = None,
    json: Json = False,
) -> None:
    """Deactivates an invoice that the provider has changed and imports its new version; refused while its usage is invoiced."""
    from w365core.jobs import taking
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        result = taking.take_new_version(context, provider_name=provider, invoice_number=invoice, reason=reason)
    printing.sync_result(result, json)
    raise typer.Exit(result.exit_code)
