"""How are the words of messages changed? One message at a time: its words on the left, what they make of an example or of today on the right."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.components import asking, cached, done, messages, plain, problems, signed_in
from w365core.jobs import messaging, preferring
from w365core.jobs.messaging import Draft, Rendered, Words

_KIND = "message"  # the widget's key is the name in the URL
_EXAMPLE, _TODAY = "An example", "As of now"


def draw(settings: Mapping[str, str]) -> None:
    """The choice of a message, its editor and its preview; `settings` are the values in force."""
    titles = {kind.name: kind.title for kind in messaging.KINDS}
    st.segmented_control(
        "Message",
        list(titles),
        format_func=titles.get,
        default=next(iter(titles)),
        key=_KIND,
        bind="query-params",
        required=True,
        label_visibility="collapsed",
    )
    with problems.boundary():
        known = cached.templates()
        _edit(known.get(st.session_state.get(_KIND) or "") or next(iter(known.values())), settings)


def _edit(words: Words, settings: Mapping[str, str]) -> None:
    is_on = settings[words.kind.setting] == "yes"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(
            "On" if is_on else "Off",
            icon=":material/notifications:" if is_on else ":material/notifications_off:",
            color="green" if is_on else "gray",
        )
        st.text(words.kind.sent, width="content")
        st.caption("In the default words" if words.is_default else f"Changed by {plain.label(words.set_by or '')}", width="content")
        st.space("stretch")
        st.button("Switch off" if is_on else "Switch on", key="message_switch", on_click=_switch, args=(words, not is_on))
    left, right = st.columns((1, 1), gap="medium")
    with left:
        draft = _form(words)
    with right:
        _preview(words, draft)


def _form(words: Words) -> Draft:
    """The words as they are typed; a new version of them is a new form."""
    of, form = words.kind.name, f"{words.kind.name}_{words.version}_{st.session_state.get('message_form', 0)}"
    to, cc = st.columns(2, gap="small")
    whom = to.text_input(
        "To", value=words.to, key=f"to_{form}", placeholder="As set above", help="Who gets this message; blank: who is told of everything"
    )
    copies = cc.text_input("CC", value=words.cc, key=f"cc_{form}", placeholder="As set above")
    subject = st.text_input("Subject", value=words.template.subject, key=f"subject_{form}")
    text = st.text_area("Plain text", value=words.template.text, key=f"text_{form}", height=260)
    html = st.text_area(
        "HTML",
        value=words.template.html,
        key=f"html_{form}",
        height=200,
        help="Blank: plain text alone. Text, tables and links; no scripts, no pictures",
    )
    seen = asking.seen(f"words {of}", words.version)
    _fields(words)
    draft = Draft(subject, text, html, whom, copies)
    with st.container(horizontal=True, gap="small"):
        if st.button(
            "Save",
            key=f"save_{of}",
            type="primary",
            icon=":material/save:",
            help="From the next message on; what is in the outbox stays as it is",
        ):
            _save(words, draft, seen)
        if not words.is_default and st.button(
            "Default words", key=f"default_{of}", icon=":material/undo:", help="Takes every change of this template back"
        ):
            _restore(words, seen)
    return draft


def _fields(words: Words) -> None:
    """What the templates of this message may name."""
    with st.expander("Fields of this message", icon=":material/data_object:"):
        st.caption(
            "Print one with `{{ name }}`, go through a list with `{% for one in name %} … {% endfor %}`, ask with `{% if name %} … {% endif %}`."
        )
        for name, inside in messaging.fields(words.kind):
            st.markdown(_field(name, inside))


def _field(name: str, inside: tuple[str, ...]) -> str:
    named = ", ".join(f"`{one}`" for one in inside)
    return f"`{name}` with {named}" if inside else f"`{name}`"


def _preview(words: Words, draft: Draft) -> None:
    with st.container(border=True, gap="small"):
        of = st.segmented_control("Preview of", [_EXAMPLE, _TODAY], default=_EXAMPLE, key="message_preview", required=True)
        facts = cached.said_today(words.kind.name) if of == _TODAY else None
        if of == _TODAY and facts is None:
            st.text("There is nothing to be said of this kind right now.")
            return
        made = messaging.preview(words.kind.name, draft, facts)
        if not isinstance(made, Rendered):
            st.badge("Makes no message", icon=":material/error:", color="red")
            st.text(made.sentence)
            return
        messages.words(made.subject, made.text, made.html, key="preview")
    _test(words, draft)


def _test(words: Words, draft: Draft) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        to = st.text_input("Send a test to", key="message_test_to", placeholder="Those who would get it")
        if st.button(
            "Send test",
            key="message_test",
            icon=":material/send:",
            help="Queues the example in these words, marked as a test; the worker sends it within seconds",
        ):
            number = messaging.send_test(cached.engine(), words.kind.name, draft, to=to, **_who())
            done.say(f"Test {number} waits to be sent to {to.strip() or 'those who would get it'}; the outbox says how it went.")
            st.rerun()


@problems.callback
def _switch(words: Words, on: bool) -> None:
    preferring.change(cached.engine(), words.kind.setting, "yes" if on else "no", seen="no" if on else "yes", **_who())
    done.say(f"{words.kind.title} is {'sent' if on else 'not sent any more'} from now on.")


def _save(words: Words, draft: Draft, seen: int) -> None:
    changed = messaging.save(cached.engine(), words.kind.name, draft, seen=seen, **_who())
    _anew(f"{words.kind.title} reads so from the next message on." if changed else "It read so already; nothing was changed.")


def _restore(words: Words, seen: int) -> None:
    messaging.clear(cached.engine(), words.kind.name, seen=seen, **_who())
    _anew(f"{words.kind.title} has its default words again.")


def _anew(sentence: str) -> None:
    """Another form, so that it shows what is kept."""
    st.session_state["message_form"] = st.session_state.get("message_form", 0) + 1
    done.say(sentence)
    st.rerun()


def _who() -> dict:
    return {"actor": signed_in.person(), "now": cached.installation().now}
