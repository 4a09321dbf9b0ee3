"""Which difference may be overridden, by whom is it said, and until when? The limits of a provider and currency, and what they allow.

Money here is in the invoice's currency. Every limit is inclusive. A policy holds up to and on its last day; after it the default applies again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from w365core import money

ONE_CLICK = Decimal("0.50")
DROP_PERCENT = Decimal(50)


class Allowed(StrEnum):
    """What an override takes."""

    ONE_CLICK = "one click"
    REASON = "needs a reason"
    REFUSED = "refused"


@dataclass(frozen=True)
class Policy:
    """The limits. Where an amount and a per cent of the header are both given, both have to hold. `most_…`: above it no override passes."""

    provider: str
    currency: str
    one_click_amount: Decimal = ONE_CLICK
    one_click_percent: Decimal | None = None
    most_amount: Decimal | None = None
    most_percent: Decimal | None = None
    drop_percent: Decimal | None = None
    owner: str = ""
    reason: str = ""
    expires_on: date | None = None

    def has_expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.expires_on is not None and today > self.expires_on


@dataclass(frozen=True)
class Ruling:
    """What an override takes, and the sentence that says why."""

    allowed: Allowed
    sentence: str


def default(provider: str, currency: str) -> Policy:
    """What holds where nobody has said anything."""
    return Policy(provider, currency)


def in_force(policy: Policy | None, *, provider: str, currency: str, today: date) -> Policy:
    """The policy while it holds, else the default."""
    return default(provider, currency) if policy is None or policy.has_expired(today) else policy


def may_override(policy: Policy, *, difference: Decimal, header: Decimal | None, override: Decimal | None = None) -> Ruling:
    """What it takes to let this difference pass. `override` is what would be asked for: without it the whole number that lets it pass."""
    asked = money.override_for(difference) if override is None else override
    whose = f"{policy.provider} in {policy.currency}"
    if (over := _exceeded(asked, policy.most_amount, policy.most_percent, header, policy.currency)) is not None:
        until = f" (it holds until {policy.expires_on.isoformat()})" if policy.expires_on else ""
        return Ruling(
            Allowed.REFUSED,
            f"An override of {money.plain(asked)} {policy.currency} is more than {over}, the most that the policy of {whose} lets pass{until}. "
            f"{policy.owner or 'Its owner'} can change it: `policy set {policy.provider} {policy.currency} --most AMOUNT`, or the page Tolerance.",
        )
    if _exceeded(difference, policy.one_click_amount, policy.one_click_percent, header, policy.currency) is None:
        return Ruling(
            Allowed.ONE_CLICK, f"{money.plain(difference.copy_abs())} {policy.currency} is within what {whose} lets pass with one click."
        )
    limit = f"{money.plain(policy.one_click_amount)} {policy.currency}"
    if policy.one_click_percent is not None:
        limit += f" and {money.plain(policy.one_click_percent)} % of the header"
    return Ruling(Allowed.REASON, f"Above {limit} an override of {whose} needs a reason.")


def _exceeded(amount: Decimal, limit: Decimal | None, percent: Decimal | None, header: Decimal | None, currency: str) -> str | None:
    """The limit that the amount is above, in words; None where it keeps to all that are given. A per cent of no header limits nothing."""
    size = amount.copy_abs()
    if limit is not None and size > limit:
        return f"{money.plain(limit)} {currency}"
    if percent is not None and header is not None:
        of_header = money.EXACT.divide(money.EXACT.multiply(header.copy_abs(), percent), money.HUNDRED)
        if size > of_header:
            return f"{money.plain(percent)} % of the header ({money.plain(money.trimmed(of_header, least=2))} {currency})"
    return None
