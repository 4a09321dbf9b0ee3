"""How the estate's files are written: the same bytes each time, and the provider's habits of spelling."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from making.documents import Document
from making.world import guid, random

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_CAMEL = {"Tier2MpnId": "resellerMpnId", "Unit": "unitOfMeasure", "ResourceURI": "resourceUri", "PCToBCExchangeRate": "pcToBCExchangeRate"}
_CAMEL["PCToBCExchangeRateDate"] = "pcToBCExchangeRateDate"
_LINES_PER_BLOB = 900


def write_json(path: Path, content: dict[str, object] | list[dict[str, object]]) -> None:
    """A line an item, so that a difference between two versions can be read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _ENCODER.encode(content) if isinstance(content, dict) else b"[" + b",\n".join(_ENCODER.encode(one) for one in content) + b"]"
    path.write_bytes(text + b"\n")


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    """A CSV file; None is blank, truth is true or false."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)


def write_exports(folder: Path, document: Document) -> None:
    """The blobs of both feeds; a feed without lines has none."""
    for feed, lines in (("reconciliation", document.reconciliation), ("usage", document.usage)):
        for name, part in _parts(document, feed, lines, version=folder.name):
            path = folder / feed / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(b"".join(_ENCODER.encode(line) + b"\n" for line in part), compresslevel=9, mtime=0))


def _parts(
    document: Document, feed: str, lines: tuple[dict[str, object], ...], *, version: str
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    habit = random(f"habit {document.month} {document.currency} {document.series} {feed}")
    camel, texts, upper = habit.random() < 0.5, habit.random() < 0.4, habit.random() < 0.5
    spelled = [_spelled(line, camel=camel, texts=texts, upper=upper) for line in lines]
    for part, start in enumerate(range(0, len(spelled), _LINES_PER_BLOB)):
        yield f"part-{part:05}-{guid(f'blob {version} {feed} {part}')}.c000.json.gz", spelled[start : start + _LINES_PER_BLOB]


def _spelled(line: dict[str, object], *, camel: bool, texts: bool, upper: bool) -> dict[str, object]:
    """Some exports write PascalCase and some camelCase, amounts as numbers or texts, customer and subscription ids in either case."""
    made = {}
    for name, value in line.items():
        if upper and name in ("CustomerId", "SubscriptionId", "EntitlementId"):
            value = str(value).upper()
        if texts and isinstance(value, Decimal):
            value = format(value, "f")
        elif not texts and name in ("SubscriptionStartDate", "SubscriptionEndDate") and not value:
            value = None
        made[_CAMEL.get(name, name[0].lower() + name[1:]) if camel else name] = value
    return made


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else str(value)
