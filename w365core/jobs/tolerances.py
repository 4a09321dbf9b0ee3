"""How are tolerance policies shown, set and kept to? A door for pages and for the command line; no connector stands behind it.

set_policy, remove_policy     changes what holds for a provider and currency, said in the log
refuse_beyond                 holds an override against the policy before anything begins
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from types import EllipsisType

from sqlalchemy import Connection, Engine

from w365core import money, tolerance
from w365core.errors import CallRefused
from w365core.jobs.permitting import acts
from w365core.store import policies, providers
from w365core.store.engine import guarded
from w365core.store.ledger import Who
from w365core.tolerance import Allowed, Policy

__all__ = ["Policy", "refuse_beyond", "remove_policy", "set_policy"]

_LONGEST = 500


@acts("set tolerance")
def set_policy(
    engine: Engine, policy: Policy, *, actor: str, now: datetime, seen: Policy | None | EllipsisType = ...
) -> tuple[Policy, bool]:
    """Sets a policy; returns it as it is stored and whether that changed anything. CallRefused where it makes no sense, or where it is no longer `seen`,
    the policy as the person saw it (None: there was none); left out, nothing is compared."""
    with guarded(), engine.begin() as connection:
        policies.one_by_one(connection)
        known = providers.named(connection, policy.provider).name
        checked = _checked(
            replace(
                policy, provider=known, currency=policy.currency.strip().upper(), owner=policy.owner.strip(), reason=policy.reason.strip()
            ),
            now.date(),
        )
        _refuse_other(connection, policies.find(connection, known, checked.currency), seen, checked)
        return checked, policies.save(connection, checked, who=Who(actor, now))


@acts("set tolerance")
def remove_policy(
    engine: Engine, provider: str, currency: str, *, actor: str, now: datetime, seen: Policy | None | EllipsisType = ...
) -> Policy:
    """Takes a policy away; the default holds again. CallRefused where there is none, or where it is no longer `seen`."""
    with guarded(), engine.begin() as connection:
        policies.one_by_one(connection)
        found = policies.find(connection, provider, currency)
        if found is None:
            raise CallRefused(f"There is no policy for {provider} in {currency.upper()}; `policy list` shows those there are.")
        _refuse_other(connection, found, seen, None)
        policies.remove(connection, found, who=Who(actor, now))
        return found


def refuse_beyond(
    connection: Connection, *, provider: str, currency: str, override: Decimal | None, header_total: Decimal | None, today: date
) -> None:
    """CallRefused where a policy in force sets a limit that the override is above; says how to change it."""
    policy = policies.find(connection, provider, currency)
    if override is None or policy is None or policy.has_expired(today):
        return
    ruling = tolerance.may_override(policy, difference=override, header=header_total, override=override)
    if ruling.allowed is Allowed.REFUSED:
        raise CallRefused(f"{ruling.sentence} Nothing was imported.")


def _refuse_other(connection: Connection, stands: Policy | None, seen: Policy | None | EllipsisType, wanted: Policy | None) -> None:
    """CallRefused, with who it was, where somebody has changed it since; what is to be there already is no conflict."""
    if seen is ... or stands in (seen, wanted):
        return
    who = policies.changed_by(connection, stands or seen) or "Somebody"
    if stands is None:
        raise CallRefused(f"{who} has removed this policy since you looked at it; nothing was changed. Look again, then decide.")
    limits = f"one click up to {money.plain(stands.one_click_amount)} {stands.currency}, owner {stands.owner}, because: {stands.reason}"
    raise CallRefused(f"{who} has set this policy since you looked at it ({limits}); nothing was changed. Look again, then decide.")


def _checked(policy: Policy, today: date) -> Policy:
    if not (len(policy.currency) == 3 and policy.currency.isascii() and policy.currency.isalpha()):
        raise CallRefused(f"The currency is {policy.currency!r}; write a code of three letters, such as EUR.")
    if not policy.owner or not policy.reason:
        raise CallRefused("Say who owns the policy and why it is so: an owner and a reason are needed.")
    if max(len(policy.owner), len(policy.reason)) > _LONGEST or not (policy.owner + policy.reason).isprintable():
        raise CallRefused(f"The owner and the reason are plain text of at most {_LONGEST} characters.")
    amounts = {"one click": policy.one_click_amount, "the most": policy.most_amount}
    percents = {"one click": policy.one_click_percent, "the most": policy.most_percent, "the drop": policy.drop_percent}
    for what, number in (*amounts.items(), *percents.items()):
        if number is not None and (not money.is_plausible(number) or number < 0):
            raise CallRefused(f"The limit for {what} is {number}; write a number of at least 0.")
    if any(percent is not None and percent > money.HUNDRED for percent in percents.values()):
        raise CallRefused("A limit in per cent is at most 100.")
    if policy.most_amount is not None and policy.most_amount < policy.one_click_amount:
        raise CallRefused(
            f"The most, {money.plain(policy.most_amount)}, is less than what passes with one click, {money.plain(policy.one_click_amount)}."
        )
    if policy.has_expired(today):
        raise CallRefused(
            f"The policy would have expired already: its last day is {policy.expires_on.isoformat()}, today is {today.isoformat()}."
        )
    return policy
