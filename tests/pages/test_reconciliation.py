"""Does the page say what is to be looked at and for how much money, open a row down to its change logs, and say who decided what?"""

from __future__ import annotations

from datetime import date

import pytest

from tests.pages import conftest
from tests.pages.conftest import unmarked as said
from tests.reconciled_rows import Run

PAGE = "reconciliation/reconciliation.py"


@pytest.fixture
def page(frame):
    """The page at an address."""
    return conftest.page_at(frame, PAGE)


def test_without_an_invoice_the_page_says_where_rows_come_from(page) -> None:
    assert "There is no provider invoice yet" in said(page())


def test_the_worklist_begins_with_the_biggest_money_and_says_what_happened(page, engine) -> None:
    run = Run(engine)
    run.row("unexplained", of="S-1", money_at_risk="20.00")
    line = run.row("explained_not_invoiced", of="S-2", customer="Fabrikam", money_at_risk="57.60", unbilled="57.60", provider_quantity=10, our_quantity=14,
                   quantity_difference=-4, residual=None)  # fmt: skip
    run.log(line, "4", worth="57.60")
    run.row("confirmed", of="S-3", customer="Almjoch")
    told = said(page())
    assert told.index("Fabrikam") < told.index("Contoso") and "Almjoch" not in told
    assert (
        "Fabrikam added 4 seats on 12 Oct 2026; Microsoft charged 10 as of 1 Oct 2026, we have 14. Not yet invoiced by us: 57.60 EUR."
        in told
    )
    assert "At risk 77.60 EUR" in told and "2 rows to look at" in told and "1 row is confirmed by rule and folded away" in told


def test_confirmed_rows_are_folded_and_can_be_shown(page, engine) -> None:
    Run(engine).row("confirmed", customer="Almjoch")
    app = page()
    assert "Nothing is left to do" in said(app)
    app.button("show_confirmed").click().run()
    assert "Almjoch" in said(app) and app.query_params["show"] == "all"


def test_a_link_to_a_verdict_that_is_none_shows_no_row(page, engine) -> None:
    Run(engine).row("unexplained", customer="Almjoch", money_at_risk="20.00")
    told = said(page(verdict="nonsense"))
    assert "No row matches these filters." in told and "Almjoch" not in told


def test_a_link_to_a_month_or_an_invoice_that_is_not_there_says_what_is_shown_instead(page, engine) -> None:
    Run(engine).row("unexplained", customer="Almjoch", money_at_risk="20.00")
    assert "The address asks for the month 2019-01, and no invoice is of it; this is Nov 2026." in said(page(in_month="2019-01"))
    app = page(invoice="999")
    assert "The address asks for an invoice that is not there; this is Nov 2026." in said(app)
    assert app.selectbox("reconciliation_invoice").value == 0, "the whole month, as the figures are"
    assert "The address asks" not in said(page()) + said(page(in_month="2026-11"))


def test_a_row_opens_with_its_change_logs_lines_and_both_histories(page, engine) -> None:
    run = Run(engine)
    line = run.row("explained_invoiced", residual=None, money_at_risk=0)
    run.log(line, "-2", billing="invoiced", on=date(2026, 10, 20))
    run.line(7)
    app = page()
    app.button(f"open_{run.run}_{line}").click().run()
    told = said(app)
    assert "Contoso removed 2 seats on 20 Oct 2026" in told and "Invoiced on I-7." in told and "Microsoft charged 12" in told
    assert [frame.value.shape[0] for frame in app.dataframe] == [1, 1]
    app.button("back").click().run()
    assert "What to look at, the biggest money first" in said(app)


def test_a_link_to_a_row_that_is_gone_says_so(page, engine) -> None:
    run = Run(engine)
    run.row()
    assert "There is no such row any more" in said(page(row=f"{run.invoice_id}/elsewhere"))


def test_groups_add_up_like_rows_and_lead_to_them(page, engine) -> None:
    run = Run(engine)
    for place in range(3):
        run.row(of=f"S-{place}", money_at_risk="10.00")
    run.row(
        "no_subscription",
        of=None,
        account_id=None,
        customer="Litware",
        line_id="customer:c-9/x/y",
        provider_customer_id="c-9",
        money_at_risk="5.00",
    )
    app = page(by="verdict")
    told = said(app)
    assert "3 rows" in told and "30.00 EUR" in told and "No subscription of ours" in told
    app.button("group_verdict_unexplained_EUR").click().run()
    assert "3 rows, 30.00 EUR at risk" in said(app) and "Litware" not in said(app)


def test_a_decision_that_no_longer_holds_opens_the_row_again_and_says_why(page, engine) -> None:
    run = Run(engine)
    line = run.row("partly_explained", residual=3)
    run.decided(line, residual=2)
    told = said(page())
    assert "Open again: it was accepted as “Partly explained” with 2 seats left over, and 3 seats are left over now." in told


def test_an_accepted_row_is_done_and_stays_countable(page, engine) -> None:
    run = Run(engine)
    run.decided(run.row())
    told = said(page())
    assert "Done 1 of 1" in told and "Nothing is left to do" in told
    assert "accepted by ana" in said(page(show="all"))


def test_accepting_says_before_what_it_does_takes_a_reason_and_says_after_what_it_did(page, engine) -> None:
    run = Run(engine)
    line = run.row()
    app = page()
    app.button(f"accept_{run.run}_{line}").click().run()
    assert "20.00 EUR at risk. It stays accepted while" in said(app)
    app.button("reconciling_now").click().run()
    assert run.reviews() == {}
    app.text_input("reconciling_text").input("Microsoft counts later").run()
    app.button("reconciling_now").click().run()
    assert "1 row of invoice G1" in said(app) and "Nothing is left to do" in said(app)
    review = run.reviews()[line]
    assert (review["state"], review["reason"], review["verdict"]) == ("accepted", "Microsoft counts later", "unexplained")


def test_a_thousand_like_differences_take_four_actions(page, engine) -> None:
    run = Run(engine)
    run.many(1_000)
    run.row("no_subscription", of=None, account_id=None, customer="Litware", line_id="customer:c-9/x/y", provider_customer_id="c-9")
    app = page(by="verdict")
    app.button("accept_group_verdict_unexplained_EUR").click().run()
    app.text_input("reconciling_text").input("one price list").run()
    app.button("reconciling_now").click().run()
    assert "1,000 rows of invoice G1" in said(app)
    assert sum(review["state"] == "accepted" for review in run.reviews().values()) == 1_000


def test_an_invoice_is_signed_off_when_nothing_is_open_and_opened_again_with_a_reason(page, engine) -> None:
    run = Run(engine)
    line = run.row()
    assert page().button("sign_off").disabled
    run.decided(line)
    app = page()
    app.button("sign_off").click().run()
    app.button("reconciling_now").click().run()
    assert "Signed off" in said(app) and "Open again" in said(app)
    app.button("reopen_invoice").click().run()
    app.text_input("reconciling_text").input("a credit came").run()
    app.button("reconciling_now").click().run()
    assert "Opened again by" in said(app) and "a credit came" in said(app)


def test_a_row_is_assigned_noted_accepted_and_reopened_from_its_evidence(page, engine) -> None:
    run = Run(engine)
    line = run.row()
    app = page(row=f"{run.invoice_id}/{line}")
    for button, words in (
        ("row_assign", "ana"),
        ("row_note", "asked Microsoft"),
        ("row_accept", "they credit it"),
        ("row_reopen", "they did not"),
    ):
        app.button(button).click().run()
        app.text_input("reconciling_text").input(words).run()
        app.button("reconciling_now").click().run()
    review = run.reviews()[line]
    assert (review["assigned_to"], review["note"], review["state"]) == ("ana", "asked Microsoft", "open")
    assert "Assigned to ana." in said(app) and "Note: asked Microsoft" in said(app)
    told = said(app)
    places = [told.index(one) for one in ("Opened again by", "Accepted by", "Note by", "Assigned to ana by")]
    assert (
        places == sorted(places)
        and "UTC: they credit it" in told
        and "4 decisions, the newest first" in [one.label for one in app.expander]
    )


def test_rows_are_filtered_by_whom_they_are_assigned_to_where_anybody_has_some(page, engine) -> None:
    run = Run(engine)
    mine = run.row(customer="Contoso")
    run.row(of="S-2", customer="Fabrikam")
    assert "Assigned to" not in [box.label for box in page().selectbox]
    run.decided(mine, "open", reason="", assigned_to="ana")
    app = page()
    assert app.button("accept_all").label == "Accept all 2"
    app.selectbox("reconciliation_assigned").select("ana").run()
    assert app.query_params["assigned"] == "ana" and app.button("accept_all").label == "Accept all 1"
    app.selectbox("reconciliation_assigned").select(None).run()
    assert app.button("accept_all").label == "Accept all 2"


def test_what_somebody_else_has_decided_meanwhile_is_refused_in_the_dialog(page, engine) -> None:
    run = Run(engine)
    line = run.row()
    app = page()
    app.button("accept_all").click().run()
    run.decided(line)
    app.text_input("reconciling_text").input("seen").run()
    app.button("reconciling_now").click().run()
    assert "Somebody else has decided of these rows meanwhile" in said(app)


def test_an_invoice_without_a_run_says_so_and_queues_one(page, engine) -> None:
    run = Run(engine)
    run.forget()
    app = page()
    assert "Not reconciled yet" in said(app)
    assert app.button(f"reconcile_{run.invoice_id}")


def test_what_no_invoice_of_the_month_has_is_accepted_on_each_of_them(page, engine) -> None:
    runs = [Run(engine, number) for number in ("G1", "G2")]
    for run in runs:
        run.row("not_on_invoice", charge_start=None, charge_end=None, line_id="S-1/not-on-invoice", subtotal=None)
    app = page()
    app.button(f"accept_{runs[0].run}_S-1/not-on-invoice").click().run()
    assert "1 twin row of theirs on its other invoices goes with them." in said(app)
    app.text_input("reconciling_text").input("bought elsewhere").run()
    app.button("reconciling_now").click().run()
    told = "1 row of 2 invoices, 20.00 EUR at risk: accepted. With them 1 twin row of seats that no invoice of the month has."
    assert told in said(app) and "Nothing is left to do" in said(app)
    assert [review["state"] for run in runs for review in run.reviews().values()] == ["accepted", "accepted"]


def test_the_receipt_of_a_month_says_what_its_dialog_announced(page, engine) -> None:
    for place, number in enumerate(("G1", "G2", "G3")):
        run = Run(engine, number)
        run.row("not_on_invoice", charge_start=None, charge_end=None, line_id="S-1/not-on-invoice", subtotal=None, money_at_risk="75")
        run.row(of=f"S-{place + 2}", money_at_risk="1000.5")
    app = page()
    app.button("accept_all").click().run()
    before = said(app)
    assert (
        "Accepts 4 rows, everything that the filters leave: 3,076.50 EUR at risk." in before
        and "2 twin rows of theirs on its other invoices go with them." in before
    )
    app.text_input("reconciling_text").input("agreed").run()
    app.button("reconciling_now").click().run()
    told = said(app)
    assert "4 rows of 3 invoices, 3,076.50 EUR at risk: accepted. With them 2 twin rows" in told and told.count("at risk: accepted") == 1
    assert "Nothing is left to do" in told


def test_a_receipt_says_what_was_done_where_the_rest_is_refused(page, engine) -> None:
    first, second = Run(engine, "G1"), Run(engine, "G2")
    first.row(of="S-1"), second.row(of="S-2")
    app = page()
    app.button("accept_all").click().run()
    second.again()
    second.row(of="S-2")
    app.text_input("reconciling_text").input("agreed").run()
    app.button("reconciling_now").click().run()
    assert "1 row of invoice G1, 20.00 EUR at risk: accepted. The rest was left: Invoice G2 has been reconciled anew" in said(app)


def test_a_sign_off_says_its_amount_at_the_coin(page, engine) -> None:
    run = Run(engine)
    run.decided(run.row(subtotal="86531.4"))
    app = page()
    app.button("sign_off").click().run()
    app.button("reconciling_now").click().run()
    assert "Invoice G1 is signed off: 1 row, 86,531.40 EUR of license lines." in said(app)
