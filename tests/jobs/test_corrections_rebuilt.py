"""Do corrections and their undo come out of a rebuild as they were made, whatever became of the invoice since?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import estates
from tests.estates import Estate, Served, daily, usage
from tests.jobs.test_rebuilding import digests, do, lose, our_records, rebuild, sync
from tests.usage_rows import table, written
from w365core.jobs import correcting
from w365core.jobs.context import Context
from w365core.jobs.correcting import Chosen


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with estates.serve(Estate(tmp_path / "estate")) as running:
        yield running


@pytest.fixture
def configured(context: Context, served: Served, tmp_path: Path) -> Context:
    return estates.configure(context, served.url, records=our_records(served, tmp_path, markup="15"))


def correct(context: Context, **cells: str) -> int:
    """Every row of usage, with these cells."""
    content = correcting.export(context.engine, Chosen(), excel=False)[0]
    told = {"actor": "ana", "now": context.now, "landing": context.landing, "reason": "agreed"}
    done = correcting.apply_file(context.engine, name="f.csv", content=written([row | cells for row in table(content)]), **told)
    assert done.correction_id is not None, done.preview.refused
    return done.correction_id


def undo(context: Context, correction_id: int) -> None:
    correcting.undo(context.engine, correction_id, actor="bo", now=context.now, landing=context.landing)


def test_the_ledger_comes_back_with_its_corrections_and_their_undo(configured: Context, served: Served) -> None:
    for number in ("G1", "GONE", "AGAIN"):
        served.estate.invoice(number, [usage("12.34")], [daily("12.34")])
        assert sync(configured, number) == "Active/Active"
    untouched = digests(configured)
    first = correct(configured, markup_pct="20", cost="9.999", quantity="3")
    second = correct(configured, markup_pct="0")
    undo(configured, second)
    do(configured, "delete", "GONE")
    do(configured, "deactivate", "AGAIN")
    assert sync(configured, "AGAIN") == "Active/Active"
    before = digests(configured)
    assert before["usage_summary"] != untouched["usage_summary"]
    assert rebuild(configured, check=True).findings == ()
    lose(configured)
    assert rebuild(configured).replaced and digests(configured) == before
    assert first == 1
    correct(configured, markup_pct="30")
    assert rebuild(configured, check=True).findings == ()


def test_a_rule_is_sealed_alike(configured: Context, served: Served) -> None:
    served.estate.invoice("G1", [usage("12.34")], [daily("12.34")])
    assert sync(configured, "G1") == "Active/Active"
    told = {"actor": "ana", "now": configured.now, "landing": configured.landing}
    rule = correcting.Rule(markup_pct=correcting.MOST_MARKUP, accounts=("A-1",))
    assert correcting.apply_rule(configured.engine, rule, **told).correction_id == 1
    assert rebuild(configured, check=True).findings == ()
    undo(configured, 1)
    assert rebuild(configured, check=True).findings == ()
