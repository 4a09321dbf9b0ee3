"""Does a file of usage that was edited change exactly what was edited, and is everything else refused cell by cell?"""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings, strategies as st
from sqlalchemy import Engine, select, text, update

from tests import estates
from tests.usage_rows import NOW, Usage, table, written
from w365core.access import AccessRefused, Person
from w365core.correction import COLUMNS, Applied, Edit, Preview, Rule
from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import correcting, excel_rows, peopling, usage_files
from w365core.jobs.context import Context
from w365core.jobs.correcting import Chosen
from w365core.store import audit, drift, people
from w365core.store.tables import audit_log, provider_invoice, subscription, usage_correction, usage_correction_row, usage_summary

D = Decimal


@pytest.fixture
def usage(context: Context) -> Usage:
    return Usage(context.engine)


def preview(usage: Usage, content: bytes, name: str = "october.csv") -> Preview:
    return correcting.preview_file(usage.engine, name=name, content=content)


@pytest.fixture
def apply(context: Context) -> Callable[..., Applied]:
    def done(content: bytes, name: str = "october.csv", **more: object) -> Applied:
        told = {"actor": "ana", "now": NOW, "landing": context.landing} | more
        return correcting.apply_file(context.engine, name=name, content=content, **told)

    return done


@pytest.fixture
def undo(context: Context) -> Callable[..., int]:
    def done(correction_id: int, actor: str = "bo") -> int:
        return correcting.undo(context.engine, correction_id, actor=actor, now=NOW + timedelta(hours=1), landing=context.landing).rows

    return done


def edited(usage: Usage, **cells: str) -> bytes:
    """The export with these cells in its first row."""
    rows = table(usage.export())
    rows[0] |= cells
    return written(rows)


def refusals(found: Preview) -> list[tuple[int, str, str]]:
    return [(one.row, one.column, one.value) for one in found.refused]


# --- what is exported ------------------------------------------------------------------------------------------------------------------------


def test_the_export_has_exactly_these_columns_with_plain_numbers_and_iso_days(usage: Usage) -> None:
    usage.add("0.0000001", "17.64", quantity="1E+3", product="=cmd", account_id=None)
    content = usage.export()
    assert content.startswith(b"\xef\xbb\xbfusage_id,row_hash,invoice,account,subscription,product,charge_start,charge_end,quantity,cost,")
    (row,) = table(content)
    assert tuple(row) == COLUMNS and row["row_hash"].startswith("1-")
    assert (row["charge_start"], row["quantity"], row["cost"], row["selling_amount"]) == ("2026-10-01", "1000", "0.0000001", "0.00")
    assert (row["account"], row["subscription"], row["product"], row["status"]) == ("", "", "'=cmd", "Not invoiced")


def test_a_cost_in_force_is_what_is_exported_and_the_providers_stays(usage: Usage, apply) -> None:
    usage_id = usage.add("10.00")
    done = apply(edited(usage, cost="8.50", quantity="3"))
    assert done.correction_id == 1 and done.preview.changed == 1
    (row,) = table(usage.export())
    assert (row["cost"], row["quantity"], row["selling_amount"]) == ("8.50", "3", "9.78")
    stored = usage.rows()[usage_id]
    assert (stored["cost"], stored["quantity"], stored["corrected_cost"], stored["corrected_quantity"]) == (D(10), D(1), D("8.5"), D(3))


def test_a_value_put_back_to_the_providers_is_no_correction_beside_it_any_more(usage: Usage, apply) -> None:
    usage_id = usage.add("10.00")
    apply(edited(usage, cost="8.50"))
    apply(edited(usage, cost="10"))
    assert usage.rows()[usage_id]["corrected_cost"] is None and usage.rows()[usage_id]["selling_amount"] == D("11.50")


def test_quantity_moves_no_money_and_a_credit_is_a_legal_cost(usage: Usage, apply) -> None:
    usage.add("10.00")
    found = preview(usage, edited(usage, quantity="99"))
    assert (found.amount_before, found.amount_after) == (D("11.50"), D("11.50")) and found.changed == 1
    assert preview(usage, edited(usage, cost="-0.1", markup_pct="25")).amount_after == D("-0.13")


# --- what is no edit -------------------------------------------------------------------------------------------------------------------------


def test_an_unedited_file_changes_nothing_and_says_so(usage: Usage, apply) -> None:
    usage.add(), usage.add(markup=None)
    done = apply(usage.export())
    assert done.correction_id is None and (done.preview.rows, done.preview.changed, done.preview.unchanged) == (2, 0, 2)
    assert done.preview.notes == ("Nothing is edited, so nothing changes.",)
    with usage.engine.connect() as connection:
        assert connection.execute(select(audit_log)).all() == []


def test_an_unedited_row_is_ignored_whatever_has_happened_since(usage: Usage, apply) -> None:
    one, two, gone = usage.add(), usage.add(), usage.add()
    content = usage.export()
    apply(edited(usage, markup_pct="20"))
    usage.bill(two)
    with usage.engine.begin() as connection:
        connection.execute(usage_summary.delete().where(usage_summary.c.usage_id == gone))
    assert preview(usage, content).unchanged == 3 and usage.markups()[one] == 20


def test_a_reformatted_row_is_no_edit_even_where_the_stored_one_changed_since(usage: Usage, apply) -> None:
    """Its digits are gone, so its hash cannot be computed from the file: what the row has been tells it."""
    usage.add("12.3456789012")
    rows = table(usage.export())
    apply(edited(usage, markup_pct="20"))
    rows[0] |= {"cost": "12.3456789", "charge_start": "10/1/2026"}
    assert preview(usage, written(rows)).unchanged == 1


def test_missing_rows_extra_columns_and_another_order_are_all_right(usage: Usage) -> None:
    usage.add(), usage.add()
    rows = [table(usage.export())[1] | {"account_name": "Contoso", "mine": "x", "markup_pct": "20"}]
    found = preview(usage, written(rows, columns=("mine", *reversed(COLUMNS), "account_name")))
    assert (found.rows, found.changed) == (1, 1)


def test_digits_of_an_id_that_a_spreadsheet_made_a_number_are_no_edit(usage: Usage) -> None:
    with usage.engine.begin() as connection:
        connection.execute(text("insert into account (account_id, name) values ('0012', 'Zero')"))
    usage.add(account_id="0012", subscription_id="U-1")
    assert preview(usage, edited(usage, account="12")).unchanged == 1
    assert refusals(preview(usage, edited(usage, account="13"))) == [(2, "account", "13")]


def test_semicolons_bring_decimal_commas(usage: Usage) -> None:
    usage.add("1234.50", "12.5")
    rows = table(usage.export())
    rows[0] |= {"cost": "1234,5", "markup_pct": "1,125", "selling_amount": "1388,81"}
    found = preview(usage, written(rows, separator=";"))
    assert found.refused == () and found.amount_after == D("1248.39")


def test_the_files_own_mark_decides_where_a_number_could_be_two(usage: Usage) -> None:
    usage.add("1234.50", "12.5")
    assert refusals(preview(usage, edited(usage, markup_pct="1,125"))) == [(2, "markup_pct", "1,125")]
    assert preview(usage, edited(usage, markup_pct="1,125", cost="1234,50", selling_amount="1388,81")).amount_after == D("1248.39")


# --- what is refused -------------------------------------------------------------------------------------------------------------------------


def test_one_refused_row_keeps_the_whole_file_out(usage: Usage, apply) -> None:
    usage.add(), usage.add()
    rows = [row | {"markup_pct": markup} for row, markup in zip(table(usage.export()), ("20", "-1"), strict=True)]
    before, found = usage.rows(), preview(usage, written(rows))
    assert refusals(found) == [(3, "markup_pct", "-1")] and (found.rows, found.changed, found.unchanged) == (2, 1, 0)
    assert apply(written(rows)) == Applied(found, None) and usage.rows() == before


def test_markup_0_and_1000_are_taken(usage: Usage) -> None:
    usage.add("10.00")
    assert preview(usage, edited(usage, markup_pct="0")).amount_after == D("10.00")
    assert preview(usage, edited(usage, markup_pct="1000")).amount_after == D("110.00")


def test_a_blank_markup_stays_blank_but_an_edited_row_needs_one(usage: Usage) -> None:
    usage.add(markup=None)
    assert refusals(preview(usage, edited(usage, cost="9"))) == [(2, "markup_pct", "")]
    found = preview(usage, edited(usage, markup_pct="10"))
    assert (found.amount_before, found.amount_after, found.by_currency[0].were_blank) == (D("0.00"), D("11.00"), 1)
    assert "1 of the changed rows had no selling amount before, because the markup was blank." in found.notes


def test_several_bad_cells_of_a_row_are_each_named(usage: Usage) -> None:
    usage.add()
    assert refusals(preview(usage, edited(usage, markup_pct="-1", cost="x", status="Invoiced"))) == [
        (2, "cost", "x"), (2, "markup_pct", "-1"), (2, "status", "Invoiced"),
    ]  # fmt: skip


def test_the_row_number_is_the_spreadsheets_also_after_blank_rows_and_cells_of_several_lines(usage: Usage) -> None:
    usage.add(product="two\nlines"), usage.add()
    head, rest = usage.export().split(b"\r\n", 1)
    rows = table(usage.export())
    rows[1]["markup_pct"] = "x"
    content = written(rows)
    assert refusals(preview(usage, content)) == [(3, "markup_pct", "x")]
    head, rest = content.split(b"\r\n", 1)
    assert refusals(preview(usage, head + b"\r\n" + b"," * 13 + b"\r\n\r\n" + rest)) == [(5, "markup_pct", "x")]


def test_a_duplicate_is_refused_and_an_unedited_one_is_ignored(usage: Usage) -> None:
    usage.add()
    (row,) = table(usage.export())
    edit = row | {"markup_pct": "20"}
    assert preview(usage, written([row, edit, row])).changed == 1
    found = preview(usage, written([edit, row, row | {"markup_pct": "21"}]))
    assert refusals(found) == [(4, "usage_id", row["usage_id"])] and "row 2" in found.refused[0].reason


def test_an_invoiced_row_is_refused_naming_the_invoice_to_delete(usage: Usage) -> None:
    usage_id = usage.add()
    before = table(usage.export())
    usage.bill(usage_id, on="I-77")
    for rows in (before, table(usage.export())):
        rows[0]["markup_pct"] = "20"
        found = preview(usage, written(rows))
        assert refusals(found) == [(2, "status", "Invoiced")] and "I-77" in found.refused[0].reason


def test_a_row_changed_since_the_export_is_refused_with_both_values_and_who_it_was(usage: Usage, apply) -> None:
    usage_id = usage.add()
    mine = edited(usage, markup_pct="12")
    apply(edited(usage, markup_pct="20"))
    found = preview(usage, mine)
    assert [(one.row, one.column) for one in found.refused] == [(2, "row_hash")]
    assert "changed since the export, last by ana" in found.refused[0].reason
    (conflict,) = found.conflicts
    assert (conflict.usage_id, conflict.column, conflict.exported, conflict.edited, conflict.in_force, conflict.changed_by) == (
        usage_id, "markup_pct", "15", "12", "20", "ana",
    )  # fmt: skip


def test_an_export_from_before_an_undo_is_refused_as_undone_with_who_and_when(usage: Usage, apply, undo) -> None:
    usage.add()
    before = edited(usage, markup_pct="12")
    done = apply(edited(usage, markup_pct="20"))
    between = edited(usage, markup_pct="25")
    undo(done.correction_id)
    undone = "the stored row has changed since the export: correction 1 was undone by bo on 2026-11-12 07:00 UTC"
    for content, now in ((before, "markup_pct is 15 now, as it was"), (between, "markup_pct is 15 now and was 20")):
        (refused,) = preview(usage, content).refused
        assert refused.reason == f"{undone} ({now}); export it again and repeat the edit there"


def test_a_row_imported_anew_with_other_values_has_changed_though_its_version_is_the_same(usage: Usage) -> None:
    usage_id = usage.add("10.00")
    mine = edited(usage, markup_pct="12")
    with usage.engine.begin() as connection:
        connection.execute(update(usage_summary).values(cost=D("11.00"), selling_amount=D("12.65")))
    found = preview(usage, mine)
    assert [(one.column) for one in found.refused] == ["row_hash"] and found.conflicts[0].usage_id == usage_id


def test_archived_and_unconfirmed_rows_may_be_changed_and_it_is_said(usage: Usage) -> None:
    usage.add(status="Archived"), usage.add(confirmed=False)
    rows = [row | {"markup_pct": "20"} for row in table(usage.export())]
    found = preview(usage, written(rows))
    assert found.changed == 2 and found.notes == (
        "1 of the changed rows is archived: not billed, whatever the markup.",
        "1 of the changed rows is not confirmed yet: not billed before that.",
    )


# --- the file itself -------------------------------------------------------------------------------------------------------------------------


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


def far_corner() -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "usage_id")
        sheet.write(1_048_575, 16_383, "far")
    return out.getvalue()


SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def workbook_of(sheet: Iterable[bytes]) -> bytes:
    """A workbook whose one sheet is what is given, piece by piece."""
    out, kind = io.BytesIO(), "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        links = {"_rels/.rels": ("officeDocument", "xl/workbook.xml"), "xl/_rels/workbook.xml.rels": ("worksheet", "worksheets/sheet1.xml")}
        for name, (what, target) in links.items():
            link = f'<Relationship Id="r1" Type="{kind}/{what}" Target="{target}"/>'
            archive.writestr(
                name, f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{link}</Relationships>'
            )
        book = f'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="{kind}"'
        archive.writestr("xl/workbook.xml", f'<workbook {book}><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>')
        with archive.open("xl/worksheets/sheet1.xml", "w") as written:
            written.write(SHEET)
            for piece in sheet:
                written.write(piece)
            written.write(b"</sheetData></worksheet>")
    return out.getvalue()


def cells_that_pack_well(rows: int) -> bytes:
    return workbook_of(b'<row><c t="inlineStr"><is><t>' + b"A" * 1000 + b"</t></is></c></row>" for _ in range(rows))


def cells_within_every_declared_limit() -> bytes:
    """Many million cells in 380 MB that pack as well as is allowed: what only the limits of the process stop."""
    random = Random(7)
    return workbook_of(
        b"<row>" + b"<c><v>1</v></c>" * 1_500 + b"</row><!--" + random.randbytes(400).hex().encode() + b"-->" for _ in range(16_000)
    )


def said_of_its_size(content: bytes) -> bytes:
    """The same workbook, whose directory says that nothing in it is large."""
    lying = bytearray(content)
    place = lying.find(b"PK\x01\x02")
    while place != -1:
        if int.from_bytes(lying[place + 24 : place + 28], "little") > 1_000_000:
            lying[place + 24 : place + 28] = (50_000).to_bytes(4, "little")
        place = lying.find(b"PK\x01\x02", place + 4)
    return bytes(lying)


# Started by a small process: what is started by a large one counts that one's memory as its own.
MEASURE = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-I", sys.argv[1]], stdin=open("book.xlsx", "rb"), stdout=open("rows", "wb"), stderr=open("said", "wb"))
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def child_reading(content: bytes, folder: Path) -> tuple[int, float, int, str]:
    """How the process ends that unpacks a workbook: exit code, seconds of the processor, its peak of memory in bytes, what it says."""
    (folder / "book.xlsx").write_bytes(content)
    told = [sys.executable, "-c", MEASURE, excel_rows.__file__]
    code, seconds, memory = subprocess.run(told, cwd=folder, capture_output=True, check=True).stdout.split()
    return int(code), float(seconds), int(memory) * 1024, (folder / "said").read_text(errors="replace")


def test_a_bomb_is_refused_by_its_directory_before_anything_is_unpacked(tmp_path: Path) -> None:
    bomb = cells_that_pack_well(450_000)
    assert len(bomb) < 5_000_000
    code, seconds, memory, said = child_reading(bomb, tmp_path)
    assert (code, "unpacks to 4" in said) == (excel_rows.REFUSED, True)
    assert seconds < 2 and memory < 100_000_000
    with pytest.raises(CallRefused, match=r"october.xlsx unpacks to 4\d\d MB; a workbook of usage unpacks to at most 400 MB"):
        correcting.preview_file(None, name="october.xlsx", content=bomb)


def test_a_part_that_packs_too_well_is_refused_and_so_are_too_many_parts(tmp_path: Path) -> None:
    code, _, _, said = child_reading(cells_that_pack_well(50_000), tmp_path)
    assert code == excel_rows.REFUSED and "more than 100 times its size" in said
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(1_001):
            archive.writestr(f"xl/{number}", b"")
    code, _, _, said = child_reading(out.getvalue(), tmp_path)
    assert code == excel_rows.REFUSED and "has 1,001 parts inside" in said


@pytest.mark.parametrize("make", [cells_within_every_declared_limit, lambda: said_of_its_size(cells_that_pack_well(300_000)), far_corner])
def test_what_the_directory_does_not_say_is_stopped_by_the_limits_of_the_process(make, tmp_path: Path) -> None:
    code, seconds, memory, _ = child_reading(make(), tmp_path)
    assert code not in (0, excel_rows.REFUSED), "the directory has nothing against it, and it is not read to its end all the same"
    assert seconds < excel_rows.MOST_SECONDS + 2 and memory < excel_rows.MOST_BYTES_OF_MEMORY


def test_a_hundred_thousand_rows_of_usage_are_read_with_a_third_of_what_a_workbook_may_take(tmp_path: Path) -> None:
    text, number = '<c t="inlineStr"><is><t>{}</t></is></c>', "<c><v>{}</v></c>"
    row = (
        f"<row>{''.join(text.format(f'{{0:08d}} of a customer, column {place}') for place in range(8))}{number.format('{0}.25') * 6}</row>"
    )
    book = workbook_of(row.format(place * 7_919 % 100_003).encode() for place in range(100_000))
    code, seconds, memory, said = child_reading(book, tmp_path)
    assert (code, said) == (0, "")
    assert seconds < excel_rows.MOST_SECONDS / 2 and memory < excel_rows.MOST_BYTES_OF_MEMORY / 2
    with (tmp_path / "rows").open() as rows:
        assert sum(1 for _ in rows) == 100_000


def test_one_workbook_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_files, "_MOST_SECONDS_OF_WAITING", 0.01)
    with usage_files.alone("mine.xlsx", b"PK\x03\x04"):
        for content in (b"PK\x03\x04", bytes(usage_files.SMALL + 1)):
            with pytest.raises(AlreadyRunning, match=r"so yours was not; nothing was done"):
                correcting.preview_file(None, name="yours", content=content)
        with pytest.raises(CallRefused, match="is empty"):
            correcting.preview_file(None, name="small.csv", content=b"")
    with usage_files.alone("yours.xlsx", b"PK\x03\x04"):
        pass


def test_a_viewer_may_not_have_a_file_read(usage: Usage, monkeypatch: pytest.MonkeyPatch) -> None:
    with usage.engine.begin() as connection:
        people.came(connection, subject="https://idp|vic", name="vic", email=None, claimed=None, now=NOW)
    peopling.give(usage.engine, "vic", "viewer", actor="operator", now=NOW)
    monkeypatch.setattr(usage_files, "read", None)  # whoever looks at the file fails
    with pytest.raises(AccessRefused, match="Correcting usage takes the role analyst, and yours is viewer"):
        correcting.preview_file(usage.engine, name="o.csv", content=b"PK\x03\x04", actor=Person("https://idp|vic", "vic"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n", "is empty"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"a,b\r\n1,2\r\n", "names none of the columns"),
        (b"usage_id,row_hash\r\n", "lacks the columns invoice, account"),
        ((",".join(COLUMNS) + ",cost\r\n").encode(), "cannot be read"),
        ((",".join(COLUMNS) + '\r\n"a"b,c\r\n').encode(), "is damaged in row 2"),
        ((",".join(COLUMNS) + '\r\n"a').encode(), "is damaged in row 2"),
        (b"\xff\xfeu\x00", "cannot be read as CSV"),
        (b"usage_id,\xe4\r\n", "cannot be read as CSV"),
        (bytes(range(256)), "cannot be read as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "old or protected Excel file"),
        (b"PK\x03\x04 and no more", "cannot be read as an Excel workbook"),
        (zipped("xl/workbook.xml", bytes(300_000_000)), "unpacks to more than 100 times its size"),
        (far_corner(), "cannot be read as an Excel workbook"),
        (bytes(101_000_000), "has 101 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_file_is_refused_in_a_sentence_before_anybody_asks_the_database(content: bytes, sentence: str) -> None:
    with pytest.raises(CallRefused, match=sentence):
        correcting.preview_file(None, name="october.csv", content=content)


def test_a_workbook_goes_out_and_comes_back_with_every_digit_and_ids_as_text(usage: Usage, apply) -> None:
    usage.add("5.123456789012345678"), usage.add("0.1", product="00123"), usage.add("12.50", account_id=None)
    content = usage.export(excel=True)
    assert preview(usage, content, "october.xlsx").unchanged == 3
    out = io.BytesIO()
    with xlsxwriter.Workbook(
        out, {"constant_memory": True}
    ) as book:  # as Excel has it: numbers are numbers, a day is a number with a format
        sheet, day = book.add_worksheet(), book.add_format({"num_format": "dd/mm/yyyy"})
        for line, cells in enumerate([dict(zip(COLUMNS, COLUMNS, strict=True)), *table(usage.export())]):
            for place, name in enumerate(COLUMNS):
                if line and name in ("charge_start", "charge_end"):
                    sheet.write_datetime(line, place, date.fromisoformat(cells[name]), day)
                elif line and name in ("quantity", "cost", "selling_amount"):
                    sheet.write_number(line, place, D(cells[name]))
                else:
                    sheet.write_string(line, place, "17.5" if line == 2 and name == "markup_pct" else cells[name])
    done = apply(out.getvalue(), "october.xlsx")
    assert done.preview.refused == () and done.preview.changed == 1 and done.preview.amount_after == D("0.12")


# --- what is done ----------------------------------------------------------------------------------------------------------------------------


def test_preview_and_import_agree_and_the_money_stands_by_customer_and_currency(usage: Usage, apply) -> None:
    usage.add("10.00"), usage.add("20.00", account_id="A-2"), usage.add("1000", account_id="A-2", currency="JPY"), usage.add("5.00", None)
    rows = [row | {"markup_pct": "20"} for row in table(usage.export())]
    found = preview(usage, written(rows))
    done = apply(written(rows), reason="as agreed")
    assert done.preview == found and found.amount_before is None and found.amount_after is None
    assert [(one.currency, one.amount_before, one.amount_after, one.difference) for one in found.by_currency] == [
        ("EUR", D("34.50"), D("42.00"), D("7.50")), ("JPY", D(1150), D(1200), D(50)),
    ]  # fmt: skip
    assert [(one.name, one.currency, one.rows, one.difference) for one in found.by_account] == [
        ("Fabrikam", "JPY", 1, D(50)), ("Contoso", "EUR", 2, D("6.50")), ("Fabrikam", "EUR", 1, D("1.00")),
    ]  # fmt: skip
    sold = usage.rows("currency", "selling_amount").values()
    assert sum(row["selling_amount"] for row in sold if row["currency"] == "EUR") == D("42.00")


def test_it_is_sealed_in_the_log_with_its_file_and_its_reason(usage: Usage, apply, context: Context) -> None:
    usage.add()
    content = edited(usage, markup_pct="20")
    done = apply(content, reason=" as  agreed ")
    with usage.engine.connect() as connection:
        (said,) = connection.execute(select(audit_log)).all()
        (head,) = connection.execute(select(usage_correction)).all()
        assert audit.first_broken(connection) is None
    assert (said.action, said.target_kind, said.target, said.reason) == (
        "correct usage",
        "usage",
        f"correction {done.correction_id}",
        "as agreed",
    )
    assert context.landing.path(said.after["fingerprint"]).read_bytes() == content and head.fingerprint == said.after["fingerprint"]
    assert (head.source, head.name, head.rows, head.actor) == ("file", "october.csv", 1, "ana")


def test_undo_restores_every_value_and_is_refused_the_second_time(usage: Usage, apply, undo) -> None:
    usage.add("10.00"), usage.add("0.333", None), usage.add("-4.10", "0")
    before = usage.rows()
    done = apply(written([row | {"markup_pct": "20", "cost": "7.77", "quantity": "2"} for row in table(usage.export())]))
    assert usage.rows() != before and undo(done.correction_id) == 3 and usage.rows() == before
    with pytest.raises(CallRefused, match="undone already: by bo on 2026-11-12 07:00 UTC"):
        undo(done.correction_id)
    with pytest.raises(CallRefused, match="There is no correction 99"):
        undo(99)


_CELLS = {
    "markup_pct": st.sampled_from(["0", "12.5", "17.647058", "1000"]),
    "cost": st.decimals(-1000, 1000, places=6).map(lambda number: f"{number:f}"),
    "quantity": st.sampled_from(["0", "1", "744.123456"]),
}


@given(edits=st.lists(st.fixed_dictionaries({}, optional=_CELLS), min_size=4, max_size=4), excel=st.booleans())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_edited_the_result_is_the_preview_and_undo_restores_every_table(usage: Usage, apply, undo, edits, excel) -> None:
    """One database for all examples: each ends where it began."""
    if not usage.rows():
        usage.add("10.00"), usage.add("0.3333333333333333", account_id="A-2"), usage.add("-7.5"), usage.add("1000", currency="JPY")
    before, sold = everything_but_corrections(usage.engine), sums(usage)
    content = written([row | cells for row, cells in zip(table(usage.export()), edits, strict=True)])
    found = preview(usage, content)
    done = apply(content)
    assert done.preview == found and found.refused == ()
    moved = {one.currency: one.difference for one in found.by_currency}
    assert sums(usage) == {currency: amount + moved.get(currency, 0) for currency, amount in sold.items()}
    assert preview(usage, usage.export(excel=excel), "again").unchanged == 4, "what comes out now is unedited again"
    if done.correction_id is not None:
        undo(done.correction_id)
    assert everything_but_corrections(usage.engine) == before


def everything_but_corrections(engine: Engine) -> dict[str, list]:
    return {name: rows for name, rows in estates.stored(engine).items() if not name.startswith("usage_correction")}


def sums(usage: Usage) -> dict[str, Decimal]:
    rows = list(usage.rows("currency", "selling_amount").values())
    return {currency: sum(row["selling_amount"] for row in rows if row["currency"] == currency) for currency in ("EUR", "JPY")}


def test_undo_is_refused_while_a_later_correction_stands_and_goes_on_once_that_is_undone(usage: Usage, apply, undo) -> None:
    usage.add(), usage.add()
    before = usage.rows()
    first = apply(written([row | {"markup_pct": "20"} for row in table(usage.export())])).correction_id
    second = apply(edited(usage, markup_pct="25")).correction_id
    with pytest.raises(CallRefused, match=rf"1 of its rows \(uG1x000001\) is changed again by correction {second}"):
        undo(first)
    undo(second), undo(first)
    assert usage.rows() == before


def test_undo_is_refused_where_a_row_is_invoiced_since_and_names_the_invoice(usage: Usage, apply, undo) -> None:
    usage_id = usage.add()
    done = apply(edited(usage, markup_pct="20"))
    usage.bill(usage_id, on="I-77")
    with pytest.raises(CallRefused, match="on customer invoice I-77"):
        undo(done.correction_id)


def test_undo_is_refused_where_the_invoice_was_imported_anew_or_is_gone(usage: Usage, apply, undo) -> None:
    usage.add()
    done = apply(edited(usage, markup_pct="20"))
    with usage.engine.begin() as connection:
        connection.execute(update(usage_summary).values(cost=D(11), created_at=NOW + timedelta(minutes=5)))
    with pytest.raises(CallRefused, match="imported anew"):
        undo(done.correction_id)
    with usage.engine.begin() as connection:
        connection.execute(usage_summary.delete())
    with pytest.raises(CallRefused, match="not there any more"):
        undo(done.correction_id)


def test_of_two_imports_of_one_file_at_once_one_wins(usage: Usage, context: Context) -> None:
    for _ in range(30):
        usage.add()
    rows = table(usage.export())
    files = [written([row | {"markup_pct": markup} for row in rows]) for markup in ("20", "21")]
    told = {"name": "f.csv", "actor": "ana", "now": NOW, "landing": context.landing}
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda content: correcting.apply_file(context.engine, content=content, **told), files))
    won, lost = sorted(done, key=lambda one: one.correction_id is None)
    assert won.correction_id is not None and lost.correction_id is None and len(lost.preview.refused) == 30
    assert len(set(usage.markups().values())) == 1


def test_of_two_undos_at_once_one_wins(usage: Usage, apply, context: Context) -> None:
    usage.add()
    done = apply(edited(usage, markup_pct="20"))

    def attempt(actor: str) -> str:
        try:
            correcting.undo(context.engine, done.correction_id, actor=actor, now=NOW, landing=context.landing)
        except CallRefused as refusal:
            return str(refusal)
        return "undone"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(attempt, ("ana", "bo")))
    assert said[1] == "undone" and "undone already" in said[0]


# --- edits in the page, rules, drift ---------------------------------------------------------------------------------------------------------


def test_edits_in_the_page_are_judged_alike(usage: Usage, context: Context) -> None:
    one, two = usage.add(), usage.add()
    hashes = {row["usage_id"]: row["row_hash"] for row in table(usage.export())}
    told = {"actor": "ana", "now": NOW, "landing": context.landing}
    bad = [Edit(one, hashes[one], markup_pct="20"), Edit(two, hashes[two], markup_pct="-1")]
    assert refusals(correcting.preview_edits(context.engine, bad)) == [(2, "markup_pct", "-1")]
    good = [Edit(one, hashes[one], markup_pct="20", cost="9")]
    found = correcting.preview_edits(context.engine, good)
    assert correcting.apply_edits(context.engine, good, **told).preview == found and usage.markups() == {one: 20, two: 15}
    stale = correcting.preview_edits(context.engine, [Edit(one, hashes[one], markup_pct="30")])
    assert [one.column for one in stale.refused] == ["row_hash"]


def test_a_rule_changes_what_is_chosen_and_leaves_invoiced_and_archived_rows_and_inactive_invoices(usage: Usage, context: Context) -> None:
    one, billed, archived, other = usage.add(), usage.add(), usage.add(status="Archived"), usage.add(account_id="A-2")
    away = Usage(context.engine, "G2")
    gone = away.add()
    with context.engine.begin() as connection:
        mine = provider_invoice.c.provider_invoice_id == away.invoice_id
        connection.execute(update(provider_invoice).where(mine).values(state="Inactive", status_reason="Deactivated"))
    usage.bill(billed)
    rule = Rule(markup_pct=D(12), accounts=("A-1",))
    found = correcting.preview_rule(context.engine, rule)
    assert (found.rows, found.changed, found.amount_after) == (1, 1, D("11.20")) and "1 more is invoiced" in found.notes[0]
    done = correcting.apply_rule(context.engine, rule, actor="ana", now=NOW, landing=context.landing, reason="deal", seen=found.seal)
    assert done.preview == found and usage.markups() == {one: 12, billed: 15, archived: 15, other: 15, gone: 15}
    with context.engine.connect() as connection:
        assert connection.execute(select(usage_correction.c.name)).scalar_one() == "markup 12 % for 1 customer"
    again = correcting.apply_rule(context.engine, rule, actor="ana", now=NOW, landing=context.landing)
    assert again.correction_id is None and again.preview.unchanged == 1


def test_a_rule_is_applied_as_it_was_previewed_or_not_at_all(usage: Usage, context: Context) -> None:
    usage.add()
    rule = Rule(markup_pct=D(12), invoices=(usage.invoice_id,))
    seal = correcting.preview_rule(context.engine, rule).seal
    usage.add()
    with pytest.raises(CallRefused, match="changed since it was previewed"):
        correcting.apply_rule(context.engine, rule, actor="ana", now=NOW, landing=context.landing, seen=seal)


@pytest.mark.parametrize(
    "rule",
    [Rule(), Rule(markup_pct=D(12)), Rule(markup_pct=D(12), to_subscription=True), Rule(markup_pct=D(-1), accounts=("A-1",)), Rule(markup_pct=D(1001), accounts=("A",))],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(usage: Usage, rule: Rule) -> None:
    with pytest.raises(CallRefused):
        correcting.preview_rule(usage.engine, rule)


def drifted(engine: Engine) -> list:
    with engine.connect() as connection:
        return drift.drifted(connection)


def set_markup(engine: Engine, subscription_id: str, markup: str | None) -> None:
    with engine.begin() as connection:
        connection.execute(update(subscription).where(subscription.c.subscription_id == subscription_id).values(markup_pct=markup))


def test_drift_is_what_the_subscriptions_say_otherwise_since_the_import_and_the_rule_moves_exactly_that(
    usage: Usage, context: Context
) -> None:
    usage.add("0.125", None), usage.add("33.335"), usage.add("10.01", account_id="A-2"), usage.add("100", account_id="A-3", currency="JPY")
    usage.bill(usage.add("500.00"))
    assert [row["blank"] for row in drifted(usage.engine)] == [1], "a blank markup counts where the subscription has one by now"
    set_markup(usage.engine, "U-1", "0"), set_markup(usage.engine, "U-3", "12.5")
    found = drifted(usage.engine)
    assert [(row["subscription_id"], row["rows"], row["blank"], row["amount_before"], row["amount_after"]) for row in found] == [
        ("U-1", 2, 1, D("38.34"), D("33.47")), ("U-3", 1, 0, D(115), D(113)),
    ]  # fmt: skip
    rule = Rule(to_subscription=True)
    moved = correcting.preview_rule(usage.engine, rule)
    assert {one.currency: (one.amount_before, one.amount_after) for one in moved.by_currency} == {
        "EUR": (D("38.34"), D("33.47")), "JPY": (D(115), D(113)),
    }  # fmt: skip
    correcting.apply_rule(usage.engine, rule, actor="ana", now=NOW, landing=context.landing)
    assert drifted(usage.engine) == []


def test_a_markup_that_a_person_has_set_is_no_drift_while_the_subscription_is_as_it_was(usage: Usage, apply) -> None:
    usage.add()
    apply(edited(usage, markup_pct="12"))
    assert drifted(usage.engine) == []
    set_markup(usage.engine, "U-1", "18")
    assert [row["markup_now"] for row in drifted(usage.engine)] == [18]
    set_markup(usage.engine, "U-1", None)
    assert [row["markup_now"] for row in drifted(usage.engine)] == [None], "one that is taken away moves all that it sells for"
    with usage.engine.connect() as connection:
        assert drift.blank(connection) == []


def test_usage_without_any_markup_is_held_up_by_its_cost(usage: Usage) -> None:
    usage.add("10.00", None), usage.add("2.00", None, account_id=None), usage.add("1.00", None, account_id="A-2")
    set_markup(usage.engine, "U-1", None)
    with usage.engine.connect() as connection:
        assert [(row["subscription_id"], row["cost"]) for row in drift.blank(connection)] == [("U-1", 10), (None, 2)]


def test_receipts_tell_what_of_each_can_still_be_taken_back(usage: Usage, apply, undo) -> None:
    _, two, _ = usage.add(), usage.add(), usage.add()
    all_of_them = apply(written([row | {"markup_pct": "20"} for row in table(usage.export())])).correction_id
    again = apply(edited(usage, markup_pct="25")).correction_id
    usage.bill(two)
    with usage.engine.connect() as connection:
        latest, first = correcting.receipts(connection)
    assert (latest["correction_id"], latest["changed"], latest["invoiced"]) == (again, 0, 0)
    assert (first["correction_id"], first["changed"], first["invoiced"], first["gone"], first["of_currency"]) == (all_of_them, 1, 1, 0, 3)
    assert (first["before"], first["after"]) == (D("34.50"), D("36.00"))
    undo(again)
    with usage.engine.connect() as connection:
        assert [(row["undone_by"], row["changed"]) for row in correcting.receipts(connection)] == [("bo", 0), (None, 0)]
        assert connection.execute(select(usage_correction_row)).rowcount == 4


def test_more_rows_than_excel_takes_are_refused_with_what_to_do(usage: Usage, monkeypatch: pytest.MonkeyPatch) -> None:
    usage.add(), usage.add()
    monkeypatch.setattr(usage_files.reports_export, "MOST_EXCEL_ROWS", 1)
    with pytest.raises(CallRefused, match="take the CSV"):
        usage.export(excel=True)


def test_the_download_for_people_names_the_customer_and_comes_back(usage: Usage) -> None:
    usage.add()
    for excel in (False, True):
        content, rows = correcting.export(usage.engine, Chosen(accounts=("A-1",)), excel=excel, for_people=True)
        assert rows == 1 and preview(usage, content).unchanged == 1
