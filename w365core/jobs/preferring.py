"""How is a setting of the installation changed? A door for pages and for the command line: checked, stored and said in the log in one transaction."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, Engine

from w365core import preferences
from w365core.errors import CallRefused
from w365core.jobs.permitting import acts
from w365core.preferences import BY_NAME, Expected, Form, Preference
from w365core.providers.addresses import Allowed, Hosts, objection
from w365core.store import preferences as store
from w365core.store.engine import guarded
from w365core.store.ledger import Who

__all__ = ["change", "clear", "named", "refuse_changed"]


@acts("set setting")
def change(engine: Engine, name: str, written: str, *, actor: str, now: datetime, seen: str | None = None) -> tuple[str, bool]:
    """Sets it; returns the value as it is stored, and whether that changed anything. CallRefused where it is no value of that setting, or where its value is
    no longer the one that was `seen`; left out, nothing is compared."""
    of = named(name)
    value = preferences.checked(of, written)
    if of.form is Form.ZONE and isinstance(value, str):
        value = _known_zone(value)
    if of.name == "webhook_url" and isinstance(value, str):
        value = _postable(value)
    if isinstance(value, Expected):
        raise CallRefused(f"{of.name} is {written.strip()[:60]!r}; expected: {value.sentence}.")
    with guarded(), engine.begin() as connection:
        store.one_by_one(connection)
        refuse_changed(connection, of, seen=seen, wanted=value)
        return value, store.save(connection, of, value, who=Who(actor, now))


@acts("set setting")
def clear(engine: Engine, name: str, *, actor: str, now: datetime, seen: str | None = None) -> tuple[str, bool]:
    """Back to its default; returns that, and whether anything changed. CallRefused where its value is no longer the one that was `seen`."""
    of = named(name)
    with guarded(), engine.begin() as connection:
        store.one_by_one(connection)
        refuse_changed(connection, of, seen=seen, wanted=of.default)
        return of.default, store.clear(connection, of, who=Who(actor, now))


def refuse_changed(connection: Connection, of: Preference, *, seen: str | None, wanted: str) -> None:
    """CallRefused where it is neither what was `seen` nor what is wanted, with who has set it; `seen` left out, nothing is compared."""
    stands = store.values(connection)[of.name]
    if seen is None or stands in (seen, wanted):
        return
    who = store.changed_by(connection, of.name) or "Somebody"
    raise CallRefused(
        f"{who} has set {of.name} to {stands or 'blank'} since you looked at it; nothing was changed. Look again, then decide."
    )


def named(name: str) -> Preference:
    """The setting of that name. CallRefused names those there are."""
    found = BY_NAME.get(name.strip().lower().replace("-", "_"))
    if found is None:
        raise CallRefused(f"There is no setting {name.strip()[:60]!r}; there are {', '.join(BY_NAME)}.")
    return found


def _postable(url: str) -> str | Expected:
    """Refused at once where no list of hosts would make it right; which hosts are listed may be set before or after."""
    host = re.sub(r"^[A-Za-z]+://|[:/?#].*$", "", url).lower()
    why = objection(url, within=Allowed(Hosts("the webhook", (host,)), loopback=True)) if url else ""
    return Expected(f"an https address with a host's name, or anything on this machine; {why}") if why else url


def _known_zone(name: str) -> str | Expected:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Expected(f"{Form.ZONE}; {name} is not known here")
