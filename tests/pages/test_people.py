"""Does the page of people show who waits, and does a role that is set there hold?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from tests.conftest import NOW
from tests.pages.conftest import page_at, unmarked
from w365core.store import people

PAGE = "operations/people.py"


@pytest.fixture
def opened(frame: Callable[..., AppTest]) -> Callable[..., AppTest]:
    return page_at(frame, PAGE)


@pytest.fixture
def ana(engine: Engine) -> str:
    with engine.begin() as connection:
        people.came(connection, subject="https://idp|1", name="ana", email="ana@example.com", claimed=None, now=NOW)
    return "https://idp|1"


def role_of(engine: Engine, subject: str) -> str | None:
    with engine.connect() as connection:
        return people.role_of(connection, subject)


def test_without_sign_in_the_page_says_who_there_is(opened) -> None:
    said = unmarked(opened())
    assert "for one person at this machine" in said and "Single-user mode" in said


def test_who_waits_for_a_role_is_given_one_by_a_button(opened, ana: str, engine: Engine) -> None:
    app = opened()
    assert "Waits for a role" in unmarked(app)
    app.button(key=f"make_analyst_{ana}").click().run()
    assert role_of(engine, ana) == "analyst"
    said = unmarked(app)
    assert "ana is analyst." in said and "Waits for a role" not in said


def test_what_each_role_may_do_stands_there(opened) -> None:
    said = unmarked(opened())
    assert (
        "signing an invoice off" in said
        and "Changing a tolerance policy, changing a setting, changing what messages say, changing a person's role" in said
    )
