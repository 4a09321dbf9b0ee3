"""Does a whole sign-in work, from the question who is there to the page that was asked for? A real browser, a real provider of identities on this machine."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from tests import identity
from tests.browser.conftest import Visit, running_app, visiting
from tests.conftest import NOW
from w365core.jobs import peopling

PEOPLE = {
    "Ana": {"sub": "a1", "name": "Ana", "preferred_username": "ana@example.com", "email": "ana@example.com"},
    "Claimed": {"sub": "c1", "name": "Claimed", "roles": ["Something else", "Approver"]},
}
DEEP = "tolerance?history_of=x"


@pytest.fixture
def provider() -> Iterator[identity.Provider]:
    with identity.running(PEOPLE) as made:
        yield made


@pytest.fixture
def visit(browser: Browser, provider: identity.Provider, database_url: str, tmp_path: Path) -> Iterator[Visit]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = identity.settings_for(provider, f"http://127.0.0.1:{port}") | {
        "W365_OIDC_ROLE_CLAIM": "roles",
        "W365_HOME": str(tmp_path / "home"),
    }
    with running_app(database_url, tmp_path / "app.log", port=port, **told) as address, visiting(browser, address) as opened:
        yield opened


def sign_in(visit: Visit, who: str) -> None:
    visit.page.get_by_role("button", name="Sign in", exact=True).click()
    visit.page.get_by_role("link", name=who).click()


def test_a_person_signs_in_is_given_a_role_comes_back_to_the_page_and_loses_the_role_again(visit: Visit, engine: Engine) -> None:
    page = visit.open(DEEP)
    expect(page.get_by_text("Sign in to go on")).to_be_visible()
    expect(page.get_by_text("Which differences pass")).to_have_count(0)
    sign_in(visit, "Ana")

    expect(page.get_by_text("You have no role here yet")).to_be_visible()
    assert page.url.endswith(DEEP), "a sign-in leads back to the page that was asked for"
    peopling.give(engine, "ana@example.com", "viewer", actor="operator", now=NOW)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Tolerance")).to_be_visible()
    expect(page.get_by_text(re.compile("Signed in as ana.?@example.com, viewer."))).to_be_visible()  # no address becomes a link
    expect(page.get_by_text("Single-user mode")).to_have_count(0)

    page.get_by_role("link", name="People").click()
    expect(page.get_by_text("takes the role admin, and yours is viewer")).to_be_visible()

    peopling.remove(engine, "ana@example.com", actor="operator", now=NOW)
    page.get_by_role("link", name="Margin").click()
    expect(page.get_by_text("You have no role here yet")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out")).to_have_count(1)  # that of the sidebar is gone as well
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Sign in to go on")).to_be_visible()
    assert not visit.strangers


def test_a_role_can_come_from_the_provider_and_an_old_sign_in_is_none(visit: Visit, provider: identity.Provider) -> None:
    page = visit.open()
    sign_in(visit, "Claimed")
    expect(page.get_by_text("Signed in as Claimed, approver.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    provider.age = 13 * 3600
    sign_in(visit, "Claimed")
    expect(page.get_by_text("Your last sign-in is too long ago.")).to_be_visible()
