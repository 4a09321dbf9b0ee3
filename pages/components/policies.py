"""How are tolerance policies shown and set? A table, what expires soon, a form that says what it will do, and the differences of the months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import streamlit as st

from pages.components import asking, cached, charts, empty, plain, problems, signed_in, tables
from w365core import money, tolerance
from w365core.errors import CallRefused
from w365core.jobs import tolerances
from w365core.reports import wording
from w365core.reports.tolerances import Tolerances
from w365core.tolerance import Policy

_DEFAULT = "Without a policy a difference of up to 0.50 passes with one click, a larger one needs a reason, and a header more than 50 % below the month before is said aloud."
_LIMITS = (
    ("one_click_amount", "One click up to", "The difference that passes without a reason"),
    ("one_click_percent", "… and % of the header", "Both hold where both are given; blank: no such limit"),
    ("most_amount", "No override above", "Blank: no limit"),
    ("most_percent", "… or % of the header", "Blank: no limit"),
    ("drop_percent", "Warn of a drop above %", "Against the month before; blank: 50"),
)


def soon(sentences: Sequence[str]) -> None:
    """What expires or has expired."""
    for sentence in sentences:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Expires", icon=":material/event_busy:", color="orange")
            st.text(sentence)


def draw(report: Tolerances) -> None:
    """The policies, and the form to set or remove one: a click on a row fills it."""
    st.caption(f"{_DEFAULT} Click a row to change it.")
    chosen = None
    if report.policies.rows:
        row = tables.show(report.policies, key=f"policies_{st.session_state.get('policies_shown', 0)}", selects=True)
        tables.downloads(report.policies, key="policies")
        if row:
            chosen = next(one for one in report.known if (one.provider, one.currency) == (row["provider"], row["currency"]))
    else:
        empty.nothing("No policy is set: the default holds for every provider and currency.")
    _form(report, chosen)


def history(report: Tolerances) -> None:
    """One chart, of the provider and currency that are chosen."""
    if not report.history:
        return empty.nothing("No invoice of the last thirteen months differed by more than its tolerance.")
    named = {f"{provider} {currency}": (provider, currency) for provider, currency in report.history}
    chosen = st.segmented_control(
        "Provider and currency",
        list(named),
        format_func=plain.label,
        default=next(iter(named)),
        key="history_of",
        label_visibility="collapsed",
        required=True,
    )
    provider, currency = named.get(chosen) or next(iter(named.values()))
    with st.container(border=True):
        st.caption(f"What the documents of {plain.label(provider)} differed by, {currency}, whatever the sign")
        charts.by_month_differed(report.history[provider, currency], currency=currency)


# --- the form ------------------------------------------------------------------------------------------------------------------------------


def _form(report: Tolerances, chosen: Policy | None) -> None:
    label = f"Change the policy of {plain.label(chosen.provider)} in {chosen.currency}" if chosen else "Set a policy"
    key = f"{chosen.provider}_{chosen.currency}" if chosen else "new"
    seen = asking.seen(f"policy {key}", chosen)
    with st.expander(label, expanded=chosen is not None, icon=":material/edit:"), problems.boundary():
        first, second, third = st.columns(3, gap="small")
        provider = first.selectbox("Provider", _first(report.providers, chosen and chosen.provider), key=f"policy_provider_{key}")
        currency = second.selectbox("Currency", _first(report.currencies, chosen and chosen.currency), key=f"policy_currency_{key}")
        expires = third.date_input(
            "Last day that it holds",
            value=chosen.expires_on if chosen else None,
            key=f"policy_expires_{key}",
            help="Blank: until it is changed",
        )
        limits = {}
        for column, (name, said, help_text) in zip(st.columns(len(_LIMITS), gap="small"), _LIMITS, strict=True):
            known = getattr(chosen, name) if chosen else tolerance.ONE_CLICK if name == "one_click_amount" else None
            limits[name] = column.text_input(said, value=money.plain(known) or "", key=f"policy_{name}_{key}", help=help_text)
        left, right = st.columns((3, 7), gap="small")
        owner = left.text_input("Owner", value=chosen.owner if chosen else "", key=f"policy_owner_{key}", help="Who answers for it")
        reason = right.text_input("Reason", value=chosen.reason if chosen else "", key=f"policy_reason_{key}")
        policy = _said(provider, currency, limits, owner, reason, expires)
        st.text(_effect(policy))
        with st.container(horizontal=True, gap="small"):
            if st.button("Save the policy", key=f"policy_save_{key}", type="primary", icon=":material/save:"):
                _save(policy, seen)
            if chosen and st.button("Remove it", key=f"policy_remove_{key}", icon=":material/delete:", help="The default holds again"):
                _remove(seen)


def _first(options: Sequence[str], chosen: str | None) -> list[str]:
    """The options, the chosen one first."""
    return [*([chosen] if chosen else []), *(one for one in options if one != chosen)]


def _said(provider: str, currency: str, limits: dict[str, str], owner: str, reason: str, expires: date | None) -> Policy:
    """What the form says. CallRefused where a limit is no number."""
    read: dict[str, Decimal | None] = {}
    for name, said, _ in _LIMITS:
        text = limits[name].strip()
        read[name] = money.readable(text) if text else None
        if text and read[name] is None:
            raise CallRefused(f"{said}: {text!r} is no number; write it with a point, such as 500 or 0.50.")
    one_click = read.pop("one_click_amount")
    amount = tolerance.ONE_CLICK if one_click is None else one_click
    return Policy(provider, currency, one_click_amount=amount, **read, owner=owner, reason=reason, expires_on=expires)


def _effect(policy: Policy) -> str:
    said = f"Up to {wording.amount(policy.one_click_amount, policy.currency)} one click will do"
    said += f" (and {wording.digits(policy.one_click_percent)} % of the header)" if policy.one_click_percent is not None else ""
    most = [wording.amount(policy.most_amount, policy.currency)] if policy.most_amount is not None else []
    most += [f"{wording.digits(policy.most_percent)} % of the header"] if policy.most_percent is not None else []
    said += (
        f"; above that a reason is needed; an override above {' or '.join(most)} is refused" if most else "; above that a reason is needed"
    )
    until = f", until {wording.day(policy.expires_on)}" if policy.expires_on else ""
    return f"{policy.provider} in {policy.currency}: {said}{until}."


def _save(policy: Policy, chosen: Policy | None) -> None:
    is_same = chosen is not None and (chosen.provider, chosen.currency) == (policy.provider, policy.currency)
    seen = {"seen": chosen} if is_same else {}
    _, changed = tolerances.set_policy(cached.engine(), policy, actor=signed_in.person(), now=cached.installation().now, **seen)
    _shown_anew("The policy is set." if changed else "The policy was so already.")


def _remove(policy: Policy) -> None:
    tolerances.remove_policy(
        cached.engine(), policy.provider, policy.currency, actor=signed_in.person(), now=cached.installation().now, seen=policy
    )
    _shown_anew("The policy is removed; the default holds again.")


def _shown_anew(sentence: str) -> None:
    """Another table, so that no row of it stays chosen."""
    st.session_state["policies_shown"] = st.session_state.get("policies_shown", 0) + 1
    st.toast(sentence)
    st.rerun()
