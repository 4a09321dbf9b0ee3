"""Do the commands for people and for the log do what they say, and end as they should?"""

from __future__ import annotations

import json

import pytest
from sqlalchemy import Engine, text

from tests.conftest import NOW, Command
from w365core.store import audit, people


@pytest.fixture
def ana(engine: Engine) -> None:
    with engine.begin() as connection:
        people.came(connection, subject="https://idp|1", name="ana", email="Ana@example.com", claimed=None, now=NOW)


def test_a_role_is_given_by_name_address_or_subject_and_taken_away(w365: Command, ana) -> None:
    for named in ("ana", "ANA@example.com", "https://idp|1"):
        ran = w365("people", "set", named, "--role", "Approver")
        assert ran.returncode == 0 and ran.stdout.startswith("ana is approver")
    (person,) = json.loads(w365("people", "list", "--json").stdout)
    assert (person["role"], person["role_from"]) == ("approver", "set")
    assert "no role any more" in w365("people", "remove", "ana").stdout
    assert json.loads(w365("people", "list", "--json").stdout)[0]["role"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("nobody", "--role", "admin"), "has signed in yet"), (("ana", "--role", "king"), "viewer, analyst, approver, admin")],
)
def test_nobody_and_no_role_are_refused_in_words(w365: Command, ana, arguments: tuple[str, ...], said: str) -> None:
    ran = w365("people", "set", *arguments)
    assert ran.returncode == 2 and said in ran.stderr


def test_the_last_admin_stays(w365: Command, ana) -> None:
    w365("people", "set", "ana", "--role", "admin")
    for arguments in (("remove", "ana"), ("set", "ana", "--role", "viewer")):
        ran = w365("people", *arguments)
        assert ran.returncode == 2 and "last admin" in ran.stderr


def test_the_log_is_listed_and_filtered(w365: Command, ana) -> None:
    w365("settings", "set", "time_zone", "Europe/Berlin")
    entries = json.loads(w365("audit", "list", "--json").stdout)
    assert [one["action"] for one in entries] == ["set setting", "sign in for the first time"]
    assert entries[0]["after"] == {"value": "Europe/Berlin"}
    assert len(json.loads(w365("audit", "list", "--action", "set setting", "--target", "ZONE", "--json").stdout)) == 1
    assert json.loads(w365("audit", "list", "--since", "2026-11-13", "--json").stdout) == []
    assert "value: Europe/Berlin" in w365("audit", "list", "--kind", "setting").stdout


def test_a_log_that_holds_ends_with_0_and_a_broken_one_names_the_row(w365: Command, engine: Engine) -> None:
    with engine.begin() as connection:
        for number in range(3):
            audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target=str(number))
    ran = w365("audit", "verify", "--json")
    noted = json.loads(ran.stdout)
    assert (ran.returncode, noted["holds"], noted["entries"]) == (0, True, 3)
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("update audit_log set actor = 'bob' where audit_id = 2"))
    ran = w365("audit", "verify")
    assert ran.returncode == 1 and "broken at entry 2" in ran.stdout


def test_a_log_that_was_cut_off_is_shown_by_an_entry_noted_before(w365: Command, engine: Engine) -> None:
    with engine.begin() as connection:
        for number in range(3):
            audit.append(connection, at=NOW, actor="ann", action="do", target_kind="thing", target=str(number))
    noted = json.loads(w365("audit", "verify", "--json").stdout)
    known = f"3:{noted['hash']}"
    assert w365("audit", "verify", "--known", known).returncode == 0
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("delete from audit_log where audit_id = 3"))
    assert w365("audit", "verify").returncode == 0, "the chain alone cannot show what was cut off its end"
    ran = w365("audit", "verify", "--known", known)
    assert ran.returncode == 1 and "broken at entry 3" in ran.stdout
