"""Is there an invoice of the provider that its usage could come from? The checks of the provider's documents: the first eight causes.

Each check says whether its cause applies, with the evidence; None where it was not reached, because there is nothing yet that it could look at.
"""

from __future__ import annotations

from w365core.diagnosis import missing_usage_documents as documents, words
from w365core.diagnosis.missing_usage_facts import ANOTHER, Evidence
from w365core.diagnosis.missing_usage_words import (
    Checked,
    at_fault,
    day,
    held,
    if_it_failed,
    mend,
    month_of,
    not_reached,
    number_and_day,
    run_said,
    short,
    supply,
    wait_until,
    whose_fault,
    word,
)
from w365core.model import Failure, ProviderType, StatusReason

_UNREADABLE = (Failure.PROVIDER_ERROR, Failure.INVALID_DATA)


def provider_has_no_usage(e: Evidence) -> Checked:
    source, lacking = e.source, list(documents.months_without(e))
    if source.provider is None or source.kind is None:
        named = f"Its provider {source.provider} is not configured" if source.provider else "Our record of it names no provider"
        if not lacking and e.months:
            left = left_out(e)
            return Checked(False, f"{named}, but there is {f'usage.{left}' if left else 'an invoice for each month of the cycle.'}")
        return Checked(
            True,
            f"{named}, so nothing brings its usage.",
            "Correct the provider of the subscription in the records (`load`), or add it: `provider add`.",
        )
    if source.gives_usage:
        return Checked(False, f"{source.provider} ({ProviderType(source.kind).label}) delivers usage.")
    if not lacking:
        return Checked(False, f"{source.provider} brings no usage by itself, and somebody has entered an invoice of it.{left_out(e)}")
    said = "is a manual provider" if source.kind == ProviderType.MANUAL else f"({ProviderType(source.kind).label}) delivers licenses only"
    months = ", ".join(month_of(month.last_day) for month in lacking)
    return Checked(
        True,
        f"{source.provider} {said}, and there is no invoice of it with usage of {months}.",
        f"Get the usage as a file and import it: `import FILE --provider {word(source.provider)} --invoice NUMBER --invoice-date YYYY-MM-DD`, or Import on the page Invoice status.",
    )


def not_published(e: Evidence) -> Checked:
    source = e.source
    if not source.gives_usage:
        return not_reached("Its provider publishes no usage.")
    unpublished = [document for document in documents.deciding(e) if document.lacks_daily_usage]
    lacking = list(documents.months_without(e))
    if not unpublished and not lacking:
        numbers = ", ".join(document.number for document in documents.deciding(e))
        return Checked(False, f"{source.provider} has published {numbers or 'the month'}.{left_out(e)}")
    if unpublished:
        worst, month = unpublished[0], e.months[-1]
        fix = wait_until(month.usage_expected_on, e.today, "the daily usage", f"`sync --invoice {word(worst.number)}` looks at once")
        said = f"{source.provider} lists {worst.number} of {day(worst.invoice_date)}, but has not published its daily usage: it is usually there by {day(month.usage_expected_on)}, today is {day(e.today)}."
        return at_fault(worst, said, fix)
    if source.listed_on is None:
        return not_reached(f"Nobody has asked {source.provider} yet what it lists.")
    last = lacking[-1]
    currency = f" in {e.currency}" if any(month.documents for month in lacking) and e.currency else ""
    said = (
        f"{source.provider} lists no invoice{currency} for the usage of {', '.join(month_of(month.last_day) for month in lacking)} (asked on {day(source.listed_on)}). "
        f"Its invoice is usually there by {day(last.expected_on)}, the daily usage by {day(last.usage_expected_on)}; today is {day(e.today)}."
    )
    asked = f"`sync --provider {word(source.provider)}` asks again at once"
    return Checked(True, said, wait_until(last.usage_expected_on, e.today, "it", asked))


def left_out(e: Evidence) -> str:
    """What is said of months that a due cycle is billed without; blank where there are none."""
    months = ", ".join(month_of(month.last_day) for month in documents.months_left_out(e))
    return f" No invoice is here with usage of {months}: the cycle is billed without it, and what comes later is late." if months else ""


def not_pulled(e: Evidence) -> Checked:
    source, deciding = e.source, documents.deciding(e)
    away = [document for document in deciding if document.status is None]
    broken = [document for document in deciding if document.status == StatusReason.ERROR and set(document.failures) & set(_UNREADABLE)]
    if away:
        worst = away[0]
        deleted = f" It was deleted here on {day(worst.deleted_on)}." if worst.deleted_on else ""
        said = f"{source.provider} lists {worst.number} of {day(worst.invoice_date)} since {day(worst.listed_on)}, and it is not here.{deleted} {run_said(e)}"
        return at_fault(
            worst,
            said,
            f"Sync it: `sync --provider {word(worst.provider)} --invoice {word(worst.number)}`, or Sync on the page Invoice status. {if_it_failed(e)}".strip(),
        )
    if broken:
        worst = broken[0]
        fix = f"Sync it again: `sync --provider {word(worst.provider)} --invoice {word(worst.number)}`; where that fails too, follow its message."
        return at_fault(
            worst,
            f"{worst.number} of {day(worst.invoice_date)} was tried on {day(worst.attempted_on)} and is in Error: {short(worst.message)}",
            fix,
        )
    if not deciding and source.gives_usage and (source.listed_on is None or (source.run and source.run.status in ("failed", "abandoned"))):
        asked = (
            f"{source.provider} was never asked for its invoices."
            if source.listed_on is None
            else f"Nobody knows what {source.provider} lists today."
        )
        return Checked(
            True,
            f"{asked} {run_said(e)}",
            f"Sync it: `sync --provider {word(source.provider)}`, or Sync on the page Invoice status. {if_it_failed(e)}".strip(),
        )
    if not deciding:
        return not_reached("There is nothing to be pulled.")
    return Checked(
        False, "; ".join(f"{document.number} is here since {day(document.arrived_on or document.seen_on)}" for document in deciding) + "."
    )


def populating(e: Evidence) -> Checked:
    waiting = [document for document in documents.deciding(e) if document.status == StatusReason.POPULATING]
    if not waiting:
        return _nothing_else(e, "No invoice of the month is populating.")
    worst = waiting[0]
    if worst.arrived_on is None:
        said = f"{worst.number} is being imported since {day(worst.attempted_on)}."
        return at_fault(worst, said, f"Wait for the import to end; if nothing runs any more, `sync --invoice {word(worst.number)}`.")
    said = f"{worst.number} of {worst.provider} is complete since {day(worst.arrived_on)}, {words.counted(worst.usage, 'usage line')}, and waits for a person to activate it."
    return at_fault(worst, said, f"Look through its lines, then `activate --invoice {word(worst.number)}`, or Activate on its page.")


def unresolved_references(e: Evidence) -> Checked:
    failed = [document for document in documents.deciding(e) if Failure.UNRESOLVED_REFERENCES in document.failures]
    if not failed:
        return _nothing_else(e, "Every customer, subscription and currency of its invoice is in our records.")
    worst = failed[0]
    pairs = documents.own_first(worst, e)
    lacking = [(blame, missing) for blame, missing in pairs if not missing.is_supplied]
    if not lacking:
        said = f"{worst.number} of {day(worst.invoice_date)} is in Error for want of references, which are there by now.{held(worst, e)}"
        blame = pairs[0][0] if pairs else ANOTHER
        return at_fault(
            worst, said, f"Validate it again: `sync --invoice {word(worst.number)}`, or on the page Missing references.", whose=blame
        )
    blame, first = lacking[0]
    said = f"{whose_fault(worst, lacking)} {number_and_day(worst)} is in Error, with everybody's usage on it.{held(worst, e)}"
    fix = f"{supply(first, worst)}, then `sync --invoice {word(worst.number)}`; or both on the page Missing references."
    return at_fault(worst, said, fix, whose=blame)


def checksum_failed(e: Evidence) -> Checked:
    failed = [document for document in documents.deciding(e) if Failure.CHECKSUM_FAILED in document.failures]
    if not failed:
        return _nothing_else(e, "Its invoice adds up.")
    worst = failed[0]
    figures = (("Header", worst.total), ("difference", worst.difference), ("tolerance", worst.tolerance))
    known = ", ".join(f"{name} {words.amount(value, worst.currency)}" for name, value in figures if value is not None)
    proven = f" Proven cause: {worst.proven_cause.removesuffix('.')}." if worst.proven_cause else ""
    message = short(worst.message.partition(" Proven cause")[0])
    said = f"{number_and_day(worst)} is in Error: {message}{proven}{f' {known}.' if known else ''}{held(worst, e)}"
    return at_fault(worst, said, mend(worst, e))


def zero_invoice(e: Evidence) -> Checked:
    deciding = documents.deciding(e)
    active = [document for document in deciding if document.is_active]
    if not active:
        return _nothing_else(e, "")
    empty = [document for document in active if not document.usage]
    if len(empty) < len(deciding) or any(rows.document == document.number for rows in e.rows for document in empty):
        return Checked(
            False,
            f"{active[0].number} has {words.counted(max(document.usage for document in active), 'usage line')}."
            if len(empty) < len(active)
            else "Not every invoice of the month is here yet.",
        )
    worst = empty[0]
    total = "without a total" if worst.total is None else f"of {words.amount(worst.total, worst.currency)}"
    what = "no lines at all" if not worst.lines else f"{words.counted(worst.lines, 'license line')} and no usage"
    said = f"{worst.number} of {day(worst.invoice_date)}, {total}, is Active with {what}."
    if worst.source == "file":
        anew = f"import its files again, those of its usage with them: `import FILE --provider {word(worst.provider)} --invoice {word(worst.number)}`"
    else:
        anew = f"`sync --invoice {word(worst.number)}`, which fetches it anew"
    return at_fault(
        worst, said, f"Look at the provider whether its usage is published by now; then `delete --invoice {word(worst.number)}` and {anew}."
    )


def deactivated(e: Evidence) -> Checked:
    out = [document for document in documents.deciding(e) if document.status == StatusReason.DEACTIVATED]
    if not out:
        return _nothing_else(e, "Nobody has deactivated its invoice.")
    worst = out[0]
    again = "Upload its files again, or check them again" if worst.source == "file" else "Sync it again"
    said = f"{worst.number} of {day(worst.invoice_date)} was deactivated after it was imported on {day(worst.arrived_on)}; its usage is not billed."
    return at_fault(worst, said, f"{again}: `sync --provider {word(worst.provider)} --invoice {word(worst.number)}`.")


def _nothing_else(e: Evidence, said: str) -> Checked:
    """The check has passed where something of every month is here, else it was not reached."""
    here = [document for document in documents.deciding(e) if document.status is not None]
    if not here:
        return not_reached("There is no invoice of the provider here yet.")
    active = next((document for document in here if document.is_active), None)
    return Checked(False, said if active else "Something else keeps it out.") if said else not_reached("Its invoice is not Active.")
