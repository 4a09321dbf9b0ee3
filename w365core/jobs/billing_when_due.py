"""A job of the queue that makes Drafts of all usage whose invoice date has come, and says what it made and what is held back."""

from __future__ import annotations

from w365core import money
from w365core.jobs import invoicing
from w365core.jobs.context import Context
from w365core.jobs.handing import Handled
from w365core.jobs.invoicing import Billed, Period
from w365core.reports import wording

_MOST_SAID = 5
_MOST_KEPT = 100


def carry_out(context: Context) -> Handled:
    """Bills what is due by today, never more than once for a cycle. What is held back is no failure of the job: the page Usage invoices has it."""
    due = Period.due(context.now.date())
    context.report("making Drafts of what is due")
    done = invoicing.bill(context.engine, due, actor=context.actor, now=context.now, landing=context.landing)
    drafts = [
        {"invoice_number": one.invoice_number, "contract_id": one.contract_id, "currency": one.currency, "total": money.plain(one.total)}
        for one in done.made
    ]
    return Handled(sentence(done), {"drafts": drafts, "held_back": done.refused[:_MOST_KEPT]})


def sentence(done: Billed) -> str:
    """Made 2 Drafts, 1,200.00 EUR: U202610-C-1, U202610-C-2. 3 things are held back, the first: …"""
    if not done.made:
        said = "No Draft was made: nothing is due that can be billed."
    else:
        totals = wording.sums((draft.total, draft.currency) for draft in done.made)
        numbers = [draft.invoice_number for draft in done.made]
        more = f" and {len(numbers) - _MOST_SAID:,} more" if len(numbers) > _MOST_SAID else ""
        said = f"Made {wording.counted(len(numbers), 'Draft')}, {totals}: {', '.join(numbers[:_MOST_SAID])}{more}."
    if not done.refused:
        return said
    many = f"{len(done.refused):,} things are held back, the first" if len(done.refused) > 1 else "Held back"
    return f"{said} {many}: {done.refused[0]}"
