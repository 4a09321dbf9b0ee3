"""Which messages are there, when is each sent, and which facts does it have? One list serves commands, page and jobs.

A kind is switched on and off by the setting `message_` and its name. `example` has every field that its templates may name, with made-up values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from w365core.messages import defaults
from w365core.messages.rendering import Facts, Template


@dataclass(frozen=True)
class Kind:
    """A kind of message; `sent` says when, as people read it."""

    name: str
    title: str
    sent: str
    default: Template
    example: Facts

    @property
    def setting(self) -> str:
        """The setting that switches it on and off."""
        return f"message_{self.name}"


def _invoice(
    number: str, amount: str, sentence: str, todo: str, *, timing: str = "", is_new: bool = False, status: str = "Error"
) -> dict[str, Any]:
    total, currency = amount.replace(",", "").split()
    return {
        "number": number,
        "provider": "csp-example",
        "type": "recurring",
        "date": "8 Nov 2026",
        "amount": amount,
        "total": total,
        "currency": currency,
        "lines": "1,204",
        "status": status,
        "sentence": sentence,
        "todo": todo,
        "command": f"python -m w365core sync --provider csp-example --invoice {number}",
        "timing": timing,
        "is_new": is_new,
        "link": "https://w365.example/?invoice=17",
    }


_IN = _invoice("G0000001", "12,345.60 EUR", "It adds up to its header and resolves to our records.", "", status="Active")
_FAILED = _invoice(
    "G0000002",
    "8,100.00 EUR",
    "3 customers are in nobody's records: Contoso & Sons, O'Brien <Dublin>, Müller GmbH.",
    "See what is missing and the suggested fix, add that, then sync it again.",
    timing="The daily job tries again until 23 Nov 2026, 11 days left.",
    is_new=True,
)
_CHANGED = _invoice(
    "G0000003",
    "12,000.00 EUR",
    "The provider has changed this invoice since it was imported: its total is 12,000.00 EUR now, it was 10,000.00 EUR.",
    "See line by line what is otherwise and whom it concerns, then take the new version.",
    status="Active",
)
_LAPSING = _FAILED | {"timing": "The daily job tries again until 14 Nov 2026, 2 days left."}
_ANY = {"at": "2026-11-12 06:00 UTC", "link": "https://w365.example/"}

KINDS = (
    Kind(
        "daily_summary",
        "Daily summary",
        "Once a day: which invoices came in, which failed, why, and what to do.",
        defaults.DAILY_SUMMARY,
        _ANY
        | {
            "day": "12 Nov 2026",
            "headline": "1 invoice came in since yesterday, 1 is in Error and holds up 8,100.00 EUR.",
            "held_up": "8,100.00 EUR",
            "succeeded": [_IN],
            "failed": [_FAILED],
            "changed": [_CHANGED],
            "waiting": [_invoice("M-17", "420.00 USD", "", "Look through its lines, then activate it.", status="Populating")],
            "providers": [{"provider": "streamone", "sentence": "StreamOne did not answer; try later."}],
        },
    ),
    Kind(
        "invoice_available", "Invoice available", "Once for each import that succeeds.", defaults.INVOICE_AVAILABLE, _ANY | {"invoice": _IN}
    ),
    Kind("invoice_failed", "Invoice failed", "Once for each invoice and reason.", defaults.INVOICE_FAILED, _ANY | {"invoice": _FAILED}),
    Kind(
        "invoice_changed",
        "Changed at the provider",
        "Once for each change that the provider makes to an imported invoice.",
        defaults.INVOICE_CHANGED,
        _ANY | {"invoice": _CHANGED},
    ),
    Kind(
        "retry_lapsing",
        "Retry window about to lapse",
        "Once for each failed invoice, in the last days on which the daily job tries it.",
        defaults.RETRY_LAPSING,
        _ANY | {"invoice": _LAPSING},
    ),
    Kind(
        "markup_drift",
        "Markup drift",
        "Once for each state: markups that are not those that imported usage would sell at, and usage that has none.",
        defaults.MARKUP_DRIFT,
        _ANY
        | {
            "headline": "2 subscriptions have another markup now than usage that is not invoiced yet.",
            "difference": "118.40 EUR",
            "cost": "77.10 EUR",
            "rows": [
                {
                    "customer": "Contoso & Sons",
                    "subscription": "Azure plan",
                    "markup_before": "15",
                    "markup_now": "18",
                    "cost": "3,946.67 EUR",
                    "difference": "118.40 EUR",
                }
            ],
            "blank": [{"customer": "Fabrikam", "subscription": "Azure plan", "cost": "77.10 EUR"}],
        },
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
