"""What does a provider mean by a charge type? Its spellings differ by case, blanks and generation; what is unknown is `other`, never an error.

Microsoft's new-commerce words and those of the legacy license file are known, and what people type for a manual provider.
"""

from __future__ import annotations

from enum import StrEnum

from w365core.frames import folded


class Charge(StrEnum):
    """What a line does to the seats of its window."""

    CYCLE = "cycle"  # charges the seats of a whole window
    ADD = "add"  # one half of a pair: credit of the old quantity, re-bill of the larger
    REMOVE = "remove"  # one half of a pair: credit of the old quantity, re-bill of the smaller
    CANCEL = "cancel"
    CONVERT = "convert"
    CREDIT = "credit"  # money without seats
    OTHER = "other"


SPELLINGS = {
    Charge.CYCLE: (
        *("new", "purchase", "newpurchase", "renew", "renewal", "cycle", "cyclecharge", "cyclecharges", "cyclefee", "cyclefees"),
        *("renewfee", "activationfee", "proratefeewhenrenew", "proratefeeswhenrenew", "proratefeewhenpurchase", "proratefeeswhenpurchase"),
        *("proratefeewhenactivate", "proratefeeswhenactivate", "recurring", "license", "subscription"),
    ),
    Charge.ADD: (
        "addquantity",
        "quantityadd",
        "quantityadded",
        "addseats",
        "addseat",
        "addlicenses",
        "increasequantity",
        "cycleinstanceprorate",
    ),
    Charge.REMOVE: ("removequantity", "quantityremove", "quantityremoved", "removeseats", "removeseat", "removelicenses", "reducequantity"),
    Charge.CANCEL: (
        *("cancelimmediate", "cancelimmediately", "cancel", "cancellation", "refund", "cancelfee", "cancelinstanceprorate"),
        *("proratefeewhencancel", "proratefeeswhencancel"),
    ),
    Charge.CONVERT: (
        *("convert", "conversion", "proratefeeswhenconvertawayfromcurrentoffering", "proratefeewhenconvertawayfromcurrentoffering"),
        *("proratefeeswhenconverttoanewoffering", "proratefeewhenconverttoanewoffering"),
    ),
    Charge.CREDIT: ("customercredit", "credit", "offsetalineitem"),
}
_KNOWN = {spelling: charge for charge, spellings in SPELLINGS.items() for spelling in spellings}


def charge_of(printed: str | None) -> Charge:
    """The charge that a type prints: "cycleCharge", "Cycle fee" and "New" are all of the cycle."""
    return _KNOWN.get(folded(printed or ""), Charge.OTHER)
