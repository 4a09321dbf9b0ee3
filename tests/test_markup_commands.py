"""Do the commands of markup say what they did, as documents and by their exit codes?"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.conftest import Command
from tests.usage_rows import Usage, table, written
from w365core.correction import COLUMNS


@pytest.fixture
def usage(engine: Engine) -> Usage:
    made = Usage(engine)
    made.add("10.00"), made.add("20.00", None, account_id="A-2")
    return made


def edited(path: Path, **cells: str) -> Path:
    path.write_bytes(written([row | cells for row in table(path.read_bytes())]))
    return path


def test_the_way_of_a_file_from_export_to_undo(w365: Command, usage: Usage, tmp_path: Path) -> None:
    out = tmp_path / "october.csv"
    assert w365("markup", "export", "--invoice", "g1", "--out", out).returncode == 0
    assert list(table(out.read_bytes())[0]) == list(COLUMNS)
    nothing = w365("markup", "import", out, "--json")
    assert nothing.returncode == 0 and json.loads(nothing.stdout)["correction_id"] is None
    edited(out, markup_pct="20")
    shown = w365("markup", "preview", out, "--json")
    assert shown.returncode == 0
    found = json.loads(shown.stdout)
    assert {name: found[name] for name in ("rows", "changed", "unchanged", "refused", "amount_before", "amount_after")} == {
        "rows": 2, "changed": 2, "unchanged": 0, "refused": [], "amount_before": "11.50", "amount_after": "36.00",
    }  # fmt: skip
    assert [(one["account_id"], one["amount_before"], one["amount_after"], one["difference"]) for one in found["by_account"]] == [
        ("A-2", "0.00", "24.00", "24.00"), ("A-1", "11.50", "12.00", "0.50"),
    ]  # fmt: skip
    done = w365("markup", "import", out, "--reason", "agreed", "--json")
    assert done.returncode == 0 and json.loads(done.stdout) == found | {"correction_id": 1}
    assert json.loads(w365("markup", "corrections", "--json").stdout)[0]["reason"] == "agreed"
    undone = w365("markup", "undo", "1", "--json")
    assert undone.returncode == 0 and json.loads(undone.stdout)["rows"] == 2
    again = w365("markup", "undo", "1")
    assert again.returncode == 2 and "undone already" in again.stderr and "Traceback" not in again.stderr


def test_a_refused_row_ends_a_preview_with_1_and_an_import_with_2(w365: Command, usage: Usage, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(written([row | {"markup_pct": "-1"} for row in table(usage.export())]))
    shown, done = w365("markup", "preview", bad), w365("markup", "import", bad, "--json")
    assert shown.returncode == 1 and "markup_pct" in shown.stdout and "is negative" in shown.stdout
    assert done.returncode == 2 and json.loads(done.stdout)["refused"][0]["row"] == 2 and "Nothing was changed" in done.stderr
    damaged = w365("markup", "import", __file__, "--json")
    assert damaged.returncode == 2 and "no export of usage" in json.loads(damaged.stdout)["error"]


def test_a_markup_that_was_taken_away_is_drift_of_all_that_its_usage_sells_for(w365: Command, usage: Usage) -> None:
    with usage.engine.begin() as connection:
        connection.execute(text("update subscription set markup_pct = null where subscription_id = 'U-1'"))
    row = next(row for row in json.loads(w365("markup", "drift", "--json").stdout) if row["subscription_id"] == "U-1")
    assert row["markup_now"] is None and row["amount_after"] == "0"
    assert Decimal(row["difference"]) == -Decimal(row["amount_before"]) < 0


def test_drift_is_listed_with_the_money_that_it_moves(w365: Command, usage: Usage) -> None:
    (row,) = json.loads(w365("markup", "drift", "--json").stdout)
    assert (row["subscription_id"], row["blank"], row["amount_before"], row["amount_after"], row["difference"]) == (
        "U-2",
        1,
        "0",
        "23.00",
        "23.00",
    )
