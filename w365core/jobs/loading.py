"""The `load` step: a folder of our record files into the database, all of it or nothing.

load(connection, folder) -> LoadResult      in the caller's transaction; the caller writes the audit row
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Connection

from w365core.errors import CallRefused, InputRefused
from w365core.frames import RECORD_FILES
from w365core.intake import records as intake
from w365core.intake.record_references import dangling, references
from w365core.reports import wording
from w365core.store import rates as store_rates, records as store

_MOST_NAMED = 5


@dataclass(frozen=True)
class LoadResult:
    """`tables`: by file, how many rows it has and how many were inserted, updated, unchanged. `rates`: those of currencies.csv, by code."""

    tables: dict[str, dict[str, int]]
    warnings: tuple[str, ...]
    rates: tuple[tuple[str, Decimal], ...] = ()


def load(connection: Connection, folder: Path) -> LoadResult:
    """Reads and stores the folder. CallRefused without a folder or a record file in it; InputRefused with every bad row up to 100."""
    records = intake.read_folder(_contents(folder))
    if records.bad_rows:
        raise InputRefused(_refusal(records), records.problems)
    known = store.known(connection, references(records))
    warnings = (*records.warnings, *dangling(records, known))
    tables, rates = store.load(connection, records), _rates(records)
    loaded = {file.name for file in records.files}
    if rates:
        warnings += _two_bases(store_rates.bases(connection))
    if loaded & {"subscriptions.csv", "subscription_aliases.csv"}:
        warnings += _of_several(store.ids_of_several(connection))
    if loaded & {"subscriptions.csv", "billing_contracts.csv"}:
        warnings += _of_others(store.billed_to_others(connection))
    return LoadResult(tables, warnings, rates)


def _of_several(found: Sequence[tuple[str, str, list[str]]]) -> tuple[str, ...]:
    if not found:
        return ()
    provider, printed, subscriptions = found[0]
    ids = "1 id of a provider stands" if len(found) == 1 else f"{len(found):,} ids of providers stand"
    return (
        f"subscriptions.csv, subscription_aliases.csv: {ids} for several subscriptions, and a line of an invoice can be of one alone (the first: {printed} of "
        f"{provider} is {' and '.join(subscriptions[:_MOST_NAMED])}). Ids compare in lower case; give each to one subscription.",
    )


def _of_others(found: Sequence[tuple[str, str, str, str]]) -> tuple[str, ...]:
    if not found:
        return ()
    subscription, own, contract, others = found[0]
    many = "1 subscription is" if len(found) == 1 else f"{len(found):,} subscriptions are"
    return (
        f"subscriptions.csv: {many} billed to another account by the contract (the first: {subscription} of {own} by contract {contract} of {others}). Where "
        "that is not meant, correct contract_id or account_id.",
    )


def _two_bases(codes: Sequence[str]) -> tuple[str, ...]:
    """A warning where several currencies claim to be the base currency."""
    if len(codes) < 2:
        return ()
    return (
        f"currencies.csv: {' and '.join(codes)} have the rate 1, which marks the base currency, and there is one; as it is they count as worth the same. "
        "Give the others their rate, such as 0.92; one that is worth as much has a rate such as 1.0000001.",
    )


def _rates(records: intake.Records) -> tuple[tuple[str, Decimal], ...]:
    """What the file of currencies says that they are worth now."""
    file = next((file for file in records.files if file.name == "currencies.csv"), None)
    if file is None or not {"code", "rate_to_base"} <= set(file.columns):
        return ()
    code, rate = file.columns.index("code"), file.columns.index("rate_to_base")
    return tuple((row[code], row[rate]) for row in file.rows)


def _contents(folder: Path) -> dict[str, bytes]:
    """The record files by name; of other CSV files the name alone, since they are only warned of."""
    if not folder.is_dir():
        raise CallRefused(f"There is no folder {folder}; name the folder that holds the record files, such as accounts.csv.")
    try:
        files = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(".csv") and path.is_file()]
        return {path.name: path.read_bytes() if path.name.lower() in RECORD_FILES else b"" for path in files}
    except OSError as error:
        raise CallRefused(
            f"Could not read {error.filename or folder}: {error.strerror}. Check that it may be read and load again."
        ) from None


def _refusal(records: intake.Records) -> str:
    files = ", ".join(file.name for file in records.files if file.bad_rows)
    named = f"the first {intake.MOST_BAD_ROWS} are" if records.bad_rows > intake.MOST_BAD_ROWS else "each is"
    return f"Nothing was loaded: {wording.counted(records.bad_rows, 'bad row')} in {files}; {named} named. Correct them and load the folder again."
