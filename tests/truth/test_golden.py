"""Does the smallest case of each verdict and trap come out as its why.md says, in the kernel and in the oracle?"""

from __future__ import annotations

import random

import pytest

from tests.truth import cases, oracle, product


def oracle_rows(lines, subscriptions, change_logs, *, currency):
    rows = oracle.reconcile(lines, subscriptions, change_logs, currency=currency)
    return [{**row, "outside": {(log["change_log_id"], oracle.billing(log)) for log in row["outside"] or ()}} for row in rows]


@pytest.mark.parametrize("judge", [oracle_rows, product.rows], ids=["oracle", "kernel"])
@pytest.mark.parametrize("name", cases.names())
def test_the_smallest_case_comes_out_as_its_reason_says(name, judge):
    case = cases.read(name)
    for seed in range(3):
        given = [random.Random(seed).sample(rows, len(rows)) for rows in (case.lines, case.subscriptions, case.change_logs)]
        rows = judge(*given, currency=case.currency)
        assert [row["line_id"] for row in rows] == [expected["line_id"] for expected in case.expected]
        for row, expected in zip(rows, case.expected, strict=True):
            assert {name: row[name] for name in expected} == expected
            if case.outside is not None:
                due = case.outside.get(row["line_id"], set())
                with_billing = any(billing for _, billing in due)
                assert {(log, billing if with_billing else None) for log, billing in row["outside"]} == due


def test_every_case_says_why_in_two_to_six_lines():
    said = {name: (cases.GOLDEN / name / "why.md").read_text(encoding="utf-8").strip().splitlines() for name in cases.names()}
    assert said and all(2 <= len(lines) <= 6 for lines in said.values())


def test_every_verdict_and_fit_has_a_smallest_case():
    expected = [row for name in cases.names() for row in cases.read(name).expected]
    verdicts = {row.get("verdict") for row in expected}
    assert {
        "no_subscription",
        "not_reconcilable",
        "suspended_but_billed",
        "confirmed",
        "change_log_mismatch",
        "provisioning_gap",
    } <= verdicts
    assert {"excluded", "explained_not_invoiced", "explained_invoiced", "partly_explained", "unexplained", "not_on_invoice"} <= verdicts
    assert {row.get("fit") for row in expected} >= {"snapshot", "scheduled", "shifted", "effective"}
    assert {row.get("price_verdict") for row in expected} >= {"price_unknown", "below_cost", "zero_margin", "cost_drift", "price_ok"}
