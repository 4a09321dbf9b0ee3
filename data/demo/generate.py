"""Writes the demo estate again, byte for byte the same lines: `python data/demo/generate.py [--to FOLDER]`.

What is invented stands in making/world.py and making/stories.py, how it is charged in making/seats.py and making/azure.py,
which document it comes on in making/documents.py, and our side of it in making/records.py.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from making import documents, partner, records, streamone
from making.writing import write_exports, write_json, write_table

HERE = Path(__file__).parent


def generate(to: Path) -> None:
    """Replaces partner_center/, streamone/, records/ and files/ of the folder."""
    for part in ("partner_center", "streamone", "records", "files"):
        shutil.rmtree(to / part, ignore_errors=True)
    write_json(to / "estate.json", partner.estate())
    issued = documents.issued()
    write_json(to / "partner_center" / "invoices.json", documents.headers(issued))
    for document in issued:
        write_exports(to / "partner_center" / "exports" / document.number, document)
    for document in documents.unbilled():
        write_exports(to / "partner_center" / "exports" / document.number, document)
    later = documents.changed()
    write_json(to / "partner_center" / f"invoices@{documents.CHANGED_ON}.json", documents.headers((later,)))
    write_exports(to / "partner_center" / "exports" / f"{later.number}@{documents.CHANGED_ON}", later)
    for path, content in partner.files():
        write_json(to / "partner_center" / path, content)
    write_json(to / "streamone" / "invoices.json", streamone.invoices())
    for name, listed in streamone.lists():
        write_json(to / "streamone" / f"{name}.json", listed)
    for path, rows in streamone.files():
        write_table(to / "streamone" / "files" / path, rows)
    for name, rows in records.tables(issued):
        write_table(to / "records" / name, rows)
    for month, number in documents.MANUAL_INVOICES.items():
        write_table(to / "files" / documents.manual_name(number), documents.manual_lines(month))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--to", type=Path, default=HERE)
    generate(arguments.parse_args().to)
