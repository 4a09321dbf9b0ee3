"""What would resolve a missing reference? A sentence to act on; nothing is applied by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from w365core.model import MissingReference, ReferenceKind

Account = tuple[str, str | None, str | None]  # account id, name, domain


def with_suggestions(missing: Sequence[MissingReference], *, provider: str, accounts: Sequence[Account]) -> list[MissingReference]:
    """The same references, each with its suggested fix. Before, `suggestion` holds the customer's domain as the lines print it."""
    return [replace(reference, suggestion=_suggestion(reference, provider, accounts)) for reference in missing]


def _suggestion(reference: MissingReference, provider: str, accounts: Sequence[Account]) -> str:
    if reference.kind is ReferenceKind.CUSTOMER:
        match = _account_of(reference, accounts)
        if match:
            return f"Map it to account {match[0]} ({match[1] or match[0]}), which has the same {match[2]}: {_mapping(provider, reference, match[0])}"
        return f"Map it to the account it belongs to: {_mapping(provider, reference, 'ACCOUNT_ID')}"
    if reference.kind is ReferenceKind.SUBSCRIPTION:
        return "Add it to subscriptions.csv; an old id goes under a manual provider, a second id of one subscription into subscription_aliases.csv."
    if reference.kind is ReferenceKind.CURRENCY:
        return f"Add {reference.key} with its rate to currencies.csv; an invoice holds lines of its own currency only."
    return f"Add {reference.key} to products.csv, or choose the subscription's product; until then its lines are billed as write-ins."


def _mapping(provider: str, reference: MissingReference, account_id: str) -> str:
    return f"map-account --provider {provider} --provider-account-id {reference.key} --account {account_id}"


def _account_of(reference: MissingReference, accounts: Sequence[Account]) -> tuple[str, str | None, str] | None:
    """The one account of the same domain, else the one of the same name; none where there are several."""
    domain, name = reference.suggestion.lower(), (reference.name or "").lower()
    for wanted, place, said in ((domain, 2, "domain"), (name, 1, "name")):
        same = [account for account in accounts if wanted and (account[place] or "").lower() == wanted]
        if len(same) == 1:
            return same[0][0], same[0][1], said
    return None
