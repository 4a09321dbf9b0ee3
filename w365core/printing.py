"""How an answer looks on the command line: JSON with decimals as strings, or a table and sentences for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from w365core import money
from w365core.errors import InputRefused, UsageInvoiced, W365Error
from w365core.jobs import saying
from w365core.model import Fix, Provider

if TYPE_CHECKING:
    from w365core.reports.chains import Chain
    from w365core.reports.listings import Listed

Row = Mapping[str, Any]


def progress(sentence: str) -> None:
    """A line of progress, on standard error."""
    saying.say(sentence)


def answer(document: Any, sentence: str, as_json: bool) -> None:
    """The answer: the document as JSON, or the sentence."""
    print(encoded(document) if as_json else sentence)


def encoded(document: Any) -> str:
    """JSON with decimals as strings in plain notation, dates as ISO."""
    return json.dumps(document, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money.plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in an answer")


def refusal(error: W365Error, *, as_json: bool) -> None:
    """One sentence on standard error, each bad cell of an input under it; with --json the same as the document."""
    problems = error.problems if isinstance(error, InputRefused) else ()
    progress(str(error))
    for problem in problems:
        progress(f"  {problem}")
    children = {"children": error.children} if isinstance(error, UsageInvoiced) else {}
    if as_json:
        print(encoded({"error": str(error), "problems": [asdict(problem) for problem in problems]} | children))


def table(rows: Sequence[Row], shown: Sequence[str], as_json: bool, *, empty: str) -> None:
    """The rows as JSON, or as aligned columns."""
    if as_json:
        print(encoded(rows))
        return
    if not rows:
        print(empty)
        return
    cells = [list(shown)] + [[_cell(row[name]) for name in shown] for row in rows]
    widths = [min(60, max(len(row[index]) for row in cells)) for index in range(len(shown))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return money.plain(value) if isinstance(value, Decimal) else str(value)


# --- the documents that are fixed ----------------------------------------------------------------------------------------------------------


def invoice(row: Row, chain: Chain | None) -> dict[str, Any]:
    """A provider invoice as `invoices --json` prints it. The net is that of the chain of documents that amend each other; null outside of one."""
    same = (
        "provider",
        "state",
        "status_reason",
        "failure",
        "message",
        "currency",
        "header_total",
        "lines_total",
        "difference",
        "tolerance",
    )
    more = ("invoice_date", "attempts", "changed_at_provider", "document_type", "amends_of", "period_start", "period_end", "license_total")
    parts = (
        "usage_total",
        "tax_total",
        "rounding",
        "overridden",
        "override_tolerance",
        "daily_rated_total",
        "license_lines",
        "usage_lines",
        "override_reason",
        "proven_cause",
        "customers",
        "usage_days",
    )
    amended = {"amends": row["amends_of"], "chain": chain.documents if chain else (), "chain_net": chain.net if chain else None}
    return {"invoice": row["invoice_number"]} | {name: row[name] for name in same + more + parts} | amended


def listed(one: Listed, provider: str, at: datetime | None) -> dict[str, Any]:
    """A document as a provider lists it, and what there is of it here."""
    same = {name: getattr(one, name) for name in ("type", "currency", "total", "sync")}
    said = {"local_status": one.here, "daily_job": one.daily, "refused": one.refused, "listed_at": at}
    return {"invoice": one.number, "provider": provider, "invoice_date": one.date} | same | said


def license_lines(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """License lines as `lines --json` prints them. Unit cost is in the line's billing currency, by its own exchange rate."""
    for row in rows:
        price = row["effective_unit_price"] if row["effective_unit_price"] is not None else row["unit_price"]
        rate = row["exchange_rate"] if row["exchange_rate"] is not None else Decimal(1)
        quantity = row["billable_quantity"] if row["billable_quantity"] is not None else row["quantity"]
        yield {
            "line_number": row["line_number"],
            "subscription_id": row["subscription_id"],
            "account_id": row["account_id"],
            "provider_subscription_id": row["provider_subscription_id"],
            "product_id": row["product_id"],
            "sku_id": row["sku_id"],
            "product": row["product_name"],
            "charge_type": row["charge_type"],
            "charge_start": row["charge_start"],
            "charge_end": row["charge_end"],
            "quantity": quantity,
            "unit_cost": None if price is None else money.EXACT.multiply(price, rate),
            "subtotal": row["subtotal"],
            "tax": row["tax_total"],
            "total": row["total"],
            "currency": row["currency"],
        }


def usage(row: Row) -> dict[str, Any]:
    """A usage summary as `lines --json` prints it: quantity and cost in force, corrected or not, with the provider's own beside them."""
    same = (
        "usage_id",
        "subscription_id",
        "account_id",
        "provider_subscription_id",
        "product",
        "product_id",
        "sku_id",
        "charge_start",
        "charge_end",
    )
    more = ("markup_pct", "selling_amount", "currency", "status", "confirmed", "invoice_number", "invoice_line", "lines")
    in_force = {name: row[name] if row[f"corrected_{name}"] is None else row[f"corrected_{name}"] for name in ("quantity", "cost")}
    given = {"provider_quantity": row["quantity"], "provider_cost": row["cost"], "stamped_markup_pct": row["stamped_markup_pct"]}
    return {name: row[name] for name in same} | in_force | {name: row[name] for name in more} | given


def missing(row: Row) -> dict[str, Any]:
    """A missing reference as `missing-references --json` prints it."""
    same = ("kind", "key", "name", "blocking", "lines", "amount", "currency", "suggestion", "provider")
    found = row["fix"]
    waits = {"customers_waiting": row["customers_waiting"], "confidence": found.confidence if found else None}
    return {"invoice": row["invoice_number"]} | {name: row[name] for name in same} | waits | {"fix": None if found is None else fix(found)}


def fix(found: Fix) -> dict[str, Any]:
    """A fix as JSON: what it would do and why, and what of it is known."""
    return {name: value for name, value in asdict(found).items() if value not in (None, "") and name != "confidence"} | {
        "ready": found.is_ready
    }


def standings(found: Iterable[Any]) -> list[dict[str, Any]]:
    """How invoices would end, as JSON."""
    return [
        {
            "provider": one.provider,
            "invoice": one.invoice,
            "amount": one.amount,
            "currency": one.currency,
            "released": one.released,
            "lacks": [{"kind": kind, "name": name} for kind, name in one.lacks],
            "message": "" if one.released else one.sentence,
        }
        for one in found
    ]


def dry_run(found: Any, told: Row, as_json: bool) -> None:
    """What fixes would do; nothing was changed."""
    if as_json:
        money_by_currency = {"released_money": found.released_money}
        stand = {"released": standings(found.released), "held_up": standings(found.held_up)}
        print(encoded(dict(told) | {"dry_run": True, "message": found.sentence, "would": found.done} | stand | money_by_currency))
        return
    for sentence in found.done:
        print(f"Would be done: {sentence}")
    print(found.sentence)
    for one in found.held_up:
        print(f"  {one.sentence}")


def supplied(done: Any, validated: Any, told: Row, sentence: str, as_json: bool) -> None:
    """What fixes did, and how the invoices ended that were validated again."""
    if as_json:
        more = {"done": done.said}
        if validated is not None:
            more |= {"invoices": outcomes(validated.outcomes), "skipped": validated.skipped, "warnings": validated.warnings}
        print(encoded(dict(told) | more))
        return
    print(sentence)
    if validated is not None:
        validation(validated)


def validation(result: Any, as_json: bool = False) -> None:
    """How validating again ended, invoice by invoice."""
    if as_json:
        print(encoded({"invoices": outcomes(result.outcomes), "skipped": result.skipped, "warnings": result.warnings}))
        return
    for outcome in result.outcomes:
        print(f"{outcome.invoice}: {outcome.status}{', ' + outcome.message if outcome.message else ''}")
    for sentence in result.warnings:
        print(sentence)
    if not (result.outcomes or result.warnings):
        print("Nothing to do: no invoice waits on a reference.")


def lines(licenses: Iterable[Row], usage_rows: Sequence[Row], as_json: bool) -> None:
    """The lines of an invoice, written as they are read: an invoice may have a million of them."""
    if not as_json:
        table(
            list(licenses),
            ("line_number", "subscription_id", "charge_type", "quantity", "subtotal", "total", "currency"),
            False,
            empty="No license lines.",
        )
        table(
            usage_rows,
            ("usage_id", "subscription_id", "product", "quantity", "cost", "markup_pct", "selling_amount", "currency"),
            False,
            empty="No usage.",
        )
        return
    write = sys.stdout.write
    write('{"license":[')
    for number, row in enumerate(licenses):
        write(("," if number else "") + encoded(row))
    write('],"usage":[')
    for number, row in enumerate(usage_rows):
        write(("," if number else "") + encoded(row))
    write("]}\n")


def outcomes(found: Iterable[Any]) -> list[dict[str, Any]]:
    """How imports ended, as JSON."""
    return [
        {"provider": o.provider, "invoice": o.invoice, "status": o.status, "failure": o.failure, "message": o.message, "lines": o.lines}
        for o in found
    ]


def sync_result(result: Any, as_json: bool) -> None:
    """What a sync did."""
    if as_json:
        failures = [{"provider": name, "message": str(error)} for name, error in result.failures]
        told = {"changed_at_provider": result.changed, "skipped": result.skipped, "failures": failures, "warnings": result.warnings}
        told |= {"gaps": result.gaps, "notes": result.notes}
        print(encoded({"invoices": outcomes(result.outcomes)} | told))
        return
    for outcome in result.outcomes:
        print(f"{outcome.invoice}: {outcome.status}{', ' + outcome.message if outcome.message else ''}")
    for number in result.changed:
        print(f"{number}: changed at the provider")
    for sentence in result.notes + result.gaps:
        print(sentence)
    if not (result.outcomes or result.changed or result.failures or result.notes):
        print("Nothing to do: every invoice of the latest month is in.")


def filed(result: Any, as_json: bool) -> None:
    """What an import of files did, and how each file was read."""
    for warning in result.warnings:
        progress(f"warning: {warning}")
    told = outcomes([result.outcome])[0]
    state, _, reason = told["status"].partition("/")
    if as_json:
        print(encoded(told | {"state": state, "status_reason": reason, "files": result.files, "warnings": list(result.warnings)}))
        return
    for file in result.files:
        order = f"dates read as {file['date_order']} ({file['date_order_settled_by']})"
        mark = f"decimal {'comma' if file['decimal_comma'] else 'point'} ({file['decimal_settled_by']})"
        print(f"{file['file']}: {file['kind']}, {file['rows']} lines, {file['encoding']}, {mark}, {order}")
        for note in file["notes"]:
            print(f"  {note}")
    print(f"{told['invoice']}: {told['status']}{', ' + told['message'] if told['message'] else ''}")


def layout(provider_name: str, shown: Any, *, saved: bool, as_json: bool) -> None:
    """How a file is read: header by header, its first lines, and what holds of all of them."""
    found = shown.layout
    if as_json:
        told = {
            "provider": provider_name,
            "file": shown.file,
            "headers": found.headers,
            "mapping": found.columns,
            "currency": found.currency,
        }
        told |= {
            "needed": found.needed,
            "doubtful": found.doubtful,
            "complete": found.complete,
            "remembered": shown.remembered,
            "saved": saved,
        }
        checks = [{"check": check.what, "passed": check.passed, "said": check.said} for check in shown.checks]
        print(encoded(told | {"preview": shown.preview, "checks": checks}))
        return
    print(f"{shown.file}: {'remembered' if shown.remembered else 'read by the names of its headers'}{', just now' if saved else ''}")
    for header in found.headers:
        print(f"  {header}  ->  {found.columns.get(header, '-')}")
    if found.currency:
        print(f"  (all amounts are {found.currency}, as the headers say)")
    for number, row in enumerate(shown.preview, 1):
        print(f"line {number}: " + ", ".join(f"{name} {_cell(value)}" for name, value in row.items() if value not in (None, "")))
    for check in shown.checks:
        print(f"{'ok' if check.passed else 'look'}: {check.what}: {check.said}")
    if not found.complete:
        print(f'Not readable yet: {found.lacking}. Say it with --set "Their Header=column".')


def explained(told: Row, as_json: bool) -> None:
    """What a difference is made of: each comparison, what is proven, and every explanation with its sentence."""
    if as_json:
        print(encoded(told))
        return
    for gap in told["gaps"]:
        print(f"{gap['about']}: a difference of {money.plain(gap['difference'])} {told['currency']}.")
    if told["proven_cause"]:
        print(f"Proven cause: {told['proven_cause']}")
    said = "Nothing that is known explains it; ask the provider, with the CSV of --out."
    empty = said if told["gaps"] else "Nothing differs beyond the tolerance."
    table(told["hypotheses"], ("gap", "code", "explains", "proven", "amount", "lines"), False, empty=empty)
    for number, one in enumerate(told["hypotheses"], 1):
        print(f"{number}. {one['sentence']}")


def rebuilt(result: Any, as_json: bool) -> None:
    """What a rebuild found and did, table by table."""
    if as_json:
        tables = [asdict(one) | {"same": one.same} for one in result.tables]
        print(encoded({"events": result.events, "replaced": result.replaced, "tables": tables, "findings": result.findings}))
        return
    for finding in result.findings:
        print(finding)
    for one in result.tables:
        was = "the same" if one.same else "missing from what is in use" if one.found is None else "different from what is in use"
        print(f"{one.table}: {one.rebuilt.rows:,} rows, {was}")
    done = "took the place of the one in use" if result.replaced else "was compared; nothing was changed"
    print(f"The ledger, made again from {result.events:,} events of the log and what landed, {done}.")


def provider(row: Provider) -> dict[str, Any]:
    """A provider as configured; its secret is nowhere in it."""
    return asdict(row)


def providers(rows: Sequence[Row], as_json: bool) -> None:
    """The providers, what they can do and how they are; what a cell has no room for stands under the table."""
    shown = ("name", "type", "capabilities", "health")
    table(rows, shown, as_json, empty="No provider yet: `provider add NAME --type partner_center …`.")
    if as_json:
        return
    for row in rows:
        if row["evidence_gap"]:
            print(f"{row['name']}: {row['evidence_gap']['message']}")


def signed_in(done: Any, as_json: bool) -> None:
    """Who signed in, and until when that lasts."""
    if done.mfa is False:
        progress(
            f"Partner Center says that this sign-in was made without MFA, and refuses it. Let MFA be required of the account, then run `provider sign-in "
            f"{done.provider}` again."
        )
    told = {"provider": done.provider, "signed_in_as": done.signed_in_as, "expires_at": done.expires_at, "mfa": done.mfa}
    person = done.signed_in_as or "an account that was not named"
    answer(told, f"Signed in at {done.provider} as {person}; it lasts until {done.expires_at:%Y-%m-%d}, and longer with each use.", as_json)


def proved(done: Any, as_json: bool) -> None:
    """What a connection can do; of what is missing, what has to be granted, with what the provider's support asks for."""
    if as_json:
        print(encoded(done.as_dict()))
        return
    table(done.as_dict()["checks"], ("capability", "verdict", "status", "code", "request_id"), False, empty="Nothing was asked.")
    for proof in done.proofs:
        if proof.said:
            print(f"{proof.capability}: {proof.said}")
    print(f"{done.provider}: {done.sentence}")


# --- an account sync -----------------------------------------------------------------------------------------------------------------------


def accounting(result: Any, as_json: bool) -> None:
    """What an account sync brought, and whose the unmapped customers may be."""
    counts = {
        "customers": result.customers.listed,
        "subscriptions": result.subscriptions.listed,
        "new": result.customers.new + result.subscriptions.new,
        "changed": result.customers.changed + result.subscriptions.changed,
        "gone": result.customers.gone + result.subscriptions.gone,
        "proposals": len(result.proposals),
        "applied": result.applied,
        "undecided": len(result.undecided),
        "unmatched": len(result.unlike),
        "sync_disabled": len(result.off),
        "refused": len(result.refused),
        "changes": result.evidence.changes.listed,
        "changes_new": result.evidence.changes.new,
        "gaps": 0 if result.evidence.lost is None else 1,
    }
    proposals = [_proposal(one) for one in result.proposals]
    for sentence in (*result.findings, *filter(None, [result.evidence.missing])):
        progress(sentence)
    if as_json:
        lost = result.evidence.lost
        told = {
            "provider": result.provider,
            "counts": counts,
            "proposals": proposals,
            "undecided": [_proposal(one) | {"candidates": one.match.candidates} for one in result.undecided],
            "unmatched": [{"provider_account_id": one.id, "name": one.name} for one in result.unlike],
            "sync_disabled": result.off,
            "refused": [{"provider_account_id": one.customer_id, "message": one.message} for one in result.refused],
            "changes_from": result.evidence.since,
            "changes_to": result.evidence.until,
            "gap": None if lost is None else {"from": lost[0], "to": lost[1]},
            "findings": result.findings,
        }
        print(encoded(told))
        return
    print(", ".join(f"{name.replace('_', ' ')} {number}" for name, number in counts.items()))
    if proposals:
        table(proposals, ("provider_account_id", "name", "account_id", "confidence", "because", "applied"), False, empty="")
        if result.applied < len(proposals):
            print(f"Nothing is mapped by itself: map-account --provider {result.provider} --provider-account-id ID --account ACCOUNT_ID.")
    for one in result.undecided:
        print(f"{one.customer.name or one.customer.id}: {one.match.because}")


def _proposal(one: Any) -> dict[str, Any]:
    return {
        "provider_account_id": one.customer.id,
        "name": one.customer.name,
        "account_id": one.match.account_id,
        "confidence": one.match.confidence,
        "because": one.match.because,
        "applied": one.applied,
    }
