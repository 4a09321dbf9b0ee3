"""How does a file of a layout that nobody publishes become lines? Its columns are named, and it is written again as a plain file; both are kept.

    plain_sources(...)    the files in what was received, each as a plain file that landed; LayoutUnknown where a person has to name columns first
    shown(...), say(...)  what `provider map-columns` shows of a file, and what a person says of it

What an import reads is the plain file, so that a layout which is named otherwise later changes nothing that came in before. Columns that have no place
there stay beside the line, as printed.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from w365core import frames
from w365core.dates import DateOrder
from w365core.errors import CallRefused, InputRefused
from w365core.intake import csv_text, layouts
from w365core.intake.layouts import COLUMNS, Check, Checks, Layout
from w365core.intake.parse import TextForm, parse
from w365core.jobs.context import Context
from w365core.model import Feed, Problem, Provider, shortened
from w365core.providers import file_bytes, file_kinds, files
from w365core.providers.files import Wanted
from w365core.store import landing as store_landing, layouts as store_layouts
from w365core.store.landing import writing_to
from w365core.store.ledger import Source

OTHERS = "other_columns"  # where the cells stand that have no place in a plain file
_UTF16 = "utf-16"
SEPARATORS = (",", ";", "\t", "|")


class LayoutUnknown(InputRefused):
    """A person has to say which column is which; everything that was received is kept."""


@dataclass(frozen=True)
class Printed:
    """A file as it is printed: how its text is to be read, and its (distinct) headers."""

    source: file_bytes.Source
    encoding: str
    separator: str
    headers: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.source.name


@dataclass(frozen=True)
class Shown:
    """A file with its layout: the first lines as they would be read, and whether all of them hold together."""

    file: str
    layout: Layout
    remembered: bool
    preview: tuple[dict[str, Any], ...]
    checks: tuple[Check, ...]

    @property
    def importable(self) -> bool:
        return self.layout.complete and all(check.passed for check in self.checks if check.hard)


# --- from what was received to lines -------------------------------------------------------------------------------------------------------


def printed_in(path: Path, name: str) -> list[Printed]:
    """The file, or those in the archive. InputRefused where one is no text with a header."""
    return [_printed(source) for source in file_bytes.sources_of(path, name)]


def layout_of(context: Context, provider: Provider, printed: Printed) -> tuple[Layout, bool]:
    """The file's layout, and whether a person has said something of it."""
    told = _told(context, provider, printed)
    return layouts.layout_of(printed.headers, told.mapping), told.mapping is not None


def _told(context: Context, provider: Provider, printed: Printed) -> store_layouts.Told:
    with context.engine.connect() as connection:
        return store_layouts.remembered(connection, provider=provider.name, fingerprint=layouts.fingerprint(printed.headers))


def plain_sources(
    context: Context,
    provider: Provider,
    path: Path,
    *,
    name: str,
    invoice_number: str,
    sync_run_id: int | None,
    wanted: Wanted = Wanted(),
) -> list[Source]:
    """What the received file holds, each as a plain file in the landing. `wanted` is what is known of how it is written; the order of dates that was said with the
    columns holds where it says none. LayoutUnknown says what is still to be named, InputRefused what is broken."""
    read = [(printed, _told(context, provider, printed)) for printed in printed_in(path, name)]
    found = [(printed, layouts.layout_of(printed.headers, told.mapping), told.date_order) for printed, told in read]
    for printed, layout, _ in found:
        if not layout.complete:
            raise _unknown(provider, printed, layout, invoice_number)
    return [
        _landed(
            context,
            provider,
            printed,
            layout,
            invoice_number=invoice_number,
            sync_run_id=sync_run_id,
            wanted=replace(wanted, date_order=wanted.date_order or date_order),
        )
        for printed, layout, date_order in found
    ]


def by_hand(context: Context, provider: Provider, path: Path, **told: Any) -> list[Source] | None:
    """The same for a file that a person handed in, kept as it is; None where it is no file of headers to be named, or one that is known without."""
    try:
        found = printed_in(path, told["name"])
    except (InputRefused, CallRefused):
        return None  # recognising it says what is wrong with it
    if not any(layout_of(context, provider, printed)[1] for printed in found):
        with suppress(InputRefused):
            files.forms_of(path, name=told["name"])
            return None
    with context.landing.aside() as copy:
        with writing_to(context.landing.folder):
            shutil.copyfile(path, copy)
        fingerprint, size = context.landing.adopt(copy)
    store_landing.record_file(
        context.engine,
        fingerprint=fingerprint,
        size=size,
        name=told["name"],
        provider=provider.name,
        sync_run_id=told["sync_run_id"],
        invoice_number=told["invoice_number"],
        purpose=store_layouts.AS_RECEIVED,
        at=context.now,
        method="FILE",
    )
    return plain_sources(context, provider, context.landing.path(fingerprint), **told)


def _landed(
    context: Context,
    provider: Provider,
    printed: Printed,
    layout: Layout,
    *,
    invoice_number: str,
    sync_run_id: int | None,
    wanted: Wanted,
) -> Source:
    with context.landing.aside() as aside:
        with writing_to(context.landing.folder):
            translate(printed, layout, aside)
        ((_, form),) = files.forms_of(aside, wanted, name=printed.name)
        assert form.feed is Feed.PLAIN, "a file in the columns of a plain file is one"
        fingerprint, size = context.landing.adopt(aside)
    store_landing.record_file(
        context.engine,
        fingerprint=fingerprint,
        size=size,
        name=printed.name,
        provider=provider.name,
        sync_run_id=sync_run_id,
        invoice_number=invoice_number,
        purpose=Feed.PLAIN,
        at=context.now,
        method="FILE",
    )
    return Source(Feed.PLAIN, printed.name, fingerprint, form.as_dict())


def translate(printed: Printed, layout: Layout, to: Path) -> None:
    """Writes the file again in the columns of a plain file, row by row, no cell changed. InputRefused names a row of another length."""
    places = {column: printed.headers.index(header) for header, column in layout.columns.items()}
    others = [(place, header) for place, header in enumerate(printed.headers) if header not in layout.columns]
    constant = [layout.currency] if layout.currency else []
    width = len(printed.headers)
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        rows = _rows(printed)
        next(rows, None)
        writer.writerow([*places, *(["currency"] if constant else []), *([OTHERS] if others else [])])
        for row, cells in rows:
            if len(cells) != width:
                raise file_bytes.refused(printed.name, f"{width} cells as in the header, not {len(cells)}", row=row)
            beside = {header: cells[place] for place, header in others if cells[place].strip()}
            kept = [json.dumps(beside, ensure_ascii=False) if beside else ""] if others else []
            writer.writerow([*(cells[place] for place in places.values()), *constant, *kept])


def first_currency(context: Context, source: Source) -> str:
    """The currency of its first line; blank without one."""
    form = files.FileForm.from_dict(dict(source.form or {}))
    batch = next(files.batches(context.landing.path(source.fingerprint), form, most=1), None)
    if batch is None:
        return ""
    return str(parse(batch, frames.PLAIN).columns["currency"][0] or "").strip().upper()


def _unknown(provider: Provider, printed: Printed, layout: Layout, invoice_number: str) -> LayoutUnknown:
    headers = shortened(", ".join(printed.headers), 1000)
    expected = f"columns that are known: {layout.lacking}"
    return LayoutUnknown(
        f"The columns of {printed.name} are not known yet: {layout.lacking}. Its headers are: {headers}. Say which is which with "
        f'`python -m w365core provider map-columns {provider.name} --invoice {invoice_number} --set "Their Header=subtotal"`, then try again.',
        [Problem(printed.name, 1, None, headers, expected)],
    )


# --- reading what is printed ---------------------------------------------------------------------------------------------------------------


def _printed(source: file_bytes.Source) -> Printed:
    if file_kinds.layout_of(source.name, file_bytes.beginning(source)) != files.CSV:
        raise file_bytes.refused(source.name, "a CSV file with a header, but it is JSON")
    encoding = _encoding(source)
    first = next((line for line in _lines(source, encoding) if frames.folded(line)), "")
    separator = max(SEPARATORS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    _, header = next(_rows(Printed(source, encoding, separator, ())), (1, None))
    if header is None:
        raise file_bytes.refused(source.name, "a CSV file with a header, but it is blank")
    return Printed(source, encoding, separator, _distinct(header))


def _encoding(source: file_bytes.Source) -> str:
    if file_bytes.beginning(source, 2) in csv_text.UTF16_MARKS:
        return _UTF16
    try:
        for line in file_bytes.byte_lines(source):
            if not line.isascii():
                line.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _lines(source: file_bytes.Source, encoding: str) -> Iterator[str]:
    if encoding == _UTF16:
        try:
            for block in file_bytes.text_blocks(source, encoding):
                yield from io.StringIO(block, newline="")
        except file_bytes.NotThisEncoding as error:
            raise file_bytes.refused(source.name, "text in UTF-16 to its end", row=error.args[0]) from None
        return
    for number, line in enumerate(file_bytes.byte_lines(source), 1):
        if b"\0" in line:
            raise file_bytes.refused(source.name, "text without NUL bytes", row=number)
        try:
            yield from io.StringIO(line.decode(encoding), newline="")
        except UnicodeDecodeError:
            raise file_bytes.refused(source.name, "text in UTF-8", row=number) from None


def _rows(printed: Printed) -> Iterator[tuple[int, list[str]]]:
    """(row as a spreadsheet counts, cells); blank rows are passed over."""
    lines = _lines(printed.source, printed.encoding)
    for number, row in enumerate(csv_text.rows(lines, name=printed.name, separator=printed.separator), 1):
        if isinstance(row, Problem):
            raise InputRefused(f"{row}; nothing was imported.", [row])
        if not csv_text.is_blank(row[1]):
            yield number, row[1]


def _distinct(header: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = []
    for position, printed in enumerate(header, 1):
        name = printed.strip() or f"column {position}"
        names.append(f"{name} ({position})" if name in names else name)
    return tuple(names)


# --- what a person sees and says -----------------------------------------------------------------------------------------------------------


def received_for(context: Context, provider: Provider, invoice_number: str) -> list[Printed]:
    """The files of an invoice as received, those first whose columns are not known. CallRefused where there are none."""
    with context.engine.connect() as connection:
        received = store_layouts.files_received(connection, provider=provider.name, invoice_number=invoice_number)
    found = [printed for file in received for printed in printed_in(context.landing.path(file.fingerprint), file.name)]
    if not found:
        raise CallRefused(f"No file of invoice {invoice_number} of {provider.name} was received yet; sync it first, or name a file.")
    return sorted(found, key=lambda printed: layout_of(context, provider, printed)[0].complete)


def shown(
    context: Context,
    provider: Provider,
    printed: Printed,
    *,
    said: Mapping[str, str] | None = None,
    most: int = 3,
    date_order: DateOrder | None = None,
) -> Shown:
    """The file as it would be read, with `said` on top of what was said before. CallRefused for a header or a column that is not there."""
    told = _told(context, provider, printed)
    before, date_order = told.mapping, date_order or told.date_order
    layout = layouts.layout_of(printed.headers, _merged(printed, before or {}, said or {}))
    if not layout.complete:
        rows = _rows(printed)
        next(rows, None)
        preview = [
            dict(zip(printed.headers, cells, strict=False)) for _, cells in zip(range(most), (cells for _, cells in rows), strict=False)
        ]
        return Shown(printed.name, layout, before is not None, tuple(preview), ())
    with context.landing.aside() as aside:
        translate(printed, layout, aside)
        preview, checks = _read(aside, printed.name, most=most, date_order=date_order)
    return Shown(printed.name, layout, before is not None, preview, checks)


def say(context: Context, provider: Provider, printed: Printed, said: Mapping[str, str], *, date_order: DateOrder | None = None) -> Shown:
    """Remembers what the columns are, where lines can be read so. CallRefused where they cannot: nothing is remembered then."""
    found = shown(context, provider, printed, said=said, date_order=date_order)
    if not found.layout.complete:
        raise CallRefused(f"{printed.name} cannot be read so: {found.layout.lacking}. Nothing was remembered.")
    failed = [check.said for check in found.checks if check.hard and not check.passed]
    if failed:
        raise CallRefused(f"{printed.name} cannot be read so: {' '.join(failed)}. Nothing was remembered.")
    mark = layouts.fingerprint(printed.headers)
    with context.engine.begin() as connection:
        before = store_layouts.remembered(connection, provider=provider.name, fingerprint=mark)
        told = store_layouts.Told(_merged(printed, before.mapping or {}, said), date_order or before.date_order)
        if told != before:
            store_layouts.remember(connection, provider=provider.name, fingerprint=mark, told=told, who=context.who)
    return replace(found, remembered=True)


def _merged(printed: Printed, before: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """What was said before and what is said now, by the headers of this file; a column goes to the header that was named for it last."""
    merged = {found[0]: column for header, column in before.items() if len(found := layouts.headers_named(printed.headers, header)) == 1}
    for header, column in said.items():
        found = layouts.headers_named(printed.headers, header)
        if len(found) != 1:
            problem = "has no column" if not found else f"has {len(found)} columns like"
            raise CallRefused(f"{printed.name} {problem} {header!r}. Its headers are: {', '.join(printed.headers)}.")
        if column and column not in COLUMNS:
            raise CallRefused(f"{column!r} is no column of a plain file. There are {', '.join(COLUMNS)}; leave it blank for none.")
        merged = {other: kept for other, kept in merged.items() if not column or kept != column}
        merged[found[0]] = column
    return merged


def _read(path: Path, name: str, *, most: int, date_order: DateOrder | None) -> tuple[tuple[dict[str, Any], ...], tuple[Check, ...]]:
    """The first lines, and what holds of all. A file that cannot be read at all fails the first check."""
    checks, preview = Checks(), []
    try:
        form = files.inspect(path, name=name, date_order=date_order)
    except InputRefused as refusal:
        return (), (Check("every cell can be read", False, str(refusal.problems[0] if refusal.problems else refusal)),)
    for batch in files.batches(path, form, name=name):
        parsed = parse(batch, frames.PLAIN, TextForm(decimal_comma=form.decimal_comma, date_order=form.date_order))
        for index in range(min(most - len(preview), parsed.rows)):
            preview.append({column.header: parsed.columns[column.name][index] for column in frames.PLAIN})
        checks.add(parsed, batch.column(files.ROW).to_pylist())
    return tuple(preview), tuple(checks.results())
