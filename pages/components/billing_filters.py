"""Which usage invoices is this page about?"""

from __future__ import annotations

from collections.abc import Mapping

from pages.components import url_filters
from pages.components.url_filters import Filter
from w365core.reports.usage_invoices import Wanted

_FILTERS = (
    Filter("months", "billed_in", "Invoice month", "All months"),
    Filter("customers", "billed_to", "Customer", "All customers"),
    Filter("statuses", "billed_as", "Status", "Every status"),
    Filter("currencies", "billed_currency", "Currency", "All currencies"),
)


def draw(choices: Mapping[str, Mapping[str, str]]) -> None:
    """The filters, with what there is to choose from."""
    url_filters.draw(_FILTERS, choices)


def chosen() -> Wanted:
    """What is chosen now."""
    return Wanted(**url_filters.chosen(_FILTERS))
