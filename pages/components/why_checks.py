"""How are the sixteen checks of a contract shown? Passed, failed, noted or not reached, each with what it saw and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.components import plain
from w365core.reports import why_rows

Row = Mapping[str, Any]
_PASSED = {
    "provider_has_no_usage": "Does the provider bring usage?",
    "not_published": "Has it published the month?",
    "not_pulled": "Is it fetched?",
    "populating": "Is it complete and active?",
    "unresolved_references": "Do its lines resolve?",
    "checksum_failed": "Does it add up?",
    "zero_invoice": "Does it hold usage?",
    "deactivated": "Is it still in force?",
    "no_usage_rows": "Is there usage of this subscription?",
    "archived_or_invoiced": "Is it neither invoiced nor archived?",
    "unconfirmed": "Is it confirmed?",
    "markup_missing": "Does it have a markup?",
    "markup_changed_after_import": "Is the markup still the same?",
    "arrived_after_invoice_date": "Did it come in time?",
    "invoice_total_zero": "Does the customer's invoice come to something?",
    "contract_not_billable": "Can the contract be billed?",
}


def draw(row: Row) -> None:
    """Each check in order: passed, failed, beside the point or not reached; with what it saw and what mends it."""
    for place, checked in enumerate(row["checks"], 1):
        mark, words, said = st.columns((1.15, 2.4, 7.5), gap="small")
        with mark:
            if checked["applies"] is None:
                st.badge("not reached", icon=":material/more_horiz:", color="gray")
            elif not checked["applies"]:
                st.badge("passed", icon=":material/check:", color="green")
            else:
                st.badge(
                    "failed" if checked["blocks"] else "noted",
                    icon=":material/close:" if checked["blocks"] else ":material/info:",
                    color="red" if checked["blocks"] else "orange",
                )
        words.text(f"{place}. {why_rows.CAUSES[checked['code']] if checked['applies'] else _PASSED[checked['code']]}")
        with said.container(gap=None):
            st.text(checked["evidence"])
            if checked["applies"] and checked["fix"]:
                st.caption(f":material/arrow_forward: {_code(checked['fix'])}")
            if checked["applies"] and checked["invoice_id"]:
                st.page_link(
                    "invoices/status.py",
                    label=f"Open invoice {plain.label(checked['document'])}",
                    icon=":material/receipt_long:",
                    query_params={"invoice": str(checked["invoice_id"])},
                )


def _code(fix: str) -> str:
    """A fix as Markdown: what stands in backticks is a command, the rest plain text."""
    parts = fix.split("`")
    return "".join(f"`{part}`" if place % 2 else plain.label(part) for place, part in enumerate(parts))
