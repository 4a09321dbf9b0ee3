"""What does a field of Partner Center say? Numbers as numbers or texts, dates in a dozen forms, blanks in several spellings.

0001-01-01 is no date, and an end in the year 9999 is no end: both are None. What cannot be read is named with the thing it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from w365core.dates import utc_moment_of
from w365core.errors import ProviderChanged
from w365core.model import shortened
from w365core.money import is_plausible, readable

_BLANK = frozenset({"", "null", "(null)", "none", "n/a"})
_NO_END = 9999


def text(item: Mapping[str, Any], *names: str) -> str | None:
    """The first of these fields that says something, as text."""
    for name in names:
        said = item.get(name)
        if isinstance(said, str | int | Decimal) and not isinstance(said, bool) and str(said).strip().lower() not in _BLANK:
            return str(said).strip()
    return None


def number(item: Mapping[str, Any], name: str, *, of: str) -> Decimal | None:
    """The number, None where there is none. ProviderChanged where it is no number."""
    said = item.get(name)
    if said is None or (isinstance(said, str) and said.strip().lower() in _BLANK):
        return None
    found = as_number(said)
    if found is None:
        raise ProviderChanged(f"`{name}` of {of} is {shortened(repr(said))}, which is no number. Report it with the landed answer.")
    return found


def as_number(said: Any) -> Decimal | None:
    """25, 25.0 and "25" alike; None for everything else."""
    if isinstance(said, bool):
        return None
    if isinstance(said, str):
        said = readable(said.strip())
    found = Decimal(said) if isinstance(said, int) else said
    return found if isinstance(found, Decimal) and is_plausible(found) else None


def moment(item: Mapping[str, Any], *names: str, of: str) -> datetime | None:
    """The first of these fields that is filled, in UTC. ProviderChanged where it is no date."""
    for name in names:
        said = item.get(name)
        if said is None or (isinstance(said, str) and said.strip().lower() in _BLANK):
            continue
        try:
            found = as_moment(said)
        except ValueError:
            raise ProviderChanged(
                f"`{name}` of {of} is {shortened(repr(said))}, which is no date. Report it with the landed answer."
            ) from None
        return found
    return None


def as_moment(said: Any) -> datetime | None:
    """The moment in UTC; None for no date and for no end. ValueError where it is none."""
    printed = str(said).strip()
    if printed.startswith(str(_NO_END)):
        return None
    try:
        found = utc_moment_of(printed)
    except OverflowError:
        raise ValueError(f"{printed!r} is beyond the calendar") from None
    return None if found is None or found.year >= _NO_END else found


def flag(item: Mapping[str, Any], name: str) -> bool | None:
    """True, false, or neither."""
    said = item.get(name)
    if isinstance(said, str):
        return {"true": True, "false": False}.get(said.strip().lower())
    return said if isinstance(said, bool) else None


def inside(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object of that name, empty where there is none."""
    said = item.get(name)
    return said if isinstance(said, dict) else {}


def several(item: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects of the list of that name."""
    said = item.get(name)
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []


def unpacked(said: Any) -> dict[str, Any]:
    """The object in a text of JSON, its names in lower case all the way down; empty where it is none."""
    if isinstance(said, str):
        try:
            said = json.loads(said, parse_float=Decimal)
        except (ValueError, RecursionError):
            return {}
    return folded(said) if isinstance(said, dict) else {}


def folded(said: Any) -> Any:
    """The same with the names of all objects in lower case."""
    if isinstance(said, dict):
        return {str(name).lower(): folded(value) for name, value in said.items()}
    return [folded(one) for one in said] if isinstance(said, list) else said
