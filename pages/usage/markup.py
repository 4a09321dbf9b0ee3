"""Markup updates: which usage lacks a markup or has an old one, how much money is it about, and how is it put right?"""

from __future__ import annotations

import streamlit as st

from pages.components import done, empty, markup, markup_changes, markup_preview, tiles


def page() -> None:
    _head()
    done.draw()
    work = markup.work()
    if not work.has_usage:
        return empty.nothing(
            "There is no usage yet. It comes with the provider's invoices: import one that has usage, and its markups stand here."
        )
    markup_preview.receipt()
    tiles.draw(work.tiles)
    st.subheader("Needs a markup", anchor=False)
    markup.worklist(work)
    markup_preview.draw(markup_preview.WORKLIST)
    st.subheader("Change markup, cost or quantity", anchor=False)
    which = markup.choice()
    markup_changes.draw(which)
    markup_preview.draw(markup_preview.CHANGES)
    st.subheader("Corrections", anchor=False)
    if not work.receipts.rows:
        return empty.nothing(
            "Nothing was corrected yet. Every correction is listed here with who, when, the file and the money, and can be undone."
        )
    markup_preview.past(work.receipts)


def _head() -> None:
    st.title("Markup updates", anchor=False)
    st.caption("What imported usage sells for: markups that are blank or have changed since, and corrections of markup, cost and quantity.")


page()
