"""How is what is missing shown? One row per missing thing with its money, whose billing waits, its fix in place; several at once; and what is there by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.components import address, cached, leaving, plain, problems, references_fix, signed_in, tables
from w365core.jobs import queue
from w365core.model import ReferenceKind
from w365core.reports import fixes, missing_references as report, wording
from w365core.reports.missing_references import MissingReferences, Thing

SHOWN_AT_FIRST, MOST_ROWS = 6, 60
_MOST_NAMED = 3
_WIDTHS = (0.35, 3.7, 3.9, 2.7, 1)


def kind() -> str | None:
    """The kinds to choose from, kept in the URL; the one that is chosen."""
    return st.pills(
        "Kind",
        [str(one) for one in ReferenceKind],
        key="kind",
        bind="query-params",
        format_func=lambda one: report.PLURALS[one].capitalize(),
        label_visibility="collapsed",
    )


def only_one_invoice(found: MissingReferences) -> None:
    """Says that one invoice is looked at, and the way back to all."""
    numbers = sorted({held.number for thing in (*found.things, *found.supplied) for held in thing.invoices})
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(f"Invoice {', '.join(numbers)}" if numbers else "One invoice", icon=":material/filter_alt:", color="blue")
        st.button("Show all invoices", key="inbox_all", icon=":material/close:", type="tertiary", on_click=address.close_inbox_invoice)


def inbox(things: Sequence[Thing]) -> None:
    """The rows, the biggest money first, and above them what can be done with several at once."""
    if not things:
        with st.container(border=True):
            st.text("Nothing of this kind is missing.")
        return
    everything = len(things) <= SHOWN_AT_FIRST or st.session_state.get("inbox_everything", False)
    shown = things[:MOST_ROWS] if everything else things[:SHOWN_AT_FIRST]
    accounts = cached.choices().account_names
    _bulk(things, shown)
    with st.container(border=True, gap="small"):
        for thing in shown:
            _row(thing, accounts)
            if st.session_state.get("fixing") == thing.id:
                references_fix.panel(thing)
    if len(things) > SHOWN_AT_FIRST:
        st.toggle(f"Show all {min(len(things), MOST_ROWS):,}", key="inbox_everything")
    if len(things) > MOST_ROWS:
        st.caption(f"The biggest {MOST_ROWS} of {len(things):,} stand here; all of them are in the table, and in the CSV of fixes.")


def supplied(things: Sequence[Thing]) -> None:
    """What somebody has put into our records since: its invoices only have to be looked at again."""
    if not things or _being_validated():
        return
    invoices = {held.id: held for thing in things for held in thing.invoices if held.is_blocked}
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("In our records by now", icon=":material/inventory:", color="green")
        st.text(
            f"{report.kinds_said(things)}, on {wording.counted(len(invoices), 'invoice')} that {'has' if len(invoices) == 1 else 'have'} not been "
            "validated since. The next daily job does it; or at once, from what landed:",
            width="content",
        )
        st.button(
            "Validate again",
            key="validate_supplied",
            icon=":material/fact_check:",
            on_click=_validate,
            args=(list(invoices),),
            disabled=not invoices,
        )


def downloads(found: MissingReferences) -> None:
    """The table as files, and the fixes as a CSV that comes back through `supply`."""
    ready = [thing for thing in found.things if thing.fix is not None]
    left, right = st.columns((7, 3), vertical_alignment="center")
    with left.container(horizontal=True, vertical_alignment="center", gap="small"):
        leaving.button(
            "Fixes CSV",
            what="fixes",
            data=lambda: report.fixes_csv(found.things),
            file_name="fixes.csv",
            mime="text/csv",
            key="fixes_csv",
            icon=":material/build:",
            disabled=not ready,
        )
        st.caption(
            "The suggested fixes, to edit in a spreadsheet; `python -m w365core supply fixes.csv --dry-run` takes them.", width="content"
        )
    with right:
        tables.downloads(found.table, key="missing_table")


# --- helpers -----------------------------------------------------------------------------------------------------------------------------


def _bulk(things: Sequence[Thing], shown: Sequence[Thing]) -> None:
    """Choosing several, and their suggested fixes together."""
    ready = [thing for thing in shown if thing.fix is not None and thing.fix.is_ready]
    picked = [thing for thing in things if st.session_state.get(f"pick_{thing.id}")]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if len(ready) > 1:
            st.button(
                f"Choose all {len(ready)} with a ready fix", key="pick_ready", icon=":material/checklist:", on_click=_pick, args=(ready,)
            )
        if picked:
            st.button("Choose none", key="pick_none", icon=":material/close:", type="tertiary", on_click=_pick, args=(picked, False))
    if picked:
        references_fix.several([thing for thing in picked if thing.fix is not None and thing.fix.is_ready], len(picked))


@problems.callback
def _pick(things: Sequence[Thing], now: bool = True) -> None:
    for thing in things:
        st.session_state[f"pick_{thing.id}"] = now


def _row(thing: Thing, accounts: Mapping[str, str]) -> None:
    pick, what, fix, figures, act = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with pick:
        ready = thing.fix is not None and thing.fix.is_ready
        st.checkbox(f"Choose {plain.label(thing.title)}", key=f"pick_{thing.id}", label_visibility="collapsed", disabled=not ready)
    with what.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**{plain.label(thing.title)}**", width="content")
            st.badge(thing.kind if thing.blocking else f"{thing.kind}, does not block", color="red" if thing.blocking else "gray")
        st.caption(" · ".join(plain.label(text) for text in (thing.provider, thing.key if thing.name else None) if text))
    with fix.container(gap=None):
        said = fixes.fix_said(thing.fix, accounts)
        st.text(said[0].upper() + said[1:])
        because = thing.fix.because if thing.fix else "an invoice holds lines of its own currency only"
        st.caption(" · ".join(filter(None, [fixes.sure(thing.fix.confidence) if thing.fix else "", plain.label(because)])))
    with figures.container(gap=None, horizontal_alignment="right"):
        whole = thing.whole or thing.own
        st.markdown("**" + " + ".join(wording.rounded(value, code) for code, value in whole.items()) + "**", text_alignment="right")
        st.caption(_small_print(thing), text_alignment="right")
    with act:
        is_open = st.session_state.get("fixing") == thing.id
        st.button(
            "Close" if is_open else "Fix",
            key=f"fix_{thing.id}",
            type="tertiary" if is_open else "secondary",
            on_click=_fixing,
            args=(None if is_open else thing.id,),
            width="stretch",
        )


def _small_print(thing: Thing) -> str:
    """How much of it is its own, and who waits."""
    own = " + ".join(wording.rounded(value, code) for code, value in thing.own.items())
    said = [f"{wording.counted(thing.lines, 'line')} of its own:", own] if thing.blocking else [wording.counted(thing.lines, "line")]
    if thing.customers:
        said.append(report.waits_said(len(thing.customers)))
    return "  \n".join(said)


def _being_validated() -> bool:
    with cached.reading() as opened:
        return any(job.kind == queue.VALIDATE for job in queue.unfinished(opened))


@problems.callback
def _fixing(thing_id: str | None) -> None:
    st.session_state["fixing"] = thing_id


@problems.callback
def _validate(invoices: Sequence[int]) -> None:
    st.session_state["sync_job"] = queue.ask_validation(cached.engine(), invoices, actor=signed_in.person())
