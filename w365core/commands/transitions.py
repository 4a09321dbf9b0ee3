"""Commands for the life of an invoice: activate, deactivate, delete, each with its guard."""

from __future__ import annotations

from typing import Annotated

import typer

from w365core import printing
from w365core.commands.typed import Json, ProviderName, opened

commands = typer.Typer()
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the audit log.")]


@commands.command()
def activate(invoice: Annotated[str, typer.Option("--invoice")], provider: ProviderName = None, json: Json = False) -> None:
    """Makes a complete manual invoice Active, so that its usage can be billed."""
    _transition("activate", invoice, provider, json)


@commands.command()
def deactivate(
    invoice: Annotated[str, typer.Option("--invoice")], provider: ProviderName = None, reason: Reason = None, json: Json = False
) -> None:
    """Takes an Active invoice out of billing, so that it can be synced anew; refused while its usage is invoiced."""
    _transition("deactivate", invoice, provider, json, reason=reason)


@commands.command()
def delete(
    invoice: Annotated[str, typer.Option("--invoice")], provider: ProviderName = None, reason: Reason = None, json: Json = False
) -> None:
    """Removes an invoice and its lines here (never at the provider); refused while its usage is invoiced."""
    _transition("delete", invoice, provider, json, reason=reason)


def _transition(action: str, invoice: str, provider: str | None, as_json: bool, **why: str | None) -> None:
    from w365core.model import Seen
    from w365core.store import ledger, transitions
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        seen = Seen(found.status_reason, found.version, found.import_run_id)
        with context.engine.begin() as connection:
            getattr(transitions, action)(connection, provider_invoice_id=found.provider_invoice_id, who=context.who, seen=seen, **why)
    if action == "activate":
        from w365core.jobs import reconciling

        reconciling.after_import(context, provider=found.provider, invoice_number=found.invoice_number)
    told = {"invoice": found.invoice_number, "provider": found.provider, "done": action}
    printing.answer(told, f"Invoice {found.invoice_number}: {action} done.", as_json)
