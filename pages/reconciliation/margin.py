"""Margin: what do we earn on what the providers charge, and what is sold below cost?"""

from __future__ import annotations

import streamlit as st

from pages.components import done, margin, reconciliation, reconciliation_choice as choice, sync, tiles


def page() -> None:
    st.title("Margin", anchor=False)
    st.caption("What licenses and usage sell for against what they cost, in the days of the provider's invoice.")
    done.draw()
    sync.progress()
    found = margin.report()
    if not found.scope.known:
        return reconciliation.no_invoices()
    choice.scope(found.scope)
    reconciliation.waiting(found.scope)
    margin.filters(found)
    for row in found.tiles:
        tiles.draw(row)
    st.subheader("Sold below cost or at cost, the biggest loss first", anchor=False)
    margin.losses(found)
    margin.groups(found)
    margin.drift(found)
    margin.lines(found)
    return None


page()
