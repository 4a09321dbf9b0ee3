"""How does a person supply what is missing, in place? What to say of it, what that would release, and the button; afterwards what was done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import streamlit as st

from pages.components import cached, plain, problems, signed_in
from w365core import money
from w365core.jobs import supplying
from w365core.jobs.supplying import Choices, DryRun
from w365core.model import Fix, FixAction, ReferenceKind
from w365core.reports import wording
from w365core.reports.missing_references import Thing

_MOST_HELD, _MOST_CUSTOMERS, _MOST_DONE = 6, 8, 5
_CREATE, _ALIAS = "Create it", "Another id of one we have"
_EXISTING, _NEW = "One we have", "A new one with the printed id"
_BILLING_TYPES = ("License", "Usage", "Tiered", "Non-recurring", "Service")


def panel(thing: Thing) -> None:
    """Everything about one missing thing: who waits, its invoices, what to say of it, what that would do."""
    with st.container(border=True), problems.boundary():
        form, waits = st.columns((6, 4), gap="medium")
        with waits:
            _whose(thing)
        with form:
            if thing.fix is None:
                st.text(thing.suggestion)
                return
            fix = _FORMS[thing.kind](thing, thing.fix, cached.choices())
            if fix is None:
                st.caption(":material/arrow_upward: Say what is missing here; what it would release stands here then.")
            else:
                _apply([fix], key=thing.id, label="Apply")


def several(things: Sequence[Thing], picked: int) -> None:
    """The suggested fixes of several, together."""
    with st.container(border=True), problems.boundary():
        if not things:
            st.text("None of the chosen has a fix that is ready; open each and say what is missing.")
            return
        left = f"; {picked - len(things)} of the chosen need a person first" if picked > len(things) else ""
        st.caption(f"The suggested fixes of {wording.counted(len(things), 'missing thing')}, in one transaction{left}.")
        _apply([thing.fix for thing in things], key="several", label=f"Apply the suggested fix to {len(things):,}")


def what_was_done() -> None:
    """What the last fix did to our records, until somebody has read it."""
    done = st.session_state.get("supplied")
    if not done:
        return
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Supplied", icon=":material/check_circle:", color="green")
            st.text(done.said[0])
            st.space("stretch")
            st.button("Close", key="supplied_close", icon=":material/close:", type="tertiary", on_click=_forget)
        for sentence in done.said[1:_MOST_DONE]:
            st.text(sentence)
        if len(done.said) > _MOST_DONE:
            st.text(f"… and {len(done.said) - _MOST_DONE:,} more")
        if done.job_id is None:
            st.caption("No invoice waits on that, so nothing is validated again.")


# --- before ------------------------------------------------------------------------------------------------------------------------------


def _apply(fixes: Sequence[Fix], *, key: str, label: str) -> None:
    """What the fixes would do, and the button that does it."""
    how = {"actor": signed_in.person(), "now": cached.installation().now}
    found = supplying.would(cached.engine(), fixes, **how)
    _foretold(found)
    reason = st.text_input("Note for the log", key=f"note_{key}", placeholder="Optional", max_chars=500)
    if st.button(label, key=f"apply_{key}", type="primary", icon=":material/build:"):
        done = supplying.supply(cached.engine(), fixes, reason=reason.strip() or None, validate=True, **how)
        st.session_state["supplied"], st.session_state["fixing"] = done, None
        if done.job_id is not None:
            st.session_state["sync_job"] = done.job_id
        st.rerun()


def _foretold(found: DryRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if found.released:
            st.badge("Releases", icon=":material/lock_open:", color="green")
        st.text(found.sentence)
    with st.container(gap="xsmall"):
        for sentence in found.done[:_MOST_DONE]:
            st.caption(f":material/arrow_forward: Then {plain.label(sentence)}")
        if len(found.done) > _MOST_DONE:
            st.caption(f"… and {len(found.done) - _MOST_DONE:,} more")
        for one in found.held_up[:_MOST_HELD]:
            st.caption(f":material/lock: {plain.label(one.sentence)}")
        if len(found.held_up) > _MOST_HELD:
            st.caption(f"… and {len(found.held_up) - _MOST_HELD:,} more that stay held up")


def _whose(thing: Thing) -> None:
    """Its invoices, each a link to its lines, and the customers who wait, the biggest first."""
    with st.container(gap=None):
        st.caption("On these invoices")
        for held in thing.invoices:
            st.page_link(
                "invoices/status.py",
                label=f"{plain.label(held.number)} · {wording.rounded(held.amount, held.currency)}",
                icon=":material/receipt_long:",
                query_params={"invoice": str(held.id), "tab": "Missing references"},
            )
    if thing.customers:
        with st.container(gap=None):
            st.caption(f"{wording.counted(len(thing.customers), 'customer')} cannot be billed until then")
            for one in thing.customers[:_MOST_CUSTOMERS]:
                amounts = " + ".join(wording.rounded(value, code) for code, value in one.amounts.items())
                st.text(f"{one.name} · {amounts}")
            if len(thing.customers) > _MOST_CUSTOMERS:
                st.text(f"… and {len(thing.customers) - _MOST_CUSTOMERS:,} more")


# --- what a person says ------------------------------------------------------------------------------------------------------------------


def _customer(thing: Thing, fix: Fix, choices: Choices) -> Fix | None:
    account = _chosen("Account", choices.accounts, fix.account_id, key=f"account_{thing.id}")
    return replace(fix, account_id=account) if account else None


def _subscription(thing: Thing, fix: Fix, choices: Choices) -> Fix | None:
    is_alias = fix.action is FixAction.ALIAS
    how = st.radio(
        "It is", [_CREATE, _ALIAS], index=1 if is_alias else 0, key=f"how_{thing.id}", horizontal=True, label_visibility="collapsed"
    )
    if how == _ALIAS:
        ours = _chosen("Our subscription", choices.subscriptions, fix.subscription_id if is_alias else None, key=f"ours_{thing.id}")
        return replace(fix, action=FixAction.ALIAS, subscription_id=ours) if ours else None
    account = _chosen("Account", choices.accounts, fix.account_id, key=f"account_{thing.id}")
    kind, seats, under = st.columns((3, 2, 3), gap="small")
    kinds = ["License", "Usage"]
    said = kind.radio("Kind", kinds, index=kinds.index(fix.kind or "License"), key=f"kind_{thing.id}", horizontal=True)
    printed = "" if fix.quantity is None else wording.digits(fix.quantity).replace(",", "")
    typed = seats.text_input("Seats", value=printed, key=f"seats_{thing.id}", disabled=said == "Usage")
    places = list(dict.fromkeys(filter(None, [fix.under, *choices.manual, thing.provider])))
    stands = under.selectbox(
        "Under", places, key=f"under_{thing.id}", help="An old id stands under a manual provider; made where there is none"
    )
    name = st.text_input("Name", value=fix.name or "", key=f"name_{thing.id}")
    quantity = money.readable(typed.strip()) if typed.strip() else None
    if typed.strip() and quantity is None:
        st.text(f"{typed} is no number of seats.")
        return None
    made = replace(fix, action=FixAction.ADD_SUBSCRIPTION, subscription_id=thing.key, account_id=account, kind=said, under=stands)
    return replace(made, quantity=Decimal(1) if said == "Usage" else quantity, name=name.strip() or None) if account else None


def _currency(thing: Thing, fix: Fix, _choices: Choices) -> Fix | None:
    typed = st.text_input(f"Its rate: 1 {fix.key} is how much in base currency?", key=f"rate_{thing.id}", placeholder="1.0432")
    rate = money.readable(typed.strip()) if typed.strip() else None
    if typed.strip() and rate is None:
        st.text(f"{typed} is no rate; write it with a point, such as 1.0432.")
    return None if rate is None else replace(fix, rate_to_base=rate)


def _product(thing: Thing, fix: Fix, choices: Choices) -> Fix | None:
    is_new = fix.product_id is not None and fix.product_id.lower() == fix.key.lower()
    how = st.radio(
        "It is", [_EXISTING, _NEW], index=1 if is_new else 0, key=f"how_{thing.id}", horizontal=True, label_visibility="collapsed"
    )
    if how == _EXISTING:
        chosen = _chosen("Product", choices.products, None if is_new else fix.product_id, key=f"product_{thing.id}")
        return replace(fix, product_id=chosen, billing_type=None) if chosen else None
    called, billed = st.columns(2, gap="small")
    name = called.text_input("Name", value=fix.name or "", key=f"name_{thing.id}")
    place = _BILLING_TYPES.index(fix.billing_type) if fix.billing_type in _BILLING_TYPES else 0
    billing_type = billed.selectbox("Billed as", _BILLING_TYPES, index=place, key=f"billing_{thing.id}")
    return replace(fix, product_id=fix.key, name=name.strip() or None, billing_type=billing_type)


def _chosen(label: str, options: Sequence[tuple[str, str]], suggested: str | None, *, key: str) -> str | None:
    names = dict(options)
    ids = list(names)
    place = ids.index(suggested) if suggested in names else None
    return st.selectbox(label, ids, index=place, key=key, format_func=names.get, placeholder="Choose one; type to search")


@problems.callback
def _forget() -> None:
    st.session_state.pop("supplied", None)


_FORMS: dict[ReferenceKind, Callable[[Thing, Fix, Choices], Fix | None]] = {
    ReferenceKind.CUSTOMER: _customer,
    ReferenceKind.SUBSCRIPTION: _subscription,
    ReferenceKind.CURRENCY: _currency,
    ReferenceKind.PRODUCT: _product,
}
