"""Does the page of the audit log show who did what, hold to its filters, and find a broken link?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from streamlit.testing.v1 import AppTest

from tests.conftest import NOW
from tests.pages.conftest import page_at, unmarked
from w365core.store import audit

PAGE = "operations/audit.py"


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """An entry of each of two people, and a hundred more of a third, so that there is a second page."""
    with engine.begin() as connection:
        told = {
            "target_kind": "tolerance policy",
            "before": {"owner": "ann", "most_amount": "5"},
            "after": {"owner": "ann", "most_amount": "9"},
        }
        audit.append(connection, at=NOW, actor="ann", action="set policy", target="csp EUR", reason="agreed with finance", **told)
        audit.append(
            connection, at=NOW, actor="bob", action="delete", target_kind="provider invoice", target="G1", before={"state": "Active"}
        )
        for number in range(100):
            audit.append(connection, at=NOW, actor="cleo", action="sync", target_kind="provider", target=f"p{number}")
    return engine


@pytest.fixture
def opened(frame: Callable[..., AppTest]) -> Callable[..., AppTest]:
    return page_at(frame, PAGE)


def entries(app: AppTest):
    return app.dataframe[0].value


def test_an_empty_log_says_what_will_stand_there(opened) -> None:
    assert "Nobody has done anything yet" in unmarked(opened())


def test_the_newest_stand_first_and_the_rest_on_further_pages(opened, filled: Engine) -> None:
    app = opened()
    assert "102 entries" in unmarked(app)
    assert list(entries(app)["No."])[:2] == ["102", "101"]
    app.button(key="audit_next").click().run()
    app.button(key="audit_next").click().run()
    assert list(entries(app)["No."]) == ["2", "1"]


def test_filters_of_the_address_narrow_it_and_what_changed_is_said(opened, filled: Engine) -> None:
    app = opened(by="ann")
    (changed,) = entries(app)["Before → after"]
    assert changed == "most amount: 5 → 9" and "1 entry" in unmarked(app)
    assert list(entries(opened(about="FINANCE"))["No."]) == ["1"]
    assert list(entries(opened(did="delete"))["Before → after"]) == ["state: Active → nothing"]
    assert "No entry is like that" in unmarked(opened(by="ann", did="delete"))


def test_the_button_verifies_and_a_broken_link_names_the_row(opened, filled: Engine) -> None:
    app = opened()
    assert "Not verified yet" in unmarked(app)
    app.button(key="audit_verify").click().run()
    assert "102 entries hold" in unmarked(app)
    with filled.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("update audit_log set reason = 'nobody agreed' where audit_id = 1"))
    app.button(key="audit_verify").click().run()
    assert "broken at entry 1: its values are not those that were sealed" in unmarked(app)
