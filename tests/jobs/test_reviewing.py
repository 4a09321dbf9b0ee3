"""Do people's decisions hold as long as what they were made on, and is an invoice signed off only when nothing is open?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.books import Books, seat
from tests.conftest import NOW, Command
from w365core.errors import CallRefused
from w365core.jobs import reviewing
from w365core.jobs.reviewing import Chosen
from w365core.store import audit

LINE = "S-1/2026-10-01/2026-10-31"


@pytest.fixture
def books(w365: Command, tmp_path: Path) -> Books:
    """Ten seats with us, twelve with the provider, of two customers' subscriptions; a third is as it should be."""
    made = Books(w365, tmp_path)
    for of, account in (("S-1", "A-1"), ("S-2", "A-2"), ("S-3", "A-1")):
        made.subscription(of, account_id=account), made.log(f"L-{of}", "10", of=of)
    made.load()
    made.invoice([seat("S-1", "12"), seat("S-2", "12"), seat("S-3")])
    made.reconciled()
    return made


def row(books: Books, line: str = LINE) -> dict[str, Any]:
    return next(one for one in books.reconciled()["lines"] if one["line_id"] == line)


def said(engine: Engine) -> list[tuple]:
    query = text("select action, reason, after from audit_log where target_kind = 'reconciliation' order by audit_id")
    with engine.connect() as connection:
        assert audit.first_broken(connection) is None
        return [tuple(one) for one in connection.execute(query)]


def test_a_difference_is_accepted_for_a_reason_and_stays_accepted(books: Books, w365: Command, engine: Engine) -> None:
    without = w365("review", "--invoice", "G1", "--line", LINE, "--accept")
    assert without.returncode == 2 and "for a reason" in without.stderr and row(books)["review_state"] == "open"
    done = w365("review", "--invoice", "G1", "--line", LINE, "--accept", "--reason", "agreed with Ana", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == 1
    found = row(books)
    assert (found["review_state"], found["review_reason"], found["reopened_because"]) == ("accepted", "agreed with Ana", None)
    ((action, reason, after),) = said(engine)
    assert (action, reason, after["line_ids"], after["money_at_risk"]) == ("accept reconciliation lines", "agreed with Ana", [LINE], "20")


def test_an_accepted_row_is_open_again_when_its_residual_changes_and_says_why(books: Books, w365: Command) -> None:
    w365("review", "--invoice", "G1", "--line", LINE, "--accept", "--reason", "agreed")
    books.subscription("S-1", "11"), books.log("L-S-1", "11")
    books.load()
    found = row(books)
    assert found["review_state"] == "open" and found["review_reason"] is None
    assert "residual of 2" in found["reopened_because"] and "residual of 1 now" in found["reopened_because"]
    books.subscription("S-1", "10"), books.log("L-S-1", "10")
    books.load()
    assert row(books)["review_state"] == "accepted"


def test_an_accepted_row_stays_when_only_its_money_changes(books: Books, w365: Command) -> None:
    w365("review", "--invoice", "G1", "--line", LINE, "--accept", "--reason", "agreed")
    books.subscription("S-1", "10", cost_price="11", selling_price="15")
    books.load()
    assert row(books)["review_state"] == "accepted"


def test_a_decision_is_taken_back(books: Books, w365: Command, engine: Engine) -> None:
    w365("review", "--invoice", "G1", "--line", LINE, "--accept", "--reason", "agreed")
    assert w365("review", "--invoice", "G1", "--line", LINE, "--reopen").returncode == 0
    assert row(books)["review_state"] == "open"
    assert [action for action, _, _ in said(engine)] == ["accept reconciliation lines", "reopen reconciliation lines"]
    again = w365("review", "--invoice", "G1", "--line", LINE, "--reopen")
    assert again.returncode == 2 and "Traceback" not in again.stderr


def test_what_is_confirmed_by_rule_is_not_accepted_and_an_unknown_line_is_refused(books: Books, w365: Command, engine: Engine) -> None:
    confirmed = w365("review", "--invoice", "G1", "--line", "S-3/2026-10-01/2026-10-31", "--accept", "--reason", "x")
    unknown = w365("review", "--invoice", "G1", "--line", "nothing", "--accept", "--reason", "x")
    nothing = w365("review", "--invoice", "G1", "--accept", "--reason", "x")
    assert [one.returncode for one in (confirmed, unknown, nothing)] == [2, 2, 2] and said(engine) == []
    assert "nothing was done" in confirmed.stderr and "no such row" in unknown.stderr


def test_many_are_accepted_at_once_over_a_filter_which_says_before_what_it_does(books: Books, w365: Command, engine: Engine) -> None:
    of = (
        "review",
        "--invoice",
        "G1",
        "--verdict",
        "unexplained",
        "--product",
        "Business Premium",
        "--accept",
        "--reason",
        "all agreed",
        "--json",
    )
    shown = json.loads(w365(*of, "--dry-run").stdout)
    assert (shown["rows"], shown["money_at_risk"], shown["by_verdict"]) == (2, "40", {"unexplained": 2}) and said(engine) == []
    done = json.loads(w365(*of).stdout)
    assert (done["rows"], done["money_at_risk"]) == (2, "40")
    assert [one["review_state"] for one in books.reconciled(code=0)["lines"]] == ["accepted", "accepted", "confirmed"]
    assert len(said(engine)) == 1


def test_a_customer_narrows_it(books: Books, w365: Command) -> None:
    w365("review", "--invoice", "G1", "--customer", "A-2", "--accept", "--reason", "agreed")
    assert {one["subscription_id"]: one["review_state"] for one in books.reconciled()["lines"]} == {
        "S-1": "open", "S-2": "accepted", "S-3": "confirmed",
    }  # fmt: skip


def test_a_row_is_assigned_and_noted_without_any_decision_and_keeps_it(books: Books, w365: Command) -> None:
    assert w365("review", "--invoice", "G1", "--line", LINE, "--assign", "ben", "--note", "asked the distributor").returncode == 0
    found = row(books)
    assert (found["assigned_to"], found["note"], found["review_state"]) == ("ben", "asked the distributor", "open")
    w365("review", "--invoice", "G1", "--line", LINE, "--accept", "--reason", "agreed", "--assign", "")
    found = row(books)
    assert (found["assigned_to"], found["note"], found["review_state"]) == (None, "asked the distributor", "accepted")


def test_a_sign_off_is_refused_while_something_is_open_and_says_how_much(books: Books, w365: Command) -> None:
    refused = w365("sign-off", "--invoice", "G1")
    assert refused.returncode == 2 and "2 rows are open, with 40.00 EUR at risk" in refused.stderr
    w365("review", "--invoice", "G1", "--verdict", "unexplained", "--accept", "--reason", "agreed")
    done = w365("sign-off", "--invoice", "G1", "--note", "October is done", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["signed_off"]
    assert books.reconciled()["sign_off"]["note"] == "October is done"
    assert w365("sign-off", "--invoice", "G1").returncode == 2


def test_opening_a_signed_invoice_again_is_an_event_with_a_reason(books: Books, w365: Command, engine: Engine) -> None:
    w365("review", "--invoice", "G1", "--verdict", "unexplained", "--accept", "--reason", "agreed")
    w365("sign-off", "--invoice", "G1")
    assert w365("sign-off", "--invoice", "G1", "--reopen").returncode == 2
    assert w365("sign-off", "--invoice", "G1", "--reopen", "--reason", "a credit came").returncode == 0
    assert books.reconciled()["sign_off"] is None
    assert [(action, reason) for action, reason, _ in said(engine)][-1] == ("open reconciliation again", "a credit came")
    assert w365("sign-off", "--invoice", "G1", "--reopen", "--reason", "x").returncode == 2


def test_taking_a_decision_back_ends_the_sign_off(books: Books, w365: Command) -> None:
    w365("review", "--invoice", "G1", "--verdict", "unexplained", "--accept", "--reason", "agreed")
    w365("sign-off", "--invoice", "G1")
    w365("review", "--invoice", "G1", "--line", LINE, "--reopen", "--reason", "was wrong")
    assert books.reconciled()["sign_off"] is None


def test_a_run_that_opens_rows_ends_the_sign_off_and_says_so(books: Books, w365: Command, engine: Engine) -> None:
    w365("review", "--invoice", "G1", "--verdict", "unexplained", "--accept", "--reason", "agreed")
    assert w365("sign-off", "--invoice", "G1").returncode == 0
    books.subscription("S-3", "9"), books.log("L-S-3b", "-1", of="S-3", effective="2026-09-01"), books.load()
    assert books.reconciled()["sign_off"] is None
    assert said(engine)[-1][:2] == ("open reconciliation again", "Reconciled with other inputs, 1 row is open")


def test_a_run_that_opens_nothing_leaves_the_sign_off(books: Books, w365: Command) -> None:
    w365("review", "--invoice", "G1", "--verdict", "unexplained", "--accept", "--reason", "agreed")
    assert w365("sign-off", "--invoice", "G1").returncode == 0
    books.subscription("S-3", cost_price="9"), books.load()
    assert books.reconciled()["sign_off"] is not None


def test_what_was_seen_is_what_is_decided_of(books: Books, engine: Engine) -> None:
    seen = books.reconciled()["reconciliation_id"]
    books.subscription("S-1", "11")
    books.load()
    books.reconciled()
    told = {"provider": "csp", "invoice": "G1", "actor": "ana", "now": NOW}
    with pytest.raises(CallRefused, match="reconciled anew since you looked"):
        reviewing.accept(engine, Chosen(lines=(LINE,)), reason="agreed", seen=seen, **told)
    with pytest.raises(CallRefused, match="reconciled anew since you looked"):
        reviewing.sign_off(engine, seen=seen, **told)
    assert said(engine) == []


def test_an_invoice_that_is_not_reconciled_or_in_error_has_nothing_to_decide_of(books: Books, w365: Command) -> None:
    books.invoice([seat("S-3", SubscriptionId="nobody")], "G2", code=1)
    for number in ("G2",):
        refused = w365("review", "--invoice", number, "--line", LINE, "--accept", "--reason", "x")
        assert refused.returncode == 2 and "preview" in refused.stderr


def test_decisions_outlive_the_invoice_and_its_runs(books: Books, w365: Command, engine: Engine) -> None:
    w365("review", "--invoice", "G1", "--line", LINE, "--accept", "--reason", "agreed")
    assert w365("delete", "--invoice", "G1").returncode == 0
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from reconciliation_line")).scalar_one() == 0
    books.invoice([seat("S-1", "12"), seat("S-2", "12"), seat("S-3")])
    assert row(books)["review_state"] == "accepted"
