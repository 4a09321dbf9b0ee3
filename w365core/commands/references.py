"""Commands for what the lines refer to and our records lack: what it is, supplying it, and validating again what waited on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from w365core import printing
from w365core.commands import typed
from w365core.commands.typed import InvoiceNumber, Json, ProviderName, opened
from w365core.errors import CallRefused
from w365core.model import Fix, FixAction

commands = typer.Typer()
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what it would do and which invoices it would release; change nothing.")]
Validate = Annotated[bool, typer.Option("--validate", help="Afterwards validate again, from what landed, every invoice that waited on it.")]
Whose = Annotated[str, typer.Option("--provider", help="The provider whose lines print the id.")]
TheirSubscription = Annotated[str, typer.Option("--provider-subscription-id", help="The id as the lines print it.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the audit log.")]


@commands.command("missing-references")
def missing_references(
    invoice: InvoiceNumber = None,
    provider: ProviderName = None,
    fixes: Annotated[Path | None, typer.Option("--fixes", help="Also write the suggested fixes to this CSV, for `supply`.")] = None,
    json: Json = False,
) -> None:
    """What the lines refer to and our records lack, with the money it holds up and the suggested fix."""
    from w365core.jobs import supplying
    from w365core.reports import missing_references as report, supplied_references
    from w365core.store import ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice) if invoice else None
        with context.engine.connect() as connection:
            rows = supplying.missing(connection, provider_invoice_id=found.provider_invoice_id if found else None)
            rows = report.with_waiting(connection, rows)
            if fixes is not None:
                things = report.build(rows, supplied=supplied_references.supplied(connection, rows), rates={}).things
                _write(fixes, report.fixes_csv(things))
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
    dry_run: DryRun = False,
    validate: Validate = False,
    json: Json = False,
) -> None:
    """Maps a provider's customer to one of our accounts; what waits on it comes in with the next sync, or with --validate at once."""
    fix = Fix(FixAction.MAP_ACCOUNT, provider_account_id, _named(provider), account_id=account)
    told = {"provider": fix.provider, "provider_account_id": provider_account_id, "account_id": account}
    more = "" if validate else "; sync the invoices that wait on it"
    said = f"{provider_account_id} of {fix.provider} is account {account} now{more}."
    _do([fix], told, said, dry_run=dry_run, validate=validate, json=json, again=True)


@commands.command("add-subscription")
def add_subscription(
    provider: Whose,
    provider_subscription_id: TheirSubscription,
    kind: Annotated[str, typer.Option("--kind", help="License or Usage.")],
    account: Annotated[str | None, typer.Option("--account", help="Whose it is: our account's id.")] = None,
    subscription: Annotated[str | None, typer.Option("--subscription", help="Our id for it; else the provider's.")] = None,
    under: Annotated[
        str | None, typer.Option("--under", help="The manual provider that an old id stands under; or the provider itself.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name")] = None,
    quantity: Annotated[str | None, typer.Option("--quantity", help="Seats.")] = None,
    product: Annotated[str | None, typer.Option("--product", help="Our product's id.")] = None,
    start_date: Annotated[str | None, typer.Option("--start-date", help="YYYY-MM-DD.")] = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    validate: Validate = False,
    json: Json = False,
) -> None:
    """Creates the subscription that lines refer to; an old id stands under a manual provider, which is made where there is none."""
    fix = Fix(
        FixAction.ADD_SUBSCRIPTION,
        provider_subscription_id,
        _named(provider),
        account_id=account,
        subscription_id=subscription,
        product_id=product,
        name=name,
        kind=kind.strip().capitalize(),
        quantity=typed.amount(quantity, "--quantity", least=Decimal(0)),
        under=under,
        start_date=typed.day(start_date, "--start-date"),
    )
    told = {"provider": fix.provider, "provider_subscription_id": provider_subscription_id}
    _do([fix], told, None, dry_run=dry_run, validate=validate, json=json, reason=reason)


@commands.command("alias-subscription")
def alias_subscription(
    provider: Whose,
    provider_subscription_id: TheirSubscription,
    subscription: Annotated[str, typer.Option("--subscription", help="Our subscription that it is another id of.")],
    reason: Reason = None,
    dry_run: DryRun = False,
    validate: Validate = False,
    json: Json = False,
) -> None:
    """Says that an id is another id of a subscription of ours, as of migrated Azure."""
    fix = Fix(FixAction.ALIAS, provider_subscription_id, _named(provider), subscription_id=subscription)
    told = {"provider": fix.provider, "provider_subscription_id": provider_subscription_id, "subscription_id": subscription}
    _do([fix], told, None, dry_run=dry_run, validate=validate, json=json, reason=reason)


@commands.command("add-currency")
def add_currency(
    code: Annotated[str, typer.Option("--code", help="Three letters, such as CHF.")],
    rate: Annotated[str, typer.Option("--rate", help="Its rate to base: amount x rate = base.")],
    reason: Reason = None,
    dry_run: DryRun = False,
    validate: Validate = False,
    json: Json = False,
) -> None:
    """Adds a currency with its rate to base."""
    fix = Fix(FixAction.ADD_CURRENCY, code, rate_to_base=typed.amount(rate, "--rate"))
    _do([fix], {"code": code.strip().upper()}, None, dry_run=dry_run, validate=validate, json=json, reason=reason)


@commands.command("choose-product")
def choose_product(
    provider: Whose,
    product: Annotated[str, typer.Option("--product", help="A product of ours, or the printed id for a new one.")],
    printed: Annotated[
        str | None, typer.Option("--printed", help="The product's id as the lines print it: for every subscription of it.")
    ] = None,
    subscription: Annotated[
        str | None, typer.Option("--subscription", help="Our subscription that gets the product; else --printed.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of a new product.")] = None,
    billing_type: Annotated[str | None, typer.Option("--billing-type", help="Of a new product: License, Usage …")] = None,
    reason: Reason = None,
    dry_run: DryRun = False,
    validate: Validate = False,
    json: Json = False,
) -> None:
    """Gives subscriptions their product, so that their lines are no write-ins; a product with the printed id is made where there is none."""
    if not printed and not subscription:
        raise CallRefused("Say which: --printed with the product's id as the lines print it, or --subscription with an id of ours.")
    fix = Fix(
        FixAction.CHOOSE_PRODUCT,
        printed or subscription or "",
        _named(provider),
        subscription_id=subscription,
        product_id=product,
        name=name,
        billing_type=billing_type,
    )
    _do([fix], {"provider": fix.provider, "product_id": product}, None, dry_run=dry_run, validate=validate, json=json, reason=reason)


@commands.command()
def supply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV of fixes, as the Missing references page or --fixes writes it.")],
    reason: Reason = None,
    dry_run: DryRun = False,
    validate: Validate = False,
    json: Json = False,
) -> None:
    """Carries out the fixes of a CSV, all of them or none; a row without an action is left out."""
    from w365core.jobs import supplying

    try:
        content = file.read_bytes()
    except OSError as error:
        raise CallRefused(f"Could not read {file}: {error.strerror}. Name the CSV of fixes.") from None
    found = supplying.read(file.name, content)
    _do(found.fixes, {"file": file.name}, None, dry_run=dry_run, validate=validate, json=json, reason=reason, file=found)


@commands.command()
def validate(invoice: InvoiceNumber = None, provider: ProviderName = None, json: Json = False) -> None:
    """Validates again what waits on references, from what landed and without the provider: all of it, or one invoice."""
    from w365core.jobs import validating
    from w365core.store.engine import guarded

    if provider and not invoice:
        raise CallRefused("--provider says whose invoice it is: say which with --invoice NUMBER, or leave both out for all.")
    context = opened()
    with guarded():
        if invoice:
            result = validating.validate_invoice(context, provider_name=provider, invoice_number=invoice)
        else:
            result = validating.validate(context, None)
    printing.validation(result, json)
    raise typer.Exit(result.exit_code)


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _do(
    fixes: Sequence[Fix],
    told: Mapping[str, Any],
    sentence: str | None,
    *,
    dry_run: bool,
    validate: bool,
    json: bool,
    again: bool = False,
    reason: str | None = None,
    file: Any = None,
) -> None:
    """Says what the fixes would do, or carries them out and, where asked, validates what they touched."""
    from w365core.jobs import supplying, validating
    from w365core.store.engine import guarded

    if dry_run and validate:
        raise CallRefused("--dry-run changes nothing, so there is nothing to --validate; take one of the two.")
    context = opened()
    how = {"actor": context.actor, "now": context.now, "landing": context.landing, "again": again, "file": file}
    if dry_run:
        printing.dry_run(supplying.would(context.engine, fixes, **how), told, json)
        return
    done = supplying.supply(context.engine, fixes, reason=reason, **how)
    touched = [one.invoice_id for one in done.waiting if one.touched]
    with guarded():
        result = validating.validate(context, touched) if validate else None
    printing.supplied(done, result, told, sentence or "\n".join(done.said), json)
    if result is not None:
        raise typer.Exit(result.exit_code)


def _named(provider: str) -> str:
    """The provider's name as it is written here. CallRefused where there is none."""
    from w365core.store import providers
    from w365core.store.engine import guarded

    with guarded(), opened().engine.connect() as connection:
        return providers.named(connection, provider).name


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CallRefused(f"Could not write {path}: {error.strerror}. Name a file that can be written.") from None
