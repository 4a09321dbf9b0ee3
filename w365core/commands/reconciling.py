"""Commands for reconciliation: an invoice against our records, what people decide of it, its sign-off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from w365core import money, printing
from w365core.commands.typed import Json, ProviderName, opened
from w365core.errors import CallRefused, ConfigurationMissing

if TYPE_CHECKING:
    from w365core.jobs.context import Context

commands = typer.Typer()
Number = Annotated[str, typer.Option("--invoice", help="The provider invoice's number.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it stays with the decision.")]
Several = list[str] | None
_SHOWN = (
    "verdict",
    "customer",
    "product",
    "window",
    "provider_quantity",
    "our_quantity",
    "residual",
    "subtotal",
    "money_at_risk",
    "review_state",
    "line_id",
)
_MOST_SHOWN = 50
# What the document of a row holds first, in this order; whatever else is known of it follows.
_FIRST = (
    *(
        "line_id",
        "subscription_id",
        "provider_subscription_id",
        "charge_start",
        "charge_end",
        "provider_quantity",
        "our_quantity",
        "our_quantity_then",
    ),
    *(
        "quantity_difference",
        "residual",
        "verdict",
        "fit",
        "changed_since",
        "reason",
        "change_logs",
        "unit_cost",
        "cost_price",
        "selling_price",
    ),
    *("price_verdict", "subtotal", "money_at_risk", "review_state"),
)
_LOG = ("change_log_id", "effective_date", "quantity", "provisioning_status", "initiated_by", "invoice_number", "billing")


@commands.command()
def reconcile(
    invoice: Number,
    focus: Annotated[
        Path | None,
        typer.Option("--focus", help="Also write every line of the invoice there as CSV, under the column names of FinOps FOCUS."),
    ] = None,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Holds an invoice against our records: a verdict for each subscription and window, with the changes that explain it."""
    from w365core.jobs import reconciling

    context = opened()
    found = reconciling.reconcile(context, provider_name=provider, invoice_number=invoice)
    if focus is not None:
        _write_focus(context, found, focus)
    for sentence in filter(None, (found.message, found.changed.sentence)):
        printing.progress(sentence)
    if json:
        printing.answer(document(found), "", True)
    else:
        _tell(found)
    raise typer.Exit(found.exit_code)


@commands.command()
def review(
    invoice: Number,
    line: Annotated[Several, typer.Option("--line", help="The row's line_id; may be repeated.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Accept the difference, for a reason.")] = False,
    reopen: Annotated[bool, typer.Option("--reopen", help="Take the decision back.")] = False,
    reason: Reason = None,
    assign: Annotated[str | None, typer.Option("--assign", help="Whose it is; blank for nobody.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="What is to be known of it; blank takes it away.")] = None,
    verdict: Annotated[Several, typer.Option("--verdict", help="All rows of this verdict; may be repeated.")] = None,
    customer: Annotated[Several, typer.Option("--customer", help="All rows of this account of ours, else the provider's customer.")] = None,
    product: Annotated[Several, typer.Option("--product", help="All rows of this product, as the worklist names it.")] = None,
    subscription: Annotated[Several, typer.Option("--subscription", help="All rows of this subscription of ours.")] = None,
    run: Annotated[int | None, typer.Option("--run", help="Only where this run of the reconciliation still holds.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """A person's decision on a row, or on many at once: accept, reopen, assign, note."""
    from w365core.jobs import reviewing

    which = reviewing.Chosen(
        lines=tuple(line or ()),
        verdicts=tuple(verdict or ()),
        customers=tuple(customer or ()),
        products=tuple(product or ()),
        subscriptions=tuple(subscription or ()),
    )
    _check(which, accept=accept, reopen=reopen, mark=assign is not None or note is not None)
    context = opened()
    named: dict[str, Any] = {"provider": provider, "invoice": invoice}
    if dry_run:
        action = reviewing.ACCEPT if accept else reviewing.REOPEN if reopen else reviewing.MARK
        plan = reviewing.plan(context.engine, which, action=action, **named)
        told = {
            "invoice": plan.invoice,
            "rows": plan.rows,
            "money_at_risk": plan.money_at_risk,
            "currency": plan.currency,
            "left": plan.left,
        }
        printing.answer(told | {"by_verdict": plan.by_verdict, "dry_run": True, "message": plan.sentence}, plan.sentence, json)
        return
    how = {**named, "seen": run, "actor": context.actor, "now": context.now}
    done = []
    if accept:
        done.append(reviewing.accept(context.engine, which, reason=reason or "", **how))
    if reopen:
        done.append(reviewing.reopen(context.engine, which, reason=reason, **how))
    if assign is not None or note is not None:
        done.append(reviewing.mark(context.engine, which, assigned_to=assign, note=note, **how))
    sentence = " ".join(one.sentence for one in done)
    told = {"invoice": done[0].invoice, "rows": done[0].rows, "money_at_risk": done[0].money_at_risk, "currency": done[0].currency}
    state = "accepted" if accept else "open" if reopen else None
    printing.answer(told | {"review_state": state, "reason": reason, "message": sentence}, sentence, json)


@commands.command("sign-off")
def sign_off(
    invoice: Number,
    note: Annotated[str | None, typer.Option("--note", help="What stays with the sign-off.")] = None,
    reopen: Annotated[bool, typer.Option("--reopen", help="Take the sign-off back, for a reason.")] = False,
    reason: Reason = None,
    run: Annotated[int | None, typer.Option("--run", help="Only where this run of the reconciliation still holds.")] = None,
    provider: ProviderName = None,
    json: Json = False,
) -> None:
    """Signs a reconciled invoice off when nothing is open, or takes that back."""
    from w365core.jobs import reviewing

    context = opened()
    how: dict[str, Any] = {"provider": provider, "invoice": invoice, "actor": context.actor, "now": context.now}
    if reopen:
        done = reviewing.open_again(context.engine, reason=reason or "", **how)
    else:
        done = reviewing.sign_off(context.engine, note=note or reason, seen=run, **how)
    told = {"invoice": done.invoice, "signed_off": not reopen, "rows": done.rows, "by": context.actor, "at": context.now}
    printing.answer(told | {"message": done.sentence}, done.sentence, json)


def _write_focus(context: Context, found: Any, path: Path) -> None:
    """The invoice's lines as a file; what is in it is what the page's button gives."""
    from w365core.reports import reconciliation_files, reconciliation_scope
    from w365core.store import ledger
    from w365core.store.engine import guarded

    with guarded(), context.engine.connect() as connection:
        invoice = ledger.named(context.engine, provider_name=found.provider, invoice_number=found.invoice)
        scope = reconciliation_scope.load(connection, invoice_id=invoice.provider_invoice_id, month=None)
        if scope.invoice is None or scope.invoice["provider_invoice_id"] != invoice.provider_invoice_id:
            why = "it has no invoice date" if invoice.invoice_date is None else f"it is {invoice.status_reason}"
            raise CallRefused(
                f"Invoice {found.invoice} cannot be written under FOCUS' names: {why}. Leave --focus out, or import it again."
            )
        content = reconciliation_files.focus(connection, scope)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationMissing(f"{path} cannot be written: {error.strerror}; name another file with --focus.") from None
    printing.progress(f"The lines of invoice {found.invoice} are in {path}, under the column names of FOCUS.")


def document(found: Any) -> dict[str, Any]:
    """The reconciliation as JSON."""
    return {
        "invoice": found.invoice,
        "currency": found.currency,
        "totals": _amounts(found.totals, tuple(found.totals), found.currency),
        "lines": [_row(row, found.currency) for row in found.rows],
        "provider": found.provider,
        "preview": found.is_preview,
        "reconciliation_id": found.run_id,
        "new": found.is_new,
        "message": found.message,
        "open": found.open_rows,
        "changed": {"inputs": found.changed.inputs, "subscriptions": found.changed.subscriptions, "message": found.changed.sentence},
        "findings": [one | _amounts(one, ("amount", "repaid"), one["currency"] or found.currency) for one in found.findings],
        "sign_off": found.sign_off,
    }


def _row(row: dict[str, Any], currency: str) -> dict[str, Any]:
    row = row | _amounts(row, ("subtotal", "money_at_risk", "unbilled", "so_far", "repaid"), row["currency"] or currency)
    logs = [
        {name: log[name] for name in _LOG} | {name: value for name, value in log.items() if name != "line_id"} for log in row["change_logs"]
    ]
    return {name: row[name] for name in _FIRST} | {name: value for name, value in row.items() if name not in _FIRST} | {"change_logs": logs}


def _amounts(row: Mapping[str, Any], names: Sequence[str], currency: str) -> dict[str, Any]:
    """Amounts exactly, with at least the places of the currency."""
    least = money.minor_units(currency)
    return {name: None if row[name] is None else money.trimmed(row[name], least=least) for name in names}


def _check(which: Any, *, accept: bool, reopen: bool, mark: bool) -> None:
    if accept and reopen:
        raise CallRefused("Either --accept or --reopen: a decision is made, or taken back.")
    if not (accept or reopen or mark):
        raise CallRefused("Say what is decided: --accept with --reason, --reopen, --assign or --note.")
    if which.is_everything:
        raise CallRefused("Say which rows: --line ID, or all of a --verdict, --customer, --product or --subscription.")


def _tell(found: Any) -> None:
    """Totals, then what is open, the biggest money first; what is settled is counted."""
    from w365core.reports import finding_words, wording

    totals = {name: "-" if value is None else f"{money.in_currency(value, found.currency):,f}" for name, value in found.totals.items()}
    said = [
        f"Invoice {found.invoice} of {found.provider}, {found.currency}",
        "header {header} = lines {lines} + usage {usage} + tax {tax} + rounding {rounding} + overridden {overridden}".format(**totals),
        "lines {lines} = confirmed {confirmed} + explained {explained} + unexplained {unexplained}".format(**totals),
    ]
    printing.answer({}, "\n".join(said), False)
    still = [row for row in found.rows if row["review_state"] == "open"]
    shown = [_readable(row) for row in still[:_MOST_SHOWN]]
    settled = len(found.rows) - len(still)
    if found.rows:
        printing.table(shown, _SHOWN, False, empty="Nothing is open.")
    if len(still) > _MOST_SHOWN:
        printing.answer({}, f"… and {len(still) - _MOST_SHOWN:,} more; --json has them all.", False)
    printing.answer({}, f"{len(still):,} open, {settled:,} settled.", False)
    for finding in [one for one in found.findings if not one["is_closed"]][:_MOST_SHOWN]:
        amount = "" if finding["amount"] is None else f" ({wording.rounded(finding['amount'], finding['currency'] or found.currency)})"
        printing.answer({}, f"{finding_words.LABELS[finding['kind']]}: {finding_words.sentence(finding)}{amount}", False)


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    window = f"{row['charge_start'] or ''} - {row['charge_end'] or ''}".strip(" -")
    more = {"customer": row["customer"] or row["account_id"], "product": row["product_name"] or row["product_id"], "window": window}
    return row | more | _amounts(row, ("subtotal", "money_at_risk"), row["currency"] or "")
