"""Commands for the providers: who they are, whether they answer, how their files are read, what they know of our customers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from w365core import printing, settings as w365settings
from w365core.commands.typed import InvoiceNumber, Json, amount, header_and_column, opened, order
from w365core.errors import CallRefused
from w365core.model import ProviderType

commands = typer.Typer()
provider_commands = typer.Typer(no_args_is_help=True, help="The providers that invoices come from.")
commands.add_typer(provider_commands, name="provider")


@provider_commands.command("add")
def provider_add(
    name: str,
    type: Annotated[ProviderType | None, typer.Option("--type", help="What kind of provider it is.")] = None,
    tenant_id: Annotated[str | None, typer.Option("--tenant-id")] = None,
    client_id: Annotated[str | None, typer.Option("--client-id")] = None,
    account_id: Annotated[str | None, typer.Option("--account-id")] = None,
    api_url: Annotated[str | None, typer.Option("--api-url", help="Host root, without /v1.")] = None,
    graph_url: Annotated[str | None, typer.Option("--graph-url", help="Host root, without /v1.0.")] = None,
    login_url: Annotated[str | None, typer.Option("--login-url", help="Host root.")] = None,
    tolerance: Annotated[str | None, typer.Option("--tolerance", help="Default checksum tolerance, in base currency.")] = None,
    json: Json = False,
) -> None:
    """Adds or changes a provider; its secret comes from the environment variable W365_SECRET_<NAME>."""
    from w365core.jobs.configuring import add_provider
    from w365core.providers import registry

    given = {
        "type": type,
        "tenant_id": tenant_id,
        "client_id": client_id,
        "account_id": account_id,
        "api_url": api_url,
        "graph_url": graph_url,
        "login_url": login_url,
        "tolerance": amount(tolerance, "--tolerance", least=Decimal(0)),
    }
    context = opened()
    added, new = add_provider(context, name, {key: value for key, value in given.items() if value is not None})
    said = f"Provider {added.name} is {'added' if new else 'changed'}."
    if missing := registry.lacks(added):
        said += f" Its invoices can be imported from files; add {' and '.join(missing)} before you sync."
    variable = w365settings.secret_variable(added.name)
    secret = registry.secret_of(added.type)
    if secret and not context.settings.environment.get(variable):
        said += f" Put its {secret} into {variable} before you sync."
    printing.answer(printing.provider(added) | {"new": new}, said, json)


@provider_commands.command("sign-in")
def provider_sign_in(name: str, json: Json = False) -> None:
    """Signs a person in by a code in the browser, for what an app alone may not do: an invoice by its number, and its PDF."""
    from w365core.jobs import signing_in

    done = signing_in.sign_in(opened(), name)
    printing.signed_in(done, json)
    raise typer.Exit(1 if done.mfa is False else 0)


@provider_commands.command("test")
def provider_test(name: str, json: Json = False) -> None:
    """Says what the connection can bring and what has to be granted for the rest; imports nothing."""
    from w365core.jobs import proving

    proved = proving.prove(opened(), provider_name=name)
    printing.proved(proved, json)
    raise typer.Exit(proved.exit_code)


@provider_commands.command("list")
def provider_list(json: Json = False) -> None:
    """Providers with what they can do and how they are."""
    from w365core.jobs.configuring import list_providers

    printing.providers(list_providers(opened()), json)


@commands.command("sync-accounts")
def sync_accounts(
    provider: Annotated[str, typer.Option("--provider", help="The provider's name.")],
    apply_certain: Annotated[
        bool, typer.Option("--apply-certain", help="Map customers that our records do not have, where it is certain whose they are.")
    ] = False,
    json: Json = False,
) -> None:
    """Brings customers and subscriptions as the provider knows them, and proposes whose each unmapped customer is."""
    from w365core.jobs import accounts
    from w365core.store.engine import guarded

    with guarded():
        result = accounts.sync_accounts(opened(), provider_name=provider, apply_certain=apply_certain)
    printing.accounting(result, json)
    raise typer.Exit(result.exit_code)


@provider_commands.command("map-columns")
def provider_map_columns(
    name: str,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A file of that layout; or name an invoice whose file was received.")
    ] = None,
    invoice: InvoiceNumber = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help='"Their Header=subtotal"; may be repeated; blank after = for none.')
    ] = None,
    only: Annotated[str | None, typer.Option("--file", help="Which file, where the invoice has several.")] = None,
    date_order: Annotated[str | None, typer.Option("--date-order", help="MDY or DMY, where the file leaves it open.")] = None,
    json: Json = False,
) -> None:
    """Shows how a file of an unpublished layout is read; with --set says which header is which column, and remembers it."""
    from w365core.jobs import layouts
    from w365core.store import providers
    from w365core.store.engine import guarded

    if (file is None) == (invoice is None):
        raise CallRefused("Name a FILE, or with --invoice an invoice whose file was received; one of the two.")
    said = dict(header_and_column(text) for text in set_ or ())
    context = opened()
    with guarded():
        with context.engine.connect() as connection:
            known = providers.named(connection, name)
        found = layouts.printed_in(file, file.name) if file else layouts.received_for(context, known, invoice)
        chosen = next((printed for printed in found if only in (None, printed.name)), None)
        if chosen is None:
            raise CallRefused(f"There is no file {only}; there are {', '.join(printed.name for printed in found)}.")
        date_marks = order(date_order)
        shown = (
            layouts.say(context, known, chosen, said, date_order=date_marks)
            if said
            else layouts.shown(context, known, chosen, date_order=date_marks)
        )
    printing.layout(known.name, shown, saved=bool(said), as_json=json)
    raise typer.Exit(0 if shown.importable else 1)
