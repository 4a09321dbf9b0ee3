"""Commands for what does not add up: what a difference is made of, and which ones may be overridden."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from w365core import printing, tolerance
from w365core.commands import typed
from w365core.commands.typed import Json, ProviderName, opened
from w365core.errors import ConfigurationMissing

commands = typer.Typer()
policy_commands = typer.Typer(no_args_is_help=True, help="Up to which difference an override passes.")
commands.add_typer(policy_commands, name="policy")

_LIMITS = ("one_click_amount", "one_click_percent", "most_amount", "most_percent", "drop_percent")


@commands.command("explain-difference")
def explain_difference(
    invoice: Annotated[str, typer.Option("--invoice", help="The invoice's number.")],
    provider: ProviderName = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the differing lines here as CSV, biggest first.")] = None,
    json: Json = False,
) -> None:
    """What an invoice's difference is made of: each explanation with its amount, and whether it is proven."""
    from w365core.jobs import explaining
    from w365core.reports import differences
    from w365core.store import ledger
    from w365core.store.engine import guarded

    context = opened()
    with guarded():
        found = ledger.named(context.engine, provider_name=provider, invoice_number=invoice)
        with context.engine.connect() as connection:
            explained = explaining.explained_again(connection, found)
            if out is not None:
                _write(out, differences.csv_of(connection, explained.lines, explained.explanation, currency=found.currency))
    printing.explained(explaining.told(explained), json)


@policy_commands.command("set")
def policy_set(
    provider: str,
    currency: str,
    owner: Annotated[str, typer.Option("--owner", help="Who answers for it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is so.")],
    one_click: Annotated[
        str | None, typer.Option("--one-click", help="Up to this difference one click is enough; 0.50 without it.")
    ] = None,
    one_click_percent: Annotated[
        str | None, typer.Option("--one-click-percent", help="The same in per cent of the header; both hold.")
    ] = None,
    most: Annotated[str | None, typer.Option("--most", help="Above this no override passes.")] = None,
    most_percent: Annotated[str | None, typer.Option("--most-percent", help="The same in per cent of the header; both hold.")] = None,
    drop_percent: Annotated[
        str | None, typer.Option("--drop-percent", help="A header this far below the month before is said aloud; 50 without it.")
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="The last day that it holds, YYYY-MM-DD; without it for good.")] = None,
    json: Json = False,
) -> None:
    """Sets up to which difference an override passes for a provider and currency; what is not given has its default."""
    from w365core.jobs import tolerances

    context = opened()
    amount = typed.amount(one_click, "--one-click", least=Decimal(0))
    policy = tolerance.Policy(
        provider=provider,
        currency=currency,
        one_click_amount=tolerance.ONE_CLICK if amount is None else amount,
        one_click_percent=typed.amount(one_click_percent, "--one-click-percent", least=Decimal(0)),
        most_amount=typed.amount(most, "--most", least=Decimal(0)),
        most_percent=typed.amount(most_percent, "--most-percent", least=Decimal(0)),
        drop_percent=typed.amount(drop_percent, "--drop-percent", least=Decimal(0)),
        owner=owner,
        reason=reason,
        expires_on=typed.day(expires, "--expires"),
    )
    stored, changed = tolerances.set_policy(context.engine, policy, actor=context.actor, now=context.now)
    said = f"The policy of {stored.provider} in {stored.currency} is {'set' if changed else 'so already'}."
    printing.answer(_policy(stored, context.now.date()) | {"changed": changed}, said, json)


@policy_commands.command("list")
def policy_list(json: Json = False) -> None:
    """Policies, and which of them have expired."""
    from w365core.store import policies
    from w365core.store.engine import guarded

    context = opened()
    with guarded(), context.engine.connect() as connection:
        rows = policies.all_of_them(connection)
    known = [tolerance.Policy(**{name: row[name] for name in tolerance.Policy.__dataclass_fields__}) for row in rows]
    told = [
        _policy(one, context.now.date()) | {"set_by": row["set_by"], "set_at": row["set_at"]} for one, row in zip(known, rows, strict=True)
    ]
    shown = ("provider", "currency", *_LIMITS, "owner", "expires_on", "expired", "reason")
    printing.table(told, shown, json, empty="No policy: differences of up to 0.50 pass with one click, larger ones need a reason.")


@policy_commands.command("remove")
def policy_remove(provider: str, currency: str, json: Json = False) -> None:
    """Takes a policy away; the default holds again."""
    from w365core.jobs import tolerances

    context = opened()
    removed = tolerances.remove_policy(context.engine, provider, currency, actor=context.actor, now=context.now)
    told = {"provider": removed.provider, "currency": removed.currency, "removed": True}
    printing.answer(told, f"The policy of {removed.provider} in {removed.currency} is removed; the default of 0.50 holds again.", json)


def _policy(policy: tolerance.Policy, today: date) -> dict[str, Any]:
    names = ("provider", "currency", *_LIMITS, "owner", "reason", "expires_on")
    return {name: getattr(policy, name) for name in names} | {"expired": policy.has_expired(today)}


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationMissing(f"{path} cannot be written: {error.strerror}; name another file with --out.") from None
