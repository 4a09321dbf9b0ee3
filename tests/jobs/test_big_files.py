"""Is a large file of usage read and applied by another process, as if it had been done here, and is nothing half-done where that one dies?"""

from __future__ import annotations

import ast
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from tests.usage_rows import NOW, Usage, table, written
from w365core.access import AccessRefused, Person
from w365core.correction import COLUMNS, Applied, Preview
from w365core.errors import CallRefused, InputRefused, ReceiptLost
from w365core.jobs import big_files, correcting, peopling, usage_files
from w365core.jobs.apart import Apart
from w365core.jobs.context import Context
from w365core.store import audit, people
from w365core.store.tables import usage_correction

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def usage(context: Context) -> Usage:
    return Usage(context.engine)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bytes are large from here on."""
    monkeypatch.setattr(usage_files, "SMALL", 10)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a file in this process fails."""
    monkeypatch.setattr(usage_files, "read", None)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Popen]]:
    """Those that have the files read."""
    known: list[Popen] = []
    start = Apart._started

    def started(self: Apart) -> Popen:
        known.append(start(self))
        return known[-1]

    monkeypatch.setattr(Apart, "_started", started)
    monkeypatch.setattr(big_files, "_APART", Apart(big_files.__name__))
    yield known
    for one in known:
        one.kill(), one.wait(), one.stdin.close(), one.stdout.close()


def edited(usage: Usage, **cells: str) -> bytes:
    """The export with these cells in every row."""
    return written([row | cells for row in table(usage.export())])


def preview(usage: Usage, content: bytes, **told: Any) -> Preview:
    return big_files.preview_file(usage.engine, name="october.csv", content=content, **told)


@pytest.fixture
def apply(context: Context) -> Callable[..., Applied]:
    def done(content: bytes, **more: Any) -> Applied:
        told = {"actor": "ana", "now": NOW, "landing": context.landing, "reason": "price list"} | more
        return big_files.apply_file(context.engine, name="october.csv", content=content, **told)

    return done


def corrections(engine: Engine) -> list:
    with engine.connect() as connection:
        assert audit.first_broken(connection) is None
        return connection.execute(select(usage_correction)).all()


@pytest.fixture
def ana(usage: Usage) -> Person:
    return somebody(usage, "ana@example.com", "analyst")


def somebody(usage: Usage, name: str, role: str) -> Person:
    person = Person(f"https://idp|{name}", name)
    with usage.engine.begin() as connection:
        people.came(connection, subject=person.subject, name=name, email=None, claimed=None, now=NOW)
    peopling.give(usage.engine, name, role, actor="operator", now=NOW)
    return person


def test_a_file_of_more_than_four_megabytes_is_previewed_and_applied_elsewhere_and_says_the_same(
    usage: Usage, ana: Person, apply, context: Context, processes: list, request: pytest.FixtureRequest
) -> None:
    for _ in range(40):
        usage.add()
    rows = [row | {"markup_pct": "20", "note": "x" * 110_000} for row in table(usage.export())]
    content = written(rows, columns=(*COLUMNS, "note"))
    assert len(content) > usage_files.SMALL
    here = correcting.preview_file(usage.engine, name="october.csv", content=content)
    request.getfixturevalue("elsewhere")
    assert preview(usage, content, actor=ana) == here and here.changed == 40
    assert apply(content, actor=ana).preview == here
    (made,) = corrections(usage.engine)
    assert (made.actor, made.at, made.reason, made.name, made.rows) == ("ana@example.com", NOW, "price list", "october.csv", 40)
    assert context.landing.path(made.fingerprint).read_bytes() == content and set(usage.markups().values()) == {20}
    assert [one.returncode for one in processes] == [0, 0, None], "a spare one waits"


def test_a_small_file_is_read_here_and_a_workbook_elsewhere(usage: Usage, apply, processes: list, request: pytest.FixtureRequest) -> None:
    usage.add()
    assert preview(usage, edited(usage, markup_pct="20")).changed == 1 and apply(edited(usage, markup_pct="20")).correction_id == 1
    assert not processes
    request.getfixturevalue("elsewhere")
    assert preview(usage, usage.export(excel=True)).unchanged == 1 and len(processes) == 2


def test_what_is_refused_elsewhere_is_refused_here(usage: Usage, apply, small, elsewhere, processes: list) -> None:
    usage.add()
    wrong = edited(usage, markup_pct="twenty")
    assert [(one.row, one.column, one.value) for one in preview(usage, wrong).refused] == [(2, "markup_pct", "twenty")]
    done = apply(wrong)
    assert done.correction_id is None and len(done.preview.refused) == 1
    with pytest.raises(CallRefused, match=r"october.csv lacks the columns invoice, account"):
        preview(usage, b"usage_id,row_hash\r\n" * 9)
    with pytest.raises(InputRefused, match="is damaged in row 2") as damaged:
        apply((",".join(COLUMNS) + '\r\n"a"b,c\r\n').encode())
    assert len(damaged.value.problems) == 1
    with pytest.raises(CallRefused, match="The reason is plain text"):
        apply(wrong, reason="x" * 501)
    assert corrections(usage.engine) == [] and set(usage.markups().values()) == {15}


def test_a_viewer_is_refused_before_any_process_is_asked(usage: Usage, apply, small, elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    vic = somebody(usage, "vic", "viewer")
    monkeypatch.setattr(big_files, "_APART", None)
    for ask in (preview, lambda _usage, content, **told: apply(content, **told)):
        with pytest.raises(AccessRefused, match="Correcting usage takes the role analyst, and yours is viewer"):
            ask(usage, b"PK\x03\x04" * 9, actor=vic)


def test_of_two_imports_at_once_one_wins(usage: Usage, apply, small, elsewhere, processes: list) -> None:
    for _ in range(30):
        usage.add()
    files = [edited(usage, markup_pct=markup) for markup in ("20", "21")]
    with ThreadPoolExecutor(2) as pool:
        won, lost = sorted(pool.map(apply, files), key=lambda one: one.correction_id is None)
    assert won.correction_id == 1 and lost.correction_id is None and len(lost.preview.refused) == 30
    assert len(set(usage.markups().values())) == 1 and len(corrections(usage.engine)) == 1


@pytest.mark.parametrize("held", ["usage_summary", "usage_correction_row"])
def test_where_the_process_is_killed_while_it_applies_nothing_is_changed_and_that_is_said(
    held: str, usage: Usage, apply, small, elsewhere, processes: list
) -> None:
    usage.add(), usage.add()
    content = edited(usage, markup_pct="20")
    said: list[BaseException] = []

    def attempt() -> None:
        try:
            apply(content)
        except BaseException as error:
            said.append(error)

    with usage.engine.connect() as holder:  # the process waits for this table, before it has changed anything or in the middle
        holder.execute(text(f"lock table {held} in exclusive mode"))
        asked = threading.Thread(target=attempt)
        asked.start()
        until_somebody_waits(usage.engine, held)
        processes[0].kill()
        processes[0].wait()
        if held == "usage_summary":
            asked.join(20)  # nothing of it can come any more
            assert said
    asked.join(20)
    assert isinstance(said[0], CallRefused) and "october.csv was not read to its end" in str(said[0])
    assert "nothing was changed" in str(said[0]) and len(said) == 1
    assert corrections(usage.engine) == [] and set(usage.markups().values()) == {15}
    assert apply(content).correction_id is not None, "the next attempt finds nothing in its way"


def until_somebody_waits(engine: Engine, table_name: str) -> None:
    waiting = text("select count(*) from pg_locks where relation = cast(:name as regclass) and not granted")
    deadline = time.monotonic() + 30
    while True:
        with engine.connect() as connection:
            if connection.execute(waiting, {"name": table_name}).scalar_one():
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_where_it_dies_after_it_was_done_that_is_said_too(usage: Usage, apply, small, processes: list, monkeypatch) -> None:
    usage.add()
    monkeypatch.setattr(correcting, "apply_file", applies_and_dies)
    with pytest.raises(ReceiptLost, match=r"october.csv is applied: it is correction 1. The process that did it has ended") as said:
        apply(edited(usage, markup_pct="20"))
    assert not isinstance(said.value, CallRefused), "that would promise that nothing was changed"
    assert len(corrections(usage.engine)) == 1 and set(usage.markups().values()) == {20}


def applies_and_dies(engine: Engine, **told: Any) -> None:
    import os

    correcting.apply_file(engine, **told)
    os.abort()


def test_pages_ask_this_door_and_no_other_about_a_file() -> None:
    asked = [
        f"{path.name}: {ast.unparse(node)}"
        for path in [ROOT / "app.py", *(ROOT / "pages").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("preview_file", "apply_file")
    ]
    assert [one.split(": ")[1] for one in asked] == ["big_files.preview_file", "big_files.apply_file"]
