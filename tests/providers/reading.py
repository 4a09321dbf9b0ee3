"""A file on disk, read as an import reads it: its forms, its typed lines, or every sentence of its refusal."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from w365core import money
from w365core.errors import CallRefused, InputRefused
from w365core.frames import COLUMNS_OF
from w365core.intake import validate
from w365core.intake.parse import ROW_COLUMN, TextForm, parse
from w365core.model import Feed, Problem
from w365core.providers import files
from w365core.providers.files import FileForm, Wanted

NEEDED = {Feed.DAILY_RATED: ("billing_pre_tax_total", "billing_currency")}


@dataclass(frozen=True)
class Read:
    """`lines` are typed; `refused` are the sentences about the cells that are not. One of the two is blank."""

    forms: tuple[FileForm, ...]
    lines: list[dict]
    refused: list[str]

    def column(self, name: str) -> list:
        return [line[name] for line in self.lines]

    def sum(self, name: str) -> Decimal:
        return money.total(value for value in self.column(name) if value is not None)


def read(path: Path, wanted: Wanted = Wanted(), *, most: int = 3) -> Read:
    try:
        forms = files.forms_of(path, wanted)
    except InputRefused as error:
        return Read((), [], list(map(str, error.problems)))
    except CallRefused as error:
        return Read((), [], [str(error)])
    lines, refused = [], []
    for name, form in forms:
        columns, count = COLUMNS_OF[form.feed], 0
        for batch in files.batches(path, form, most=most):
            parsed = parse(batch, columns, TextForm(form.decimal_comma, form.date_order))
            found = validate.rejections(parsed, columns, NEEDED.get(form.feed, ("subtotal", "currency")))
            rows = batch.column(ROW_COLUMN).to_pylist()
            refused += [str(Problem(name, rows[one.index], one.column, one.value, one.expected)) for one in found]
            bad = {one.index for one in found}
            lines += [{key: values[at] for key, values in parsed.columns.items()} for at in range(parsed.rows) if at not in bad]
            count += parsed.rows
        assert count == form.rows, "every line that was counted came"
    return Read(tuple(form for _, form in forms), lines, refused)
