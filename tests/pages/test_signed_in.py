"""Does a page know who is in front of it, at every run? Streamlit's own test runner, with the person as a provider of identities describes them."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from tests.conftest import NOW
from tests.pages.conftest import FRAME, said, unmarked
from w365core.jobs import peopling


@pytest.fixture
def opened(frame: Callable[..., AppTest]) -> Callable[..., AppTest]:
    """Opens the app as somebody of these claims; `age` is that of the sign-in, in hours."""

    def open_as(page: str = "", *, age: float = 0, **claims: object) -> AppTest:
        app = AppTest.from_file(str(FRAME), default_timeout=90)
        app.user = (
            {"is_logged_in": bool(claims), "iss": "https://idp", "iat": int(time.time() - age * 3600), **claims}
            if claims
            else {"is_logged_in": False}
        )
        app.run()
        return app.switch_page(page).run() if page else app

    return open_as


ANA = {"sub": "ana", "preferred_username": "ana@example.com"}


def test_nobody_sees_anything_before_a_sign_in(opened) -> None:
    text = said(opened())
    assert "Sign in to go on" in text and "Invoice status" not in text and "FILTERS" not in text


def test_who_has_no_role_sees_how_to_get_one(opened) -> None:
    app = opened(**ANA)
    assert "You have no role here yet" in said(app) and "people set 'https://idp|ana' --role viewer" in said(app)
    assert "FILTERS" not in said(app)


def test_a_role_lets_in_and_its_loss_shuts_out_at_the_next_run(opened, engine: Engine) -> None:
    app = opened(**ANA)
    peopling.give(engine, "ana@example.com", "viewer", actor="operator", now=NOW)
    app.run()
    assert "Signed in as ana@example.com, viewer." in unmarked(app).replace("\u2060", "") and "Single-user mode" not in said(app)
    peopling.remove(engine, "ana@example.com", actor="operator", now=NOW)
    app.run()
    assert "You have no role here yet" in said(app)


def test_an_old_sign_in_has_to_be_made_again(opened) -> None:
    assert "Your last sign-in is too long ago." in said(opened(age=13, **ANA))


def test_a_sign_in_that_does_not_say_who_it_is_of_lets_nobody_in(opened) -> None:
    assert "does not say who it is of" in said(opened(sub="", email="ana@example.com"))


def test_a_page_that_takes_more_is_not_shown(opened, engine: Engine) -> None:
    opened(**ANA)
    peopling.give(engine, "ana@example.com", "viewer", actor="operator", now=NOW)
    assert "takes the role admin, and yours is viewer" in said(opened("operations/people.py", **ANA))
    assert "takes the role approver, and yours is viewer" in said(opened("operations/audit.py", **ANA))


def test_a_button_that_is_refused_leaves_the_page_there_and_says_why(opened, engine: Engine) -> None:
    opened(**ANA)
    peopling.give(engine, "ana@example.com", "viewer", actor="operator", now=NOW)
    app = opened("operations/messages.py", **ANA)
    app.button("message_switch").click().run()
    assert not app.exception and "Not for your role" in "".join(one.value for one in app.markdown)
    assert "Changing a setting takes the role admin, and yours is viewer; nothing was done." in said(app)
    assert "Messages" in [title.value for title in app.title] and app.button("message_switch")
    assert "takes the role admin" not in said(app.run()), "it is said once"


def test_whatever_fails_in_a_callback_leaves_the_page_there(caplog: pytest.LogCaptureFixture) -> None:
    def page() -> None:
        import streamlit as st

        from pages.components import problems

        @problems.callback
        def fail() -> None:
            raise RuntimeError("secret")

        with problems.boundary():
            st.button("Press", key="press", on_click=fail)

    app = AppTest.from_function(page).run().button("press").click().run()
    text = said(app)
    assert not app.exception and "Press" in text and "secret" not in text
    assert "This was not done, or not to its end." in text and text.split("reference ")[1][:8] in caplog.text


def test_what_was_done_is_not_headed_as_what_cannot_be_shown() -> None:
    def page() -> None:
        from pages.components import problems
        from w365core.errors import ReceiptLost

        with problems.boundary():
            raise ReceiptLost("october.csv is applied: it is correction 1.")

    app = AppTest.from_function(page).run()
    headed = "".join(one.value for one in app.markdown)
    assert "Done, without its receipt" in headed and "cannot be shown" not in headed and "is applied" in said(app)


def test_two_people_of_one_name_are_two_in_the_log(opened, engine: Engine) -> None:
    opened(**ANA)
    opened(**(ANA | {"sub": "another"}))
    with engine.connect() as connection:
        names = {row["name"] for row in peopling.all_of_them(connection)}
    assert len(names) == 2 and "ana@example.com" in names


@pytest.mark.parametrize(("claim", "role"), [("approver", "approver"), (["x", "Viewer", "admin"], "admin"), ("root", None), (7, None)])
def test_a_claim_gives_the_highest_role_that_it_names(
    opened, engine: Engine, monkeypatch: pytest.MonkeyPatch, claim: object, role: str | None
) -> None:
    monkeypatch.setenv("W365_OIDC_ROLE_CLAIM", "roles")
    opened(**ANA, roles=claim)
    with engine.connect() as connection:
        assert [row["role"] for row in peopling.all_of_them(connection)] == [role]


def test_a_role_that_was_set_here_is_not_changed_by_a_claim(opened, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W365_OIDC_ROLE_CLAIM", "roles")
    opened(**ANA, roles="approver")
    peopling.remove(engine, "ana@example.com", actor="operator", now=NOW)
    assert "You have no role here yet" in said(opened(**ANA, roles="approver"))
