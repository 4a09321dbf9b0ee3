"""How is what was typed read? Options that several commands share, and amounts, days, months and codes in words people can mend."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

import typer

from w365core import money, printing, settings as w365settings
from w365core.dates import DateOrder
from w365core.errors import CallRefused

_MONTH = re.compile(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
ProviderName = Annotated[str | None, typer.Option("--provider", help="The provider's name.")]
InvoiceNumber = Annotated[str | None, typer.Option("--invoice", help="The invoice's number.")]
Override = Annotated[str | None, typer.Option("--override-tolerance", help="Let a difference of this size pass, for this import only.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why it is overridden; stands in the log and on the invoice.")]


def opened():
    """What every command works with: settings, store, clock, progress on standard error."""
    from w365core.jobs.context import open_context

    return open_context(w365settings.read(), report=printing.progress)


def amount(text: str | None, option: str, *, least: Decimal | None = None) -> Decimal | None:
    if text is None:
        return None
    number = money.readable(text.strip())
    if number is None or (least is not None and number < least):
        raise CallRefused(
            f"{option} is {text!r}; write a number{f' of at least {least}' if least is not None else ''} with a point, such as 1330 or 0.05."
        )
    return number


def reason(text: str | None, override: Decimal | None) -> str | None:
    """Why it is overridden, in one line; blank is none."""
    said = " ".join((text or "").split())
    if said and override is None:
        raise CallRefused("--reason is for an override: say how much with --override-tolerance N.")
    return said or None


def header_and_column(text: str) -> tuple[str, str]:
    """ "Their Header=subtotal": a header may hold = itself, a column never does."""
    header, equals, column = text.rpartition("=")
    if not equals or not header.strip():
        raise CallRefused(f'--set is {text!r}; write it as "Their Header=subtotal".')
    return header.strip(), column.strip().lower()


def day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise CallRefused(f"{option} is {text!r}; write it as 2026-11-30.") from None


def month(text: str | None) -> None:
    """Refuses a period that is no month."""
    if text is not None and not _MONTH.fullmatch(text):
        raise CallRefused(f"--period is {text!r}; write a month as YYYY-MM, such as 2026-11.")


def currency(text: str | None) -> str | None:
    if text is not None and not (len(text.strip()) == 3 and text.strip().isalpha()):
        raise CallRefused(f"--currency is {text!r}; write a code of three letters, such as EUR.")
    return text.strip().upper() if text else None


def decimal_comma(text: str | None) -> bool | None:
    if text is None:
        return None
    if text.lower() not in ("point", "comma"):
        raise CallRefused(f"--decimal is {text!r}; write point (1.234 is little more than one) or comma (it is one thousand two hundred).")
    return text.lower() == "comma"


def order(text: str | None) -> DateOrder | None:
    if text is None:
        return None
    said = text.upper().replace("/", "").replace("-", "").replace("YYYY", "Y")
    if said not in tuple(DateOrder):
        raise CallRefused(f"--date-order is {text!r}; write MDY (11/3/2026 is 3 November) or DMY (it is 11 March).")
    return DateOrder(said)
