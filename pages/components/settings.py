"""How are settings shown and set? What should be looked at, a section at a time, and beside each setting who set it and what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages.components import asking, cached, done, empty, problems, signed_in, tables
from w365core import money
from w365core.errors import CallRefused
from w365core.jobs import contracts as contracts_door, preferring, rates
from w365core.preferences import Form
from w365core.reports import settings as report_of, wording
from w365core.reports.settings import Notice, Setting, Settings

_KEY = "section"  # also its name in the URL
_FIXED = ("Currencies", "Contracts", "Providers")


def notices(found: Sequence[Notice]) -> None:
    """What somebody should look at, each with a way there."""
    for place, notice in enumerate(found):
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(notice.title, icon=":material/visibility:", color="orange")
            st.text(notice.sentence)
            st.space("stretch")
            st.button("Look", key=f"look_{place}", icon=":material/arrow_forward:", type="tertiary", on_click=_go, args=(notice.section,))
    if not found:
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Nothing needs a look", icon=":material/check_circle:", color="green")
            st.text("Every rate that is in use is of late, and no contract's invoice date has passed.")


def sections(report: Settings) -> str:
    """Which part of the page is shown; it stands in the URL."""
    names = [*report.groups, *_FIXED]
    chosen = st.segmented_control(
        "Section", names, default=names[0], key=_KEY, bind="query-params", required=True, label_visibility="collapsed"
    )
    return chosen if chosen in names else names[0]


def group(report: Settings, name: str) -> None:
    """Every setting of the group."""
    for setting in report.groups[name]:
        with st.container(border=True):
            _setting(setting)


def currencies(report: Settings) -> None:
    """The rates; a click on a row sets one."""
    if not report.currencies.rows:
        return empty.nothing("No currency is known yet; `load` brings them from currencies.csv.")
    st.caption(f"The base currency is {report.base or 'not set'}. Click a row to set its rate, or to confirm that it still is so.")
    row = tables.show(report.currencies, key=f"currencies_{_shown('currencies')}", selects=True)
    tables.downloads(report.currencies, key="currencies")
    if row:
        _rate(row, report.base)


def contracts(report: Settings) -> None:
    """The days; a click on a row sets one."""
    if not report.contracts.rows:
        return empty.nothing("No contract is known yet; `load` brings them from billing_contracts.csv.")
    st.caption(
        "The one that is invoiced soonest comes first. Click a row to set the day; billing moves it on with each invoice, and Usage invoices says what is due."
    )
    row = tables.show(report.contracts, key=f"contracts_{_shown('contracts')}", selects=True, height=300)
    tables.downloads(report.contracts, key="contracts")
    if row:
        _invoice_date(row)


def providers() -> None:
    """Where their settings are, and how they are."""
    report = cached.connections()
    if not report.providers.rows:
        return empty.no_providers()
    tables.show(report.providers, key="settings_providers")
    st.caption("A provider is added and changed by `provider add`; its secret is read from the environment and stands nowhere.")
    with st.container(horizontal=True, gap="small"):
        st.page_link("providers/connections.py", label="Test the connections, right by right", icon=":material/hub:")
        st.page_link("providers/tolerance.py", label="Tolerance by provider and currency", icon=":material/rule:")


# --- one setting ---------------------------------------------------------------------------------------------------------------------------


def _setting(setting: Setting) -> None:
    name = setting.of.name
    seen = asking.seen(f"setting {name}", setting.value)
    about, value, steps = st.columns((5, 4, 3), gap="medium", vertical_alignment="center")
    with about.container(gap=None):
        st.markdown(f"**{setting.label}**")
        st.caption(setting.of.does)
    with value:
        written = _field(setting)
    with steps.container(gap="small"):
        with st.container(horizontal=True, gap="small"):
            if st.button("Save", key=f"save_{name}", icon=":material/save:", type="primary", disabled=written.strip() == setting.value):
                _save(setting, written, seen)
            if setting.set_by is not None and st.button("Reset", key=f"reset_{name}", icon=":material/undo:", help="Back to its default"):
                _reset(name, seen)
        st.caption(setting.said)


def _field(setting: Setting) -> str:
    """The widget that such a value is written in. Another value in the store is another widget, so that it shows what is set."""
    of, key = setting.of, f"set_{setting.of.name}_{setting.value}"
    how: dict[str, Any] = {"key": key, "label_visibility": "collapsed", "help": report_of.form_help(of)}
    choices = {Form.FLAG: ("yes", "no"), Form.CHOICE: of.choices, Form.ZONE: report_of.zones()}.get(of.form)
    if choices is None:
        return st.text_input(setting.label, value=setting.value, placeholder="blank", **how) or ""
    options = [*([] if setting.value in choices else [setting.value]), *choices]
    return st.selectbox(setting.label, options, index=options.index(setting.value), **how) or ""


def _save(setting: Setting, written: str, seen: str) -> None:
    name, who = setting.of.name, {"actor": signed_in.person(), "now": cached.installation().now}
    with problems.boundary():
        value, changed = preferring.change(cached.engine(), name, written, seen=seen, **who)
        done.say(f"{name} is {value or 'blank'} {'now' if changed else 'already'}.")
        st.rerun()


def _reset(name: str, seen: str) -> None:
    with problems.boundary():
        default, _ = preferring.clear(cached.engine(), name, seen=seen, actor=signed_in.person(), now=cached.installation().now)
        done.say(f"{name} has its default again, {default or 'blank'}.")
        st.rerun()


# --- rates and days ------------------------------------------------------------------------------------------------------------------------


def _rate(row: Mapping[str, Any], base: str | None) -> None:
    code = row["code"]
    seen = asking.seen(f"rate {code}", row["rate"])
    with st.container(border=True), problems.boundary():
        st.subheader(f"The rate of {code}", anchor=False)
        if row["age"] == "base":
            st.text(f"{code} is the base currency: its rate is 1, and all others are measured by it.")
            return
        left, right = st.columns((2, 6), gap="medium", vertical_alignment="bottom")
        written = left.text_input(f"1 {code} in {base or 'base currency'}", value=money.plain(row["rate"]), key=f"rate_{code}")
        rate = money.readable(written.strip())
        if rate is None or rate <= 0:
            raise CallRefused(f"{written.strip()[:40]!r} is no rate; write a number above 0 with a point, such as 0.92.")
        right.text(report_of.effect_of_rate(code, row["rate"], rate, base))
        same = rate == row["rate"]
        if st.button("Confirm the rate" if same else "Set the rate", key=f"rate_save_{code}", type="primary", icon=":material/save:"):
            who = {"actor": signed_in.person(), "now": cached.installation().now}
            rates.set_rate(cached.engine(), code, rate, seen=seen, **who)
            _done("currencies", f"1 {code} is {wording.digits(rate)} {base or 'in base currency'}{', as before' if same else ' now'}.")


def _invoice_date(row: Mapping[str, Any]) -> None:
    contract, before = row["contract_id"], row["next_invoice_date"]
    seen = asking.seen(f"day {contract}", before)
    with st.container(border=True), problems.boundary():
        st.subheader(f"The invoice date of {contract}", anchor=False)
        left, middle, right = st.columns((2, 3, 3), gap="medium", vertical_alignment="bottom")
        day = left.date_input("Invoiced next on", value=before, key=f"day_{contract}", format="YYYY-MM-DD")
        reason = middle.text_input("Reason", key=f"day_reason_{contract}", placeholder="stands in the log", max_chars=500)
        changes = day is not None and day != before
        right.text(
            f"{wording.day(before)} becomes {wording.day(day)}; the cycles stay as they are."
            if changes
            else "Choose another day to change it."
        )
        if st.button("Set the day", key=f"day_save_{contract}", type="primary", icon=":material/event:", disabled=not changes):
            who = {"actor": signed_in.person(), "now": cached.installation().now, "reason": reason}
            contracts_door.set_invoice_date(cached.engine(), contract, day, seen=seen, **who)
            _done("contracts", f"{contract} is invoiced next on {wording.day(day)}, it was {wording.day(before)}.")


def _shown(table: str) -> int:
    return st.session_state.get(f"{table}_shown", 0)


def _done(table: str, sentence: str) -> None:
    """Another table, so that no row of it stays chosen."""
    st.session_state[f"{table}_shown"] = _shown(table) + 1
    done.say(sentence)
    st.rerun()


@problems.callback
def _go(section: str) -> None:
    st.session_state[_KEY] = section
