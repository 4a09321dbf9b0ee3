"""Does the page say who is told, what was not sent and why, and do its buttons do what they say?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from pages.components import asking
from tests.mailboxes import Mailbox
from tests.pages.conftest import page_at, unmarked
from tests.posted import outbox, to_mail, told
from tests.reports import builders as b
from w365core.jobs import messaging, notifying, preferring
from w365core.jobs.context import Context
from w365core.store import preferences

Opened = Callable[..., AppTest]


@pytest.fixture
def page(frame: Opened, engine: Engine) -> Opened:
    """The page Messages of a demo that states its clock."""
    with engine.begin() as connection:
        b.clock(connection)
    return page_at(frame, "operations/messages.py")


@pytest.fixture
def failed(context: Context) -> Context:
    """Two failed invoices, said while nobody was named."""
    with context.engine.begin() as connection:
        for number, header, message in (("G-SMALL", "10", "m"), ("G-BIG", "8100", "<b>3</b> [customers](x) are in nobody's records.")):
            tried = {"last_attempt_at": context.now, "first_seen": context.now}
            b.invoice(
                connection,
                number=number,
                provider="csp",
                status="Error",
                header=header,
                failure="unresolved_references",
                message=message,
                **tried,
            )
    notifying.daily(context)
    return context


def words_of(page: Opened, kind: str) -> AppTest:
    """The page with that message's words open."""
    return page().segmented_control("message").set_value(kind).run()


def values(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return preferences.values(connection)


def states(context: Context) -> dict[str, str]:
    return {one.subject: one.state for one in outbox(context.engine)}


def test_an_empty_page_says_that_nobody_is_told_and_what_to_do(page: Opened) -> None:
    app = page()
    said = unmarked(app)
    assert "Nobody is told: To is blank." in said and "Nothing is stuck" in "".join(m.value for m in app.markdown) + said
    assert "No message yet." in said and "Failed 0" in said and not app.exception


def test_what_was_withheld_stands_first_with_why_and_the_biggest_money_before_the_smaller(page: Opened, failed: Context) -> None:
    app = page()
    said = unmarked(app)
    assert said.index("12 Nov 2026: 0 came in") < said.index("Failed: invoice G-BIG of csp") < said.index("Failed: invoice G-SMALL of csp")
    assert "8,100.00 EUR" in said and "To is blank, so nobody was told" in said and "Withheld 3" in said
    assert all(app.button(f"send_{one.outbox_id}").disabled for one in outbox(failed.engine)), "there is nobody to send it to"
    assert sorted(app.dataframe[0].value["Subject"]) == sorted(states(failed))


def test_who_is_told_is_changed_after_it_was_said_what_that_does(page: Opened, failed: Context) -> None:
    app = page()
    app.text_input("messages_to").set_value("ana@x.example; bo@x.example")
    app.text_input("messages_cc").set_value("cy@x.example").run()
    assert "From now on messages go to ana@x.example; bo@x.example, with copies to cy@x.example" in unmarked(app)
    app.button("messages_save_to").click().run()
    assert (values(failed.engine)["mail_to"], values(failed.engine)["mail_cc"]) == ("ana@x.example, bo@x.example", "cy@x.example")
    assert "Messages go to ana@x.example; bo@x.example from now on." in unmarked(app) and set(states(failed).values()) == {"withheld"}


def test_what_is_no_address_is_a_sentence_and_changes_nothing(page: Opened, failed: Context) -> None:
    app = page()
    app.text_input("messages_to").set_value("ana@x.example")
    app.text_input("messages_cc").set_value("nobody").run()
    app.button("messages_save_to").click().run()
    assert "CC is 'nobody'; expected" in unmarked(app) and values(failed.engine)["mail_to"] == "", "both or none"


def test_a_message_is_sent_again_or_discarded_by_its_button(page: Opened, failed: Context) -> None:
    to_mail(failed, Mailbox(port=2525))
    numbers = {one.subject: one.outbox_id for one in outbox(failed.engine)}
    big, small = (next(subject for subject in numbers if name in subject) for name in ("G-BIG", "G-SMALL"))
    app = page()
    app.button(f"send_{numbers[big]}").click().run()
    app.button(f"discard_{numbers[small]}").click().run()
    assert (states(failed)[big], states(failed)[small]) == ("waiting", "discarded")
    said = unmarked(app)
    assert f"Message {numbers[big]}, {big}, waits to be sent" in said and f"Message {numbers[small]}, {small}, was discarded" in said
    assert f"send_{numbers[big]}" not in [button.key for button in app.button]


def test_the_table_is_narrowed_by_the_address(page: Opened, failed: Context) -> None:
    messaging.discard(failed.engine, outbox(failed.engine)[0].outbox_id, actor="ana", now=failed.now)
    app = page(message_states="Discarded")
    assert list(app.dataframe[0].value["Subject"]) == [outbox(failed.engine)[0].subject]
    app = page(message_kinds="Invoice failed")
    assert len(app.dataframe[0].value) == 2
    said = unmarked(page(message_states="Nonsense"))
    assert "The address asks for status Nonsense" in said and "No message is like that." in said


def test_words_are_changed_previewed_and_taken_back(page: Opened, failed: Context) -> None:
    app = words_of(page, "invoice_failed")
    assert "Failed: invoice G0000002 of csp-example, 8,100.00 EUR" in unmarked(app)
    app.text_input("subject_invoice_failed_0_0").set_value("Oh no: {{ invoice.number }}").run()
    assert "Oh no: G0000002" in unmarked(app) and messaging_words(failed).is_default
    app.button("save_invoice_failed").click().run()
    assert messaging_words(failed).template.subject == "Oh no: {{ invoice.number }}"
    assert "Invoice failed reads so from the next message on." in unmarked(app)
    app.button("default_invoice_failed").click().run()
    assert messaging_words(failed).is_default and "has its default words again" in unmarked(app)


def test_a_draft_that_makes_no_message_is_a_sentence_beside_it_and_is_not_kept(page: Opened, failed: Context) -> None:
    app = words_of(page, "invoice_failed")
    app.text_area("text_invoice_failed_0_0").set_value("{{ ''.__class__.__mro__ }}").run()
    assert "Makes no message" in "".join(m.value for m in app.markdown) and "no attribute" in unmarked(app)
    app.button("save_invoice_failed").click().run()
    assert messaging_words(failed).is_default and not app.exception


def test_a_preview_as_of_now_is_what_would_be_said(page: Opened, failed: Context) -> None:
    app = words_of(page, "daily_summary")
    app.segmented_control("message_preview").set_value("As of now").run()
    assert "12 Nov 2026: 0 came in, 2 failed, 8,110.00 EUR held up" in unmarked(app)
    app = words_of(page, "retry_lapsing")
    app.segmented_control("message_preview").set_value("As of now").run()
    assert "There is nothing to be said of this kind right now." in unmarked(app)


def test_a_test_is_queued_for_the_one_named_in_the_words_of_the_draft(page: Opened, failed: Context) -> None:
    app = words_of(page, "invoice_failed")
    app.button("message_test").click().run()
    assert "To is blank: set mail_to" in unmarked(app)
    to_mail(failed, Mailbox(port=2525))
    app = words_of(page, "invoice_failed")
    app.text_input("subject_invoice_failed_0_0").set_value("Draft of {{ invoice.number }}")
    app.text_input("message_test_to").set_value("eve@x.example").run()
    app.button("message_test").click().run()
    test = outbox(failed.engine)[-1]
    assert (test.subject, test.mail_to, test.state) == ("[Test] Draft of G0000002", "eve@x.example", "waiting")


def test_a_message_is_switched_off_and_on(page: Opened, failed: Context) -> None:
    app = words_of(page, "invoice_failed")
    app.button("message_switch").click().run()
    assert values(failed.engine)["message_invoice_failed"] == "no" and "Invoice failed is not sent any more from now on." in unmarked(app)
    app.button("message_switch").click().run()
    assert values(failed.engine)["message_invoice_failed"] == "yes"


def test_a_second_click_on_what_the_browser_still_shows_sends_no_second_test(
    page: Opened, failed: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    to_mail(failed, Mailbox(port=2525))
    app, before = words_of(page, "invoice_failed"), len(outbox(failed.engine))
    with monkeypatch.context() as patched:
        patched.setattr(asking, "drawn", lambda: None)  # the first click's page has not come to its end
        app.button("message_test").click().run()
        app.button("message_test").click().run()
    assert len(outbox(failed.engine)) == before + 1 and "nothing was done a second time" in unmarked(app)
    app.run()
    app.button("message_test").click().run()
    assert len(outbox(failed.engine)) == before + 2, "a page that was drawn anew is another form"


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(page: Opened, failed: Context) -> None:
    app = words_of(page, "invoice_failed")
    preferring.change(failed.engine, "mail_to", "bo@x.example", actor="bo", now=failed.now)
    app.text_input("messages_to").set_value("ana@x.example")
    app.button("messages_save_to").click().run()
    assert values(failed.engine)["mail_to"] == "bo@x.example"
    assert "bo has set mail_to to bo@x.example since you looked at it; nothing was changed." in unmarked(app)
    app.button("messages_save_to").click().run()
    assert values(failed.engine)["mail_to"] == "ana@x.example", "having looked again, they may"


def test_the_address_of_a_webhook_is_shown_without_what_may_be_secret(page: Opened, failed: Context) -> None:
    told(failed, webhook_url="https://hooks.x.example/secret-path?token=secret-token")
    said = unmarked(page())
    assert "posted to https://hooks.x.example as signed JSON" in said and "secret-" not in said


def messaging_words(context: Context) -> messaging.Words:
    with context.engine.connect() as connection:
        return messaging.words(connection)["invoice_failed"]
