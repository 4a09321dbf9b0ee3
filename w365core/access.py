"""Who may do what? Roles, what every action and every address takes, and what is answered to anybody who may look at all.

    ACTIONS     what changes something, each with the least role that may do it
    ANSWERS     functions of the doors that change nothing
    ROUTES      the pages, and the addresses beside them: the least role, PUBLIC where none is needed
    DOWNLOADS   what leaves as a file

The person at the machine, who runs commands, holds the database and is asked for no role.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from w365core.errors import CallRefused


class Role(StrEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    APPROVER = "approver"
    ADMIN = "admin"

    def reaches(self, least: Role) -> bool:
        return list(Role).index(self) >= list(Role).index(least)


@dataclass(frozen=True)
class Person:
    """Somebody who has signed in. `subject` is who they are to the provider of identities and never changes; `name` is for reading only."""

    subject: str
    name: str


@dataclass(frozen=True)
class Action:
    """What changes something: the least role, and what it is in the middle of a sentence."""

    role: Role
    doing: str


class AccessRefused(CallRefused):
    """The person may not do that; nothing was changed."""


PUBLIC = None  # needs no role

_VIEWER, _ANALYST, _APPROVER, _ADMIN = Role

ACTIONS = {
    "sync": Action(_ANALYST, "syncing with a provider"),
    "test connection": Action(_ANALYST, "testing a connection"),
    "reconcile": Action(_ANALYST, "reconciling an invoice"),
    "look at files": Action(_ANALYST, "having files looked at"),
    "import files": Action(_ANALYST, "importing files"),
    "name columns": Action(_ANALYST, "naming the columns of a file"),
    "override tolerance": Action(_APPROVER, "letting a difference pass"),
    "take new version": Action(_APPROVER, "taking an invoice's new version"),
    "validate": Action(_ANALYST, "validating invoices again"),
    "cancel job": Action(_ANALYST, "taking back a job"),
    "supply references": Action(_ANALYST, "supplying references"),
    "activate invoice": Action(_APPROVER, "activating an invoice"),
    "deactivate invoice": Action(_APPROVER, "deactivating an invoice"),
    "delete invoice": Action(_APPROVER, "deleting an invoice"),
    "unlink usage": Action(_APPROVER, "taking usage off customer invoices"),
    "correct usage": Action(_ANALYST, "correcting usage"),
    "undo correction": Action(_ANALYST, "taking a correction back"),
    "bill": Action(_ANALYST, "making usage invoices"),
    "delete draft": Action(_ANALYST, "deleting a Draft"),
    "mark customer invoice": Action(_APPROVER, "moving a customer invoice on"),
    "decide differences": Action(_ANALYST, "deciding differences"),
    "mark differences": Action(_ANALYST, "assigning and noting differences"),
    "mend change logs": Action(_ANALYST, "mending change logs"),
    "sign off": Action(_APPROVER, "signing an invoice off"),
    "open again": Action(_APPROVER, "taking a sign-off back"),
    "set tolerance": Action(_ADMIN, "changing a tolerance policy"),
    "set setting": Action(_ADMIN, "changing a setting"),
    "set rate": Action(_APPROVER, "setting a currency's rate"),
    "set invoice date": Action(_APPROVER, "moving a contract's invoice date"),
    "dismiss job": Action(_ANALYST, "dismissing a job"),
    "send messages": Action(_APPROVER, "sending or discarding messages"),
    "edit templates": Action(_ADMIN, "changing what messages say"),
    "set role": Action(_ADMIN, "changing a person's role"),
}

ANSWERS = frozenset(
    {
        *("queue.plan", "queue.inbox", "queue.inbox_files", "queue.every_provider", "queue.is_look", "queue.watch", "queue.unfinished"),
        *("queue.recent", "queue.someone_works", "queue.providers"),
        *("naming.looked_at", "supplying.missing", "supplying.choices", "supplying.read", "tolerances.refuse_beyond"),
        *("invoicing.plans", "remaking.drafts_again", "invoicing.held_sentences", "remaking.has_drifted"),
        *("diagnosing.records", "diagnosing.diagnose", "diagnosing.lateness", "diagnosing.invoiced_late", "invoicing.foretold"),
        *("correcting.export", "correcting.rows", "correcting.preview_edits", "correcting.preview_rule"),
        *("correcting.receipts", "big_files.keep_warm"),
        *("reviewing.plan", "reviewing.sign_off_plan", "mending.check", "preferring.named"),
        *("peopling.all_of_them", "peopling.role_of", "peopling.is_fresh"),
        *("rates.standing", "scheduling.standings", "scheduling.named", "messaging.fields", "messaging.named", "messaging.preview"),
        "messaging.today",
    }
)
"""By module and function. Whoever is signed in and has a role may ask."""

INNER = frozenset(
    {
        *("correcting.correct_within", "remaking.correct_to_subscriptions", "peopling.came", "queue.ask_within", "scheduling.jobs_of"),
        "asking_again.retry",
        "preferring.refuse_changed",
    }
)
"""Steps of other doors that are handed an open transaction: whoever has that has been let in; what a sign-in itself notes; what asks through other
doors, where the rule of what is asked for holds."""

ROUTES = {
    "/healthz": PUBLIC,
    "/readyz": PUBLIC,
    "/metrics": PUBLIC,  # counts alone
    "": _VIEWER,  # the first page has no name of its own
    "invoices": _VIEWER,
    "missing-references": _VIEWER,
    "reconciliation": _VIEWER,
    "margin": _VIEWER,
    "change-logs": _VIEWER,
    "markup": _VIEWER,
    "usage-invoices": _VIEWER,
    "why": _VIEWER,
    "providers": _VIEWER,
    "tolerance": _VIEWER,
    "settings": _VIEWER,
    "jobs": _VIEWER,
    "messages": _VIEWER,
    "audit": _APPROVER,
    "people": _ADMIN,
}
"""A page by its name in the address, other addresses with a slash in front."""

DOWNLOADS = {
    "table": _VIEWER,
    "attachment": _VIEWER,
    "reconciliation": _VIEWER,
    "fixes": _ANALYST,
    "usage to edit": _ANALYST,
    "audit log": _APPROVER,
}


def refuse_action(name: str, role: Role | None) -> None:
    """AccessRefused where the role does not reach, in words."""
    action = ACTIONS[name]
    _refuse(role, action.role, f"{action.doing[0].upper()}{action.doing[1:]}", after="; nothing was done")


def refuse_route(path: str, role: Role | None) -> None:
    """The same for a page."""
    least = ROUTES[path]
    if least is not PUBLIC:
        _refuse(role, least, "This page")


def refuse_download(what: str, role: Role | None) -> None:
    """The same for a file."""
    _refuse(role, DOWNLOADS[what], "This file")


def _refuse(role: Role | None, least: Role, what: str, *, after: str = "") -> None:
    if role is None:
        raise AccessRefused(f"{what} takes the role {least}, and you have none here (any more){after}. Ask an admin for it.")
    if not role.reaches(least):
        raise AccessRefused(f"{what} takes the role {least}, and yours is {role}{after}. Ask somebody who has it, or an admin.")
