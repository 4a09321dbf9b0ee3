"""Commands for what the lines refer to and our records lack: what it is, and supplying it."""

from __future__ import annotations

from typing import Annotated

import typer

from w365core import printing
from w365core.commands.typed import InvoiceNumber, Json, ProviderName, opened

commands = typer.Typer()


@commands.command("missing-references")
def missing_references(invoice: InvoiceNumber = None, provider: ProviderName = None, json: Json = False) -> None:
    """What the lines refer to and our records lack, with the money it holds up and the suggested fix."""
    from w365core.jobs import suggesting
    from w365core.store import ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice) if invoice else None
        with context.engine.connect() as connection:
            rows = suggesting.missing_references(connection, provider_invoice_id=found.provider_invoice_id if found else None)
    printing.table(
        [printing.missing(row) for row in rows],
        ("invoice", "kind", "key", "name", "blocking", "lines", "amount", "currency", "suggestion"),
        json,
        empty="Nothing is missing.",
    )


@commands.command("map-account")
def map_account(
    provider: Annotated[str, typer.Option("--provider", help="The provider's name.")],
    provider_account_id: Annotated[str, typer.Option("--provider-account-id", help="The customer's id at the provider.")],
    account: Annotated[str, typer.Option("--account", help="Our account's id.")],
    json: Json = False,
) -> None:
    """Maps a provider's customer to one of our accounts; what waits on it comes in with the next sync."""
    from w365core.store import mapping, providers
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.begin() as connection:
        known = providers.named(connection, provider)
        mapping.map_account(
            connection, provider=known.name, provider_account_id=provider_account_id, account_id=account, name=None, who=context.who
        )
    told = {"provider": known.name, "provider_account_id": provider_account_id, "account_id": account}
    printing.answer(told, f"{provider_account_id} of {known.name} is account {account} now; sync the invoices that wait on it.", json)
