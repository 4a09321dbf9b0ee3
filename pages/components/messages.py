"""How are messages shown: by which ways they leave, which of them need a person, and one of them opened?"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from pages.components import asking, cached, done, empty, plain, problems, signed_in, standings, tables, url_filters
from pages.components.url_filters import Filter
from w365core.errors import W365Error
from w365core.jobs import messaging
from w365core.reports import messages as report, wording
from w365core.reports.messages import Message, Messages, Unsent, Way
from w365core.reports.tables import Table

_FILTERS = (Filter("states", "message_states", "Status", "Every status"), Filter("kinds", "message_kinds", "Message", "Every message"))
_CHOICES = {"states": report.STANDINGS, "kinds": report.TITLES}
_SHOWN_AT_FIRST = 6
_SHORT = 1_500  # characters of HTML that need less room
_WIDTHS = (2.6, 5.0, 2.4)
# Nothing in it runs and nothing is fetched for it, whatever it holds.
_PAGE = (
    "<!doctype html><html><head><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"></head>"
    '<body style="background: #ffffff; margin: 16px">{}</body></html>'
)


# --- the ways --------------------------------------------------------------------------------------------------------------------------------


def ways(page: Messages) -> None:
    """Each channel in a sentence, and who is told."""
    with st.container(border=True, gap="small"):
        for way in page.ways:
            _way(way)
        with st.expander("Change who is told", icon=":material/group:", expanded=not page.settings["mail_to"]), problems.boundary():
            _recipients(page.settings)


def _way(way: Way) -> None:
    look = (
        (":material/check_circle:", "green")
        if way.is_on
        else (":material/unsubscribe:", "orange")
        if way.is_wanted
        else (":material/block:", "gray")
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(way.label, icon=look[0], color=look[1])
        st.text(way.sentence)


def _recipients(settings: Mapping[str, str]) -> None:
    """To and CC; how mail leaves is the administrator's, by command."""
    seen = asking.seen("who is told", (settings["mail_to"], settings["mail_cc"]))
    left, right = st.columns(2, gap="small")
    to = left.text_input(
        "To", value=settings["mail_to"], key="messages_to", placeholder="ana@example.com, bo@example.com", help="Blank: nobody is told"
    )
    cc = right.text_input("CC", value=settings["mail_cc"], key="messages_cc")
    whom = f"{to.strip()}{f', with copies to {cc.strip()}' if cc.strip() else ''}" if to.strip() else "nobody"
    st.text(
        f"From now on messages go to {whom}, unless a template names others. What is in the outbox already stays for whom it was written."
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if st.button("Save", key="messages_save_to", type="primary", icon=":material/save:"):
            _save_recipients(to, cc, seen=seen)
        st.caption(
            "Server, port, security and sender: `settings set mail_server …`; the password is in the environment alone.", width="content"
        )


def _save_recipients(to: str, cc: str, *, seen: tuple[str, str]) -> None:
    changed = messaging.tell(cached.engine(), to, cc, seen=seen, actor=signed_in.person(), now=cached.installation().now)
    done.say(f"Messages go to {to.strip() or 'nobody'} from now on." if changed else "They went there already; nothing was changed.")
    st.rerun()


def going(page: Messages) -> None:
    """While messages are about to be sent: looks every few seconds, and draws the page anew once they have gone."""
    if page.going:
        _look(page.going)


@st.fragment(run_every=2)
def _look(before: int) -> None:
    with problems.boundary():
        now, works = cached.messages_going()
        with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("Being sent" if works else "Waits", icon=":material/outgoing_mail:", color="blue" if works else "orange")
            nobody = " No worker is there to send: `python -m w365core worker` starts one, `outbox send` sends by hand."
            st.caption(f"{wording.counted(now, 'message')} in the queue.{'' if works else nobody}")
    if now != before:
        st.rerun()


# --- what needs a person ---------------------------------------------------------------------------------------------------------------------


def worklist(unsent: Sequence[Unsent]) -> None:
    """One row per message that was not sent, with why and the two things that can be done."""
    if not unsent:
        with st.container(border=True):
            st.badge("Nothing is stuck", icon=":material/check_circle:", color="green")
            st.text("No message has failed, was withheld, or was tried in vain.")
        return
    with st.container(border=True, gap="small"):
        for one in unsent if st.session_state.get("unsent_all") else unsent[:_SHOWN_AT_FIRST]:
            _row(one)
    if len(unsent) > _SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(unsent):,}", key="unsent_all")


def _row(one: Unsent) -> None:
    name, said, figures = st.columns(_WIDTHS, gap="small", vertical_alignment="center")
    with name.container(gap=None):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.text(one.title, width="content")
            standings.badge(report.STANDINGS[one.state])
        st.caption(f"{one.channel} · {one.since}{f' · {plain.label(one.to)}' if one.to else ''}")
    with said.container(gap=None):
        st.text(one.subject)
        st.caption(f":material/arrow_forward: {plain.label(one.why)}")
    with figures.container(gap="xsmall", horizontal_alignment="right"):
        if one.about:
            st.markdown(f"**{plain.label(one.about)}**", text_alignment="right")
        with st.container(horizontal=True, horizontal_alignment="right", gap="xsmall"):
            _send(one)
            _discard(one.number, one.subject)


def _send(one: Unsent) -> None:
    what = "Puts it first in the queue, for those who are told now; the worker sends it within seconds"
    st.button(
        "Try now" if one.state == "waiting" else "Send",
        key=f"send_{one.number}",
        icon=":material/send:",
        help=what if one.can_be_sent else "Say first who is told, and through which server",
        disabled=not one.can_be_sent,
        on_click=_step,
        args=(messaging.release, one.number, one.subject),
    )


def _discard(number: int, subject: str) -> None:
    what = "It is not sent, now or later"
    st.button(
        "Discard", key=f"discard_{number}", icon=":material/delete:", help=what, on_click=_step, args=(messaging.discard, number, subject)
    )


@problems.callback
def _step(step: Callable[..., Any], number: int, subject: str) -> None:
    """Called by a button: takes the step and says what it did, or why it was not taken."""
    try:
        step(cached.engine(), number, actor=signed_in.person(), now=cached.installation().now)
    except W365Error as error:
        return done.say(f"Not done. {error}")
    if step is messaging.discard:
        return done.say(f"Message {number}, {subject}, was discarded: it is not sent any more.")
    return done.say(f"Message {number}, {subject}, waits to be sent; a worker sends it within seconds.")


# --- the outbox ------------------------------------------------------------------------------------------------------------------------------


def filters() -> None:
    """Which messages the table shows; the choice is in the address."""
    url_filters.draw(_FILTERS, _CHOICES)


def chosen() -> dict[str, tuple[str, ...]]:
    """What is chosen now; before the widgets are drawn, what the URL says, in the words that people read."""
    return url_filters.wanted(_FILTERS, _CHOICES)


def listed(table: Table) -> None:
    """The messages that were chosen, and the one that is clicked."""
    if not table.rows:
        return empty.nothing("No message is like that. Take a filter away to see the others.")
    anew = "_".join(sum(chosen().values(), ()))  # another table for another choice, so that no row of it stays chosen
    row = tables.show(table, key=f"messages_{anew}", selects=True)
    tables.downloads(table, key="messages")
    opened(row)


def opened(row: Mapping[str, Any] | None) -> None:
    """The message of the row that was clicked, as it was sent or would be."""
    if row is None:
        st.caption("Click a row to read the message.")
        return
    message = cached.message(int(row["outbox_id"]))
    if message is None:
        return
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            standings.badge(report.STANDINGS[message.state])
            st.text(report.title(message.kind), width="content")
        st.text(_how(message))
        words(message.subject, message.body_text, message.body_html, key=f"open_{message.outbox_id}")


def _how(message: Message) -> str:
    """To whom, under which id, and how it went."""
    said = [f"To {message.mail_to}."] if message.mail_to else []
    said += [f"CC {message.mail_cc}."] if message.mail_cc else []
    said.append(f"Message-ID {message.message_id}, {wording.counted(message.attempts, 'attempt')}.")
    return " ".join([*said, message.said]).strip()


def words(subject: str, text: str, html: str, *, key: str) -> None:
    """A message as its reader sees it: subject, HTML as a mail reader shows it, plain text."""
    st.text(subject)
    shown = st.segmented_control(
        "How",
        ["As mail", "Plain text"] if html else ["Plain text"],
        default="As mail" if html else "Plain text",
        key=f"how_{key}",
        label_visibility="collapsed",
        required=True,
    )
    if html and shown == "As mail":
        # An address of its own kind has an origin of its own: whatever stands in the mail, it cannot reach this page.
        st.iframe(
            f"data:text/html;charset=utf-8;base64,{base64.b64encode(_PAGE.format(html).encode()).decode()}",
            height=420 if len(html) > _SHORT else 220,
        )
    else:
        st.code(text, language=None, wrap_lines=True)
