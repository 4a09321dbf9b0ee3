"""How is one provider invoice shown? What is wrong and what to do, what its header is made of, who it is for, and every line of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import streamlit as st

from pages.components import (
    actions,
    address,
    cached,
    changed,
    charts,
    children,
    difference,
    done,
    history,
    leaving,
    lives,
    naming,
    plain,
    problems,
    standings,
    sync,
    tables,
)
from w365core.jobs import supplying
from w365core.model import Failure
from w365core.reports import invoice_detail, invoice_files, wording
from w365core.reports.invoice_detail import GAP, LICENSE, NARROWED, RECEIVED, TAXED, USAGE, InvoiceDetail, Part
from w365core.reports.provider_invoice import Invoice
from w365core.reports.worklist import Attention

SHOWN_AS_ROWS = 8
TABS = ("Invoice lines", "Usage summaries", "Usage lines", "Missing references", "History")
_OF_THE_FILE = "Every line of the reconciliation file, as the provider sent it."
_OF_USAGE, _OF_A_SUMMARY = "The daily-rated lines, as the provider sent them.", "The lines of one usage summary."
_ROUNDED = "Long decimals are rounded here; the files hold every digit."
# What a term of the identity leads to: the tab, and what a person finds there.
_LEADS = {
    LICENSE: (TABS[0], "Show its license lines"),
    USAGE: (TABS[1], "Show its usage summaries"),
    TAXED: (TABS[0], "Show the lines with tax, the biggest tax first"),
    RECEIVED: (TABS[4], "Show what was received"),
}


def draw(detail: InvoiceDetail) -> None:
    invoice = detail.invoice
    _head(detail)
    done.draw()
    sync.progress()
    if detail.attention:
        _what_to_do(detail.attention)
    changed.draw(detail)
    if naming.wanted(invoice):
        naming.draw(invoice)
    if detail.attached:
        _attached(detail)
    if detail.identity:
        _identity(detail.identity, is_preview=detail.is_preview)
        if invoice.is_explained:
            difference.draw(invoice, anchor=GAP)
        else:
            _gap(detail)
        made_of, customers = st.columns((4, 6), gap="small")
        with made_of:
            charts.by_part(detail.identity, currency=invoice.currency)
        with customers:
            _customers(invoice)
    _facts(detail)
    children.draw(detail)
    _tabs(detail)
    lives.draw(detail.invoice.status)


def _head(detail: InvoiceDetail) -> None:
    """What it is and where it stands; what can be done with it on the right."""
    invoice = detail.invoice
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button("All invoices", key="back", icon=":material/arrow_back:", type="tertiary", on_click=address.close_invoice)
        st.space("stretch")
        actions.draw(invoice)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.title(plain.label(invoice.number), anchor=False, width="content")
        standings.badge(invoice.standing)
        if detail.attention and detail.attention.badge:
            st.badge(detail.attention.badge, icon=":material/schedule:", color="orange")
        st.caption(f"{plain.label(invoice.provider)} · {wording.day(invoice.date)}", width="content")
        st.space("stretch")
        st.subheader(wording.amount(invoice.money, invoice.currency), anchor=False, width="content")


def _what_to_do(attention: Attention) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(gap="xsmall", width="stretch"):
            st.text(attention.sentence)
            st.caption(f":material/arrow_forward: {attention.next_step}")
            if attention.timing:
                st.caption(f":material/schedule: {attention.timing}")
        if attention.command:
            with st.popover("As a command", icon=":material/terminal:", type="tertiary"):
                st.code(attention.command, language="bash", wrap_lines=True)


def _identity(parts: tuple[Part, ...], *, is_preview: bool) -> None:
    """The identity as a sum that can be read aloud; every term leads to what it is made of."""
    with st.container(border=True):
        for column, part in zip(st.columns(len(parts), gap="small"), parts, strict=True):
            with column.container(gap=None):
                st.metric(part.label, f"{part.sign} {part.value}".strip())
                _leading(part, is_preview)


def _leading(part: Part, is_preview: bool) -> None:
    if part.leads == GAP:
        st.space("xsmall")  # as high as the buttons beside it
        st.caption(f"[:blue[{part.note}]](#{GAP})")
    else:
        st.button(
            f":blue[{part.note}]",
            key=f"part_{part.label.lower()}",
            type="tertiary",
            help=_LEADS[part.leads][1],
            on_click=_open_part,
            args=(part.leads, is_preview),
        )


@problems.callback
def _open_part(leads: str, is_preview: bool) -> None:
    """Called by a button: the tab that the term is made of, narrowed to it. A preview has no usage summaries, but lines."""
    address.close_usage()
    as_lines = leads in NARROWED and (leads != USAGE or is_preview)
    if as_lines:
        address.open_lines(leads)
    else:
        address.close_lines()
    st.session_state["tab"] = TABS[0] if as_lines else _LEADS[leads][0]


def _gap(detail: InvoiceDetail) -> None:
    """What is said of the difference; the terms of the identity that are no lines lead here."""
    if detail.gap:
        with st.container(border=True, gap="xsmall"):
            st.subheader("What the lines leave open", anchor=GAP)
            for sentence in detail.gap:
                st.text(sentence)


def _attached(detail: InvoiceDetail) -> None:
    """A button per file."""
    invoice = detail.invoice
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Attached files", width="content")
        for attached in detail.attached:
            leaving.button(
                plain.label(attached.name),
                what="attachment",
                data=partial(_content, invoice, attached.name),
                file_name=f"{invoice.number}-{attached.name}",
                key=f"attached_{attached.name}",
                icon=":material/attach_file:",
                help=attached.note,
            )


def _content(invoice: Invoice, name: str) -> bytes:
    with cached.reading() as opened:
        missing = supplying.missing(opened, provider_invoice_id=invoice.id)
        return invoice_files.content(opened, invoice, name, missing=missing)


def _facts(detail: InvoiceDetail) -> None:
    """Everything else that is known of it, in three columns."""
    with st.container(border=True), st.grid(columns=3, min_column_width=200, gap="small"):
        for label, value in detail.facts:
            with st.container(gap=None):
                st.caption(label)
                st.text(value)


def _customers(invoice: Invoice) -> None:
    customers = cached.customers(invoice.id, invoice.import_run_id, invoice.standing)
    if customers:
        charts.by_customer(customers, currency=invoice.currency)
    else:
        with st.container(border=True):
            st.caption("Biggest customers before tax")
            st.text("No lines have been read for this invoice yet.")


# --- the tabs ----------------------------------------------------------------------------------------------------------------------------


def _tabs(detail: InvoiceDetail) -> None:
    """Only the open tab asks the database."""
    draws: dict[str, Callable[[InvoiceDetail], None]] = dict(
        zip(TABS, (_invoice_lines, _usage_summaries, _usage_lines, _missing, _history), strict=True)
    )
    first = TABS[3] if detail.missing and detail.invoice.failure == Failure.UNRESOLVED_REFERENCES else TABS[0]
    for name, tab in zip(TABS, st.tabs(TABS, key="tab", bind="query-params", default=first), strict=True):
        if tab.open:
            with tab:
                draws[name](detail)


def _invoice_lines(detail: InvoiceDetail) -> None:
    invoice, only = detail.invoice, address.lines()
    _lines_head(detail, f"{NARROWED[only] if only else _OF_THE_FILE} {_ROUNDED}")
    if only:
        st.button("Show all lines", key="close_lines", icon=":material/close:", on_click=address.close_lines)

    def fetch(after: Any) -> invoice_detail.Page:
        with cached.reading() as opened:
            return invoice_detail.license_page(opened, invoice, only=only, after=after)

    everything = tables.Everything(
        lambda: _all(invoice_detail.every_license_line, invoice, only=only), count=invoice.license_lines + invoice.usage_lines
    )
    page, _ = tables.pages(fetch, everything, key="license", about=f"{invoice.id} {only or ''}")
    if not page.table.rows:
        _nothing("This invoice has no such lines." if only else "This invoice has no lines.")


def _usage_summaries(detail: InvoiceDetail) -> None:
    invoice = detail.invoice
    _lines_head(detail, f"One row per subscription, product and charge window, the dearest first. Click a row to see its lines. {_ROUNDED}")

    def fetch(after: Any) -> invoice_detail.Page:
        with cached.reading() as opened:
            return invoice_detail.summary_page(opened, invoice, after=after)

    everything = tables.Everything(lambda: _all(invoice_detail.every_summary, invoice))
    page, selected = tables.pages(fetch, everything, key="summaries", about=f"{invoice.id}", selects=True)
    if selected:
        st.button(
            f"Show its {wording.counted(selected['lines'], 'usage line')}",
            key="open_usage",
            icon=":material/subdirectory_arrow_right:",
            type="primary",
            on_click=_open_usage,
            args=(selected["usage_id"],),
        )
    if not page.table.rows:
        _nothing(
            "An invoice in Error has no usage summaries: they are made when it is imported."
            if detail.is_preview
            else "This invoice has no usage."
        )


def _usage_lines(detail: InvoiceDetail) -> None:
    invoice, usage_id = detail.invoice, address.usage()
    _lines_head(detail, f"{_OF_USAGE if usage_id is None else _OF_A_SUMMARY} {_ROUNDED}")
    if usage_id is not None:
        st.button("Show the lines of all summaries", key="close_usage", icon=":material/close:", on_click=address.close_usage)

    def fetch(after: Any) -> invoice_detail.Page:
        with cached.reading() as opened:
            return invoice_detail.usage_page(opened, invoice, usage_id=usage_id, after=after)

    everything = tables.Everything(lambda: _all(invoice_detail.every_usage_line, invoice, usage_id=usage_id), count=invoice.usage_lines)
    page, _ = tables.pages(fetch, everything, key="usage", about=f"{invoice.id} {usage_id or ''}")
    if not page.table.rows:
        _nothing("There are no usage lines here.")


def _missing(detail: InvoiceDetail) -> None:
    with cached.reading() as opened:
        table = invoice_detail.missing_references(detail.invoice, supplying.missing(opened, provider_invoice_id=detail.invoice.id))
    if not table.rows:
        return _nothing("Nothing is missing: every line resolves to our records.")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(
            "What the lines refer to and our records lack, the biggest money first. What does not block is billed as a write-in.",
            width="content",
        )
        st.page_link(
            "references/inbox.py",
            label="Fix these in Missing references",
            icon=":material/build:",
            query_params={"of": str(detail.invoice.id)},
        )
    for row in table.rows[:SHOWN_AS_ROWS]:
        _missing_row(row)
    if len(table.rows) > SHOWN_AS_ROWS:
        tables.show(table, key="missing")
    tables.downloads(table, key="missing")


def _missing_row(row: Mapping[str, Any]) -> None:
    with st.container(border=True):
        what, fix, money = st.columns((2.1, 6, 1.9), gap="medium", vertical_alignment="center")
        with what.container(gap=None):
            st.text(row["name"] or row["key"])
            st.badge(f"{row['kind']}{'' if row['blocking'] else ', does not block'}", color="red" if row["blocking"] else "gray")
        with fix.container(gap=None):
            st.text(row["suggestion"])
            if row["name"]:
                st.caption(plain.label(row["key"]))
        with money.container(gap=None, horizontal_alignment="right"):
            st.markdown(f"**{wording.amount(row['amount'], row['currency'])}**", text_alignment="right")
            st.caption(wording.counted(row["lines"], "line"), text_alignment="right")


def _history(detail: InvoiceDetail) -> None:
    history.draw(detail.invoice)


@problems.callback
def _open_usage(usage_id: str) -> None:
    address.open_usage(usage_id)
    st.session_state["tab"] = "Usage lines"


def _lines_head(detail: InvoiceDetail, sentence: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if detail.is_preview:
            st.badge("Preview: not imported", icon=":material/visibility:", color="orange")
        st.caption(sentence, width="content")


def _nothing(sentence: str) -> None:
    with st.container(border=True):
        st.text(sentence)


def _all(every: Callable, invoice: Invoice, **which: Any) -> Iterator[Mapping[str, Any]]:
    """Every row, in one snapshot that lasts as long as the file is written."""
    with cached.reading(seconds=0) as opened:
        yield from every(opened, invoice, **which)
