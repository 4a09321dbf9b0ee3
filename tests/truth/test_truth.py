"""Does the kernel find every difference and invent none? Invoices that follow from random histories, judged by it, by a slow oracle and in SQL.

The run says how often each verdict, charge type and trap was met; none less than `LEAST` times.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest

from tests import postgres
from tests.truth import adversarial, invoiced, money_oracle, oracle, plants, product, sql_job
from tests.truth.estates import CURRENCIES, Must
from tests.truth.invoiced import Row
from w365core.kernels.reconcile import reconcile
from w365core.reconcile import agreeing

LEAST = 50
BUCKETS = 4
VERDICTS = {
    *("no_subscription", "not_reconcilable", "suspended_but_billed", "confirmed", "change_log_mismatch", "provisioning_gap", "excluded"),
    *("explained_not_invoiced", "explained_invoiced", "partly_explained", "unexplained", "not_on_invoice"),
}
TRAPS = {
    *(
        "repeated lines",
        "three against two",
        "four-line change",
        "split window",
        "GUID case",
        "leading zeros",
        "null subscription",
        "back-dated",
    ),
    *(
        "late-provisioned",
        "zero-amount pair",
        "zero-amount cancellation",
        "tie in order date",
        "JPY",
        "annual term",
        "alias",
        "mid-cycle cancel",
    ),
    *("exchange rate", "credit without seats", "plain file", "double charge", "changed since", "missing subscription", "provider only"),
    *(
        "fit scheduled",
        "fit shifted",
        "fit effective",
        "log missing",
        "credit missing",
        "convert",
        "only credit",
        "amount off",
        "above list",
    ),
}
# What the SQL does not say: it lists no ids.
IN_SQL = [name for name in product.SAID if name not in ("subscription_id", "charge_start", "charge_end", "currency")]


def departures(rows: list[Row], must: dict[str, Must]) -> list[tuple]:
    """Rows of which something else is said than must be, with both."""
    assert [row["line_id"] for row in rows] == sorted(must)
    return [(row["line_id"], due, found) for row in rows if (due := _due(must[row["line_id"]])) != (found := _found(row, due))]


def _due(must: Must) -> Row:
    fixed = {"residual": must.residual, "residual_settles": must.settles, "price_verdict": must.price, "money_at_risk": must.money}
    known = {name: value for name, value in fixed.items() if value is not None}
    outside = {"outside": set(must.outside)} if must.outside else {}
    return {"verdict": must.verdict, "fit": must.fit, "changed_since": must.changed_since, "findings": must.findings, **known, **outside}


def _found(row: Row, due: Row) -> Row:
    return {name: {log for log, _ in row["outside"]} if name == "outside" else row[name] for name in due}


def disagreements(kernel: list[Row], judge: list[Row], names: list[str] | tuple[str, ...]) -> list[tuple]:
    """Rows of which the kernel and another judge say different things."""
    assert [row["line_id"] for row in kernel] == [row["line_id"] for row in judge]
    pairs = zip(kernel, judge, strict=True)
    return [(ours["line_id"], name, ours[name], theirs[name]) for ours, theirs in pairs for name in names if ours[name] != theirs[name]]


def explanations(rows: list[Row]) -> dict[str, set[tuple]]:
    """By row of the oracle that has a fit or a view: the logs outside it, with their billing."""
    return {
        row["line_id"]: {(log["change_log_id"], oracle.billing(log)) for log in row["outside"]}
        for row in rows
        if row["outside"] is not None
    }


# --- what must be found ------------------------------------------------------------------------------------------------------------------


def test_an_invoice_that_follows_from_what_happened_has_no_difference_without_its_explanation(natural):
    for batch, kernel, _ in natural:
        assert not departures(kernel, batch.must)
        assert {row["verdict"] for row in kernel} <= {"confirmed", *oracle.EXPLAINED}


def test_every_planted_difference_is_found_and_none_is_invented(planted):
    for batch, kernel, _ in planted:
        assert not departures(kernel, batch.must)


def test_an_invoice_without_lines_has_only_what_is_missing_on_it():
    for seed in range(1, LEAST + 2):
        made, _ = plants.planted(seed)
        missing = {name for name in made.must if name.endswith("/not-on-invoice")}
        rows = product.rows([], [one for one in made.subscriptions if one["expected"]], made.change_logs, currency=made.currency)
        assert {row["line_id"] for row in rows} == missing and {row["verdict"] for row in rows} == {"not_on_invoice"}
        assert oracle.totals(rows) == dict.fromkeys(("confirmed", "explained", "unexplained"), Decimal(0))


# --- second opinions ---------------------------------------------------------------------------------------------------------------------


def test_the_kernel_says_what_the_oracle_says_of_every_row(natural, planted):
    for _, kernel, slow in natural + planted:
        assert not disagreements(kernel, slow, product.SAID)
        listed = {row["line_id"]: row["outside"] for row in kernel}
        assert {name: listed[name] for name in explanations(slow)} == explanations(slow)


@pytest.mark.parametrize("seed", range(6))
def test_the_kernel_says_what_the_oracle_says_of_lines_that_nobody_would_write(seed):
    currency = CURRENCIES[seed % 3]
    given = adversarial.subscriptions(seed, 500, currency)
    kernel, slow = product.rows(*given, currency=currency), oracle.reconcile(*given, currency=currency)
    assert not disagreements(kernel, slow, product.SAID)
    listed = {row["line_id"]: row["outside"] for row in kernel}
    assert {name: listed[name] for name in explanations(slow)} == explanations(slow)


def differing_money(given: tuple[list[Row], ...], kernel: list[Row], slow: list[Row], currency: str) -> list[tuple]:
    """What the kernel says of money and the oracle does not: what changes are worth, what is not billed yet, and what is odd about lines."""
    lines, subscriptions, change_logs = given
    ours = {one["subscription_id"]: one for one in subscriptions}
    logs: dict[object, list[Row]] = defaultdict(list)
    for log in change_logs:
        logs[log["subscription_id"]].append(log)
    said = []
    for row, judge in zip(kernel, slow, strict=True):
        looked_into = judge["outside"] is not None or judge["verdict"] == "change_log_mismatch" or judge["changed_since"]
        of_row = money_oracle.outside(judge, logs[judge["subscription_id"]])
        worths = {log["change_log_id"]: money_oracle.worth(log, ours[judge["subscription_id"]], judge) for log in of_row}
        still = [worths[log["change_log_id"]] for log in of_row if oracle.billing(log) == "not_invoiced"]
        due = {"worths": worths, "unbilled": money_oracle.unbilled(still, currency) if looked_into else None}
        said += [(row["line_id"], name, row[name], value) for name, value in due.items() if row[name] != value]
    odd = set().union(*(row["odd"] for row in kernel))
    return said + sorted(odd ^ money_oracle.findings(lines, slow, change_logs, currency=currency), key=str)


def test_every_change_is_worth_what_the_oracle_says_and_every_finding_is_its(natural, planted):
    for batch, kernel, slow in natural + planted:
        assert not differing_money(batch.given, kernel, slow, batch.currency)


@pytest.mark.parametrize("seed", range(200, 206))
def test_money_comes_out_as_the_oracle_says_on_lines_that_nobody_would_write(seed):
    currency = CURRENCIES[seed % 3]
    given = adversarial.subscriptions(seed, 500, currency)
    kernel, slow = product.rows(*given, currency=currency), oracle.reconcile(*given, currency=currency)
    assert not differing_money(given, kernel, slow, currency)


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection]:
    with postgres.fresh_database() as url, psycopg.connect(url.replace("+psycopg", "")) as connected:
        yield connected


def test_the_kernel_says_what_the_same_job_says_in_sql(planted, connection):
    for batch, kernel, _ in planted:
        assert not disagreements(kernel, sql_job.rows(connection, *batch.given, currency=batch.currency), IN_SQL)


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_says_what_sql_says_of_lines_that_nobody_would_write(seed, connection):
    given = adversarial.subscriptions(100 + seed, 500, "EUR")
    assert not disagreements(product.rows(*given, currency="EUR"), sql_job.rows(connection, *given, currency="EUR"), IN_SQL)


def test_the_sql_divides_nothing():
    code = "\n".join(line.split("--")[0] for line in sql_job.JOB.splitlines())
    assert "/" not in code.replace("'/'", "").replace("'/not-on-invoice'", "")


# --- what may not matter, and what may not be lost ------------------------------------------------------------------------------------------


def test_the_order_of_lines_subscriptions_and_logs_changes_nothing(planted):
    batch, kernel, _ = planted[0]
    for seed in range(2):
        given = [random.Random(seed).sample(rows, len(rows)) for rows in batch.given]
        assert product.rows(*given, currency=batch.currency) == kernel


@pytest.mark.parametrize("many", ["12345678901234567890", "12345678901234567890.123456789012345"])
def test_one_number_of_many_digits_changes_nothing_for_all_others(planted, many: str):
    """All quantities and prices of a call are then Python's integers instead of the machine's, and every rule is gone through with them."""
    strange = [(adversarial.subscriptions(300 + number, 300, currency), currency) for number, currency in enumerate(CURRENCIES)]
    for given, currency in [(batch.given, batch.currency) for batch, _, _ in planted[:3]] + strange:
        lines, subscriptions, change_logs = given
        wide = subscriptions[0] | {
            "subscription_id": "wide",
            "quantity": many,
            "cost_price": many,
            "selling_price": many,
            "expected": False,
        }
        assert product.rows(lines, [*subscriptions, wide], change_logs, currency=currency) == product.rows(*given, currency=currency)


def test_buckets_of_subscriptions_say_together_what_one_call_says(planted):
    batch, kernel, _ = planted[1]
    parts = [product.rows(*_bucket(batch.given, number), currency=batch.currency) for number in range(BUCKETS)]
    assert all(parts)
    assert sorted((row for part in parts for row in part), key=lambda row: row["line_id"]) == kernel


def test_what_plainly_agrees_is_what_all_the_rules_say_of_it(natural, planted, monkeypatch):
    """Lines that simply agree are looked at no further (`reconcile/agreeing.py`): looked at like all others, they come out the same."""
    strange = [(adversarial.subscriptions(seed, 2000, CURRENCIES[0]), CURRENCIES[0]) for seed in range(20, 24)]
    batches = [(batch.given, batch.currency) for batch, _, _ in natural + planted] + strange
    tables = [(product.tables(*given), currency) for given, currency in batches]
    found, plainly = [], agreeing.agreed
    monkeypatch.setattr(agreeing, "agreed", lambda *given: found.append(plainly(*given)) or found[-1])
    one = [reconcile(*given, currency=currency) for given, currency in tables]
    monkeypatch.setattr(agreeing, "agreed", lambda *_: agreeing.none())
    assert one == [reconcile(*given, currency=currency) for given, currency in tables]
    assert sum(map(len, found)) > 1000


@pytest.mark.parametrize("buckets", [2, 7])
def test_an_invoice_that_is_worked_out_in_buckets_comes_out_as_in_one(planted, buckets: int):
    for batch, _, _ in planted[:4]:
        one, many = product.both_ways(*batch.given, currency=batch.currency, buckets=buckets)
        assert many.rows.equals(one.rows) and many.rows.num_rows > buckets
        assert many.change_logs.equals(one.change_logs)
        assert many.findings.equals(one.findings)


def _bucket(given: tuple[list[Row], ...], number: int) -> list[list[Row]]:
    return [[row for row in rows if zlib.crc32((row["subscription_id"] or "").encode()) % BUCKETS == number] for rows in given]


def test_every_line_is_in_one_row_and_every_amount_in_one_total(natural, planted):
    for batch, kernel, slow in natural + planted:
        sums = oracle.totals(kernel)
        assert sum(row["lines"] for row in kernel) == len(batch.lines)
        assert sum(sums.values()) == sum(line["subtotal"] for line in batch.lines)
        assert sums == oracle.totals(slow)
        assert all(row["money_at_risk"] is None or row["money_at_risk"] >= 0 for row in kernel)


# --- how much was tried ------------------------------------------------------------------------------------------------------------------


def test_every_verdict_charge_type_and_trap_is_met_often_enough(planted, truth_said):
    met = {
        "verdicts": Counter(row["verdict"] for _, kernel, _ in planted for row in kernel),
        "fits": Counter(row["fit"] for _, kernel, _ in planted for row in kernel if row["fit"]),
        "price verdicts": Counter(row["price_verdict"] for _, kernel, _ in planted for row in kernel),
        "charge types": Counter(line["charge_type"] for batch, _, _ in planted for line in batch.lines),
        "findings": Counter(kind for _, kernel, _ in planted for row in kernel for kind in row["findings"]),
        "traps": Counter(trap for batch, _, _ in planted for must in batch.must.values() for trap in must.traps),
    }
    for kind, counts in met.items():
        truth_said.append(f"{kind}: " + ", ".join(f"{name} {times}" for name, times in sorted(counts.items())))
    assert set(met["verdicts"]) == VERDICTS and set(met["fits"]) == {"snapshot", "scheduled", "shifted", "effective"}
    assert set(met["price verdicts"]) == {"price_unknown", "below_cost", "zero_margin", "cost_drift", "price_ok"}
    assert set(met["charge types"]) == {spelling for spellings in invoiced.SPELLINGS.values() for spelling in spellings}
    assert set(met["findings"]) == {"amount_off", "above_list", "charged_twice", "billed_after_cancellation"} and set(met["traps"]) >= TRAPS
    rare = {(kind, name): times for kind, counts in met.items() for name, times in counts.items() if times < LEAST}
    assert not rare
