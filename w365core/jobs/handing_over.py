"""How do our records get to the CRM or the ERP? As the files that `load` reads, whole or not at all: loading them here again changes nothing.

They are data and no spreadsheet: every value is exact, as it is stored. So nothing is put in front of a cell that a spreadsheet would run as a formula,
which would make another id of it; the ids of `load` and of providers do not begin so, and people get tables from the pages, where that is done.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, Row

from w365core import frames, money
from w365core.errors import CallRefused
from w365core.store import records_made
from w365core.store.engine import guarded


def export_records(engine: Engine, folder: Path, *, force: bool = False) -> dict[str, int]:
    """Writes the files into a new or empty folder, and returns how many rows each has. CallRefused where something is in it, unless `force` says to
    replace the files of these names; what else lies there stays."""
    if folder.exists() and not folder.is_dir():
        raise CallRefused(f"{folder} is a file; name a new or empty folder.")
    if not force and folder.is_dir() and any(folder.iterdir()):
        raise CallRefused(f"{folder} is not empty, and nothing was written; name a new folder, or replace the files in it with --force.")
    with guarded(), engine.connect() as connection:
        connection.exec_driver_sql("set transaction isolation level repeatable read, read only")
        found = {name: records_made.made_here(connection, name) for name in records_made.FILES}
    try:
        _write(folder, {name: _content(name, rows) for name, rows in found.items()})
    except OSError as error:
        raise CallRefused(f"Could not write to {folder}: {error.strerror}. Name a folder that can be written.") from None
    return {name: len(rows) for name, rows in found.items()}


def _content(name: str, rows: Sequence[Row]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in frames.RECORD_FILES[name].columns])
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue().encode("utf-8")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return money.plain(value) or ""
    return value.isoformat() if isinstance(value, date) else str(value)


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    """Beside the folder first, so that nobody reads half of it; a new or empty folder appears at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, content in contents.items():
            with (beside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        beside.chmod(0o755)
        if not folder.exists() or not any(folder.iterdir()):
            os.replace(beside, folder)
        else:
            for name in contents:
                os.replace(beside / name, folder / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
