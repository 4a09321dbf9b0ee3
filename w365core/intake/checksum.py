"""Does this invoice hold together? Its header against its lines, its lines against the daily-rated file, and what is missing: one decision.

The tolerance judges and never changes an amount. Header = license + usage + tax + rounding + overridden, always: what is left between header and
lines is `rounding` within the default tolerance and `overridden` beyond it. Amounts in another currency than the header's are never added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from w365core import money
from w365core.intake import unusual
from w365core.intake.unusual import Breadth, Usual
from w365core.model import Failure, Feed, LineKind, MissingReference, Problem, ReferenceKind, StatusReason

CENT_PER_LINE = Decimal("0.01")  # what two files of different precision may differ by, for each daily-rated line


@dataclass(frozen=True)
class LineTotals:
    """Sums of the lines of one feed, kind and currency; `total` includes tax."""

    feed: Feed
    kind: LineKind
    currency: str
    lines: int
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    odd_totals: int = 0
    unassigned: int = 0


@dataclass(frozen=True)
class Claim:
    """What is claimed and how strictly it is checked. `tolerance` is in base currency, `override` in the invoice's."""

    currency: str
    header_total: Decimal | None
    tolerance: Decimal
    rate_to_base: Decimal | None
    override: Decimal | None = None
    daily_usage_published: bool = True
    reconciliation_usage_accepted: bool = False  # the window for daily usage has passed and a person asked for the reconciliation lines
    usual: Usual | None = None  # the months before; None where there is nothing to compare with


@dataclass(frozen=True)
class Decision:
    """What becomes of the invoice, its identity, and the sentence that says why."""

    status: StatusReason
    failure: Failure | None
    message: str
    header_total: Decimal | None
    license_total: Decimal
    usage_total: Decimal
    tax_total: Decimal
    rounding: Decimal
    overridden: Decimal
    lines_total: Decimal
    difference: Decimal
    tolerance: Decimal
    daily_rated_total: Decimal | None
    license_lines: int
    usage_lines: int
    warnings: tuple[str, ...] = field(default=())
    failures: tuple[Failure, ...] = field(default=())  # all of them; `failure` is the first


def decide(
    claim: Claim,
    totals: Sequence[LineTotals],
    missing: Sequence[MissingReference],
    problems: Sequence[Problem] = (),
    *,
    held_up: Mapping[str, Decimal] | None = None,
    breadth: Breadth | None = None,
) -> Decision:
    """The decision for one invoice out of the sums of its lines; `held_up` is by currency what the lines come to that wait on what is missing, each
    line once, and `breadth` is whom and which days they are for."""
    mine = [t for t in totals if t.currency == claim.currency.upper()]
    daily = [t for t in mine if t.feed is Feed.DAILY_RATED]
    reconciled = [t for t in mine if t.feed is not Feed.DAILY_RATED] or daily
    license_total = _sum(t.subtotal for t in reconciled if t.kind is LineKind.LICENSE)
    usage_total = _sum(t.subtotal for t in reconciled if t.kind is LineKind.USAGE)
    tax_total = _sum(t.tax for t in reconciled)
    lines_total = _sum(t.total for t in reconciled)
    header_total = lines_total if claim.header_total is None else claim.header_total
    difference = money.EXACT.subtract(header_total, lines_total)
    rest = money.EXACT.subtract(header_total, money.total((license_total, usage_total, tax_total)))
    within_default = _within(rest, claim, None)
    daily_total = _sum(t.subtotal for t in daily) if daily else None
    usage_lines = sum(t.lines for t in (daily or reconciled) if t.kind is LineKind.USAGE)

    findings = [_invalid(problems), _unresolved(missing, held_up or {}, claim.currency)]
    if not problems:  # else the sums lack the lines that cannot be read, and no override would pass
        findings += [
            _header_differs(claim, header_total, lines_total, difference),
            _daily_missing(claim, reconciled, daily),
            _daily_differs(claim, usage_total, daily_total, sum(t.lines for t in daily)) if reconciled is not daily else None,
        ]
    failed = [finding for finding in findings if finding]
    warnings = (
        *_warnings(claim, header_total, totals, missing, reconciliation_alone=daily_total is None),
        *unusual.sentences(claim.usual, breadth, header_total=header_total, currency=claim.currency),
    )
    sentences = [sentence for _, sentence in failed]
    return Decision(
        status=StatusReason.ERROR if failed else StatusReason.ACTIVE,
        failure=failed[0][0] if failed else None,
        message=" ".join([*sentences, *warnings]),
        header_total=header_total,
        license_total=license_total,
        usage_total=usage_total,
        tax_total=tax_total,
        rounding=rest if within_default else _sum(()),
        overridden=_sum(()) if within_default else rest,
        lines_total=lines_total,
        difference=difference,
        tolerance=tolerance_in_currency(claim),
        daily_rated_total=daily_total,
        license_lines=sum(t.lines for t in reconciled if t.kind is LineKind.LICENSE),
        usage_lines=usage_lines,
        warnings=warnings,
        failures=tuple(dict.fromkeys(failure for failure, _ in failed)),
    )


def gaps(
    claim: Claim,
    *,
    difference: Decimal,
    usage_total: Decimal | None,
    daily_total: Decimal | None,
    daily_lines: int,
    daily_missing: bool = False,
) -> tuple[Decimal | None, Decimal | None]:
    """What does not agree within the default tolerance, whatever an override let pass: header less lines, and usage less daily-rated usage; None where
    it does. `daily_missing`: the provider has none of the daily usage that it bills."""
    header_gap = None if _within(difference, claim, None) else difference
    if daily_total is None or usage_total is None:
        return header_gap, usage_total if daily_missing and usage_total else None
    of_usage = money.EXACT.subtract(usage_total, daily_total)
    is_shown = _within(of_usage, claim, None) or of_usage.copy_abs() <= CENT_PER_LINE * daily_lines
    return header_gap, None if is_shown else of_usage


def tolerance_in_currency(claim: Claim) -> Decimal:
    """The tolerance that this import is judged by, in the invoice's currency: the default at the stored rate, or a larger override."""
    default = claim.tolerance
    if claim.rate_to_base and claim.rate_to_base != 1:
        default = money.cut(money.EXACT.divide(claim.tolerance, claim.rate_to_base), places=4)
    return default if claim.override is None else max(default, claim.override)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, printed with at least two places."""
    return money.trimmed(money.total(amounts), least=2)


def _within(difference: Decimal, claim: Claim, override: Decimal | None) -> bool:
    """Inclusive; compared in base currency, so that no division rounds the limit, and exactly: abs() would round to 28 digits."""
    if override is not None and difference.copy_abs() <= override:
        return True
    return money.EXACT.multiply(difference.copy_abs(), claim.rate_to_base or Decimal(1)) <= claim.tolerance


Finding = tuple[Failure, str]


def _invalid(problems: Sequence[Problem]) -> Finding | None:
    if not problems:
        return None
    more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
    return (
        Failure.INVALID_DATA,
        f"Lines of the provider cannot be read: {problems[0]}{more}. Sync the invoice again; if they stay so, report them with the landed file.",
    )


def _unresolved(missing: Sequence[MissingReference], held_up: Mapping[str, Decimal], currency: str) -> Finding | None:
    blocking = _named(reference for reference in missing if reference.blocking)
    if not blocking:
        return None
    amounts = " and ".join(
        _money(amount, code) for code, amount in sorted(held_up.items(), key=lambda held: (-held[1].copy_abs(), held[0]))
    )
    if all(kind is ReferenceKind.CURRENCY and key != currency.lower() for kind, key in blocking):
        return Failure.UNRESOLVED_REFERENCES, _foreign(amounts, currency)
    counts = [(kind, sum(of_kind is kind for of_kind, _ in blocking)) for kind in ReferenceKind]
    said = ", ".join(f"{count} {kind if count == 1 else _plural(kind)}" for kind, count in counts if count)
    names = ", ".join(dict.fromkeys(list(blocking.values())[:3]))
    return (
        Failure.UNRESOLVED_REFERENCES,
        f"Our records lack {said} that the lines refer to ({names}{', …' if len(blocking) > 3 else ''}); "
        f"{amounts} of its lines wait on it, and with them the whole invoice. Add what is missing and sync again.",
    )


def _named(missing: Iterable[MissingReference]) -> dict[tuple[ReferenceKind, str], str]:
    """Each missing thing once, in whatever currencies its lines are: (kind, key in lower case) -> its name."""
    things: dict[tuple[ReferenceKind, str], str] = {}
    for reference in missing:
        things.setdefault((reference.kind, reference.key.lower()), reference.name or reference.key)
    return things


def _foreign(amounts: str, currency: str) -> str:
    return (
        f"{amounts} of its lines are in another currency than the invoice, which is in {currency}; an invoice holds lines of its own currency only, "
        "so all of it waits. Correct the invoice's currency, or ask the provider for an invoice of each, and sync again."
    )


def _plural(kind: ReferenceKind) -> str:
    return "currencies" if kind is ReferenceKind.CURRENCY else f"{kind}s"


def _header_differs(claim: Claim, header_total: Decimal, lines_total: Decimal, difference: Decimal) -> Finding | None:
    if _within(difference, claim, claim.override):
        return None
    tolerance = tolerance_in_currency(claim)
    header, lines, differs = _telling((header_total, lines_total, difference), claim.currency, beyond=tolerance)
    return (
        Failure.CHECKSUM_FAILED,
        f"The header says {header}, the lines add up to {lines}: a difference of {differs}, "
        f"more than the tolerance of {_money(tolerance, claim.currency)}. "
        f"An override tolerance of {money.override_for(difference)} would pass.",
    )


def _daily_missing(claim: Claim, reconciled: Sequence[LineTotals], daily: Sequence[LineTotals]) -> Finding | None:
    billed = [t for t in reconciled if t.kind is LineKind.USAGE]
    if daily or not billed or claim.daily_usage_published or claim.reconciliation_usage_accepted:
        return None
    amount = money.total(t.subtotal for t in billed)
    return (
        Failure.CHECKSUM_FAILED,
        f"The daily usage is not published yet (daily usage not published): the reconciliation file bills {_money(amount, claim.currency)} of "
        "usage, and the provider has no daily-rated lines for it. The daily job tries again for 15 days after the invoice was first seen.",
    )


def _daily_differs(claim: Claim, usage_total: Decimal, daily_total: Decimal | None, lines: int) -> Finding | None:
    if daily_total is None:
        return None
    difference = money.EXACT.subtract(usage_total, daily_total)
    if _within(difference, claim, claim.override) or difference.copy_abs() <= CENT_PER_LINE * lines:
        return None
    allowed = max(tolerance_in_currency(claim), CENT_PER_LINE * lines)
    billed, rated, differs = _telling((usage_total, daily_total, difference), claim.currency, beyond=allowed)
    return (
        Failure.CHECKSUM_FAILED,
        f"The reconciliation file bills {billed} of usage before tax, the daily-rated file comes to {rated}: a difference of {differs}. "
        f"An override tolerance of {money.override_for(difference)} would pass.",
    )


def _warnings(
    claim: Claim,
    header_total: Decimal,
    totals: Sequence[LineTotals],
    missing: Sequence[MissingReference],
    *,
    reconciliation_alone: bool,
) -> Iterable[str]:
    if header_total == 0:
        yield "The provider's total is 0: it may not have finished publishing this invoice; check it before relying on it."
    elif not totals:
        yield "The invoice has no lines at all."
    if claim.reconciliation_usage_accepted and reconciliation_alone and any(t.kind is LineKind.USAGE for t in totals):
        yield "The daily usage was never published; the usage lines of the reconciliation file were taken instead."
    if unassigned := sum(t.unassigned for t in totals):
        yield f"{unassigned} {'line has' if unassigned == 1 else 'lines have'} no subscription id."
    if odd := sum(t.odd_totals for t in totals):
        yield f"{odd} {'line prints a total that is' if odd == 1 else 'lines print totals that are'} not subtotal plus tax."
    if products := len(_named(reference for reference in missing if not reference.blocking)):
        said = "1 product is unknown; its" if products == 1 else f"{products} products are unknown; their"
        yield f"{said} lines are billed as write-ins."


_PLACES = 6  # more say nothing, but where a difference shows in them alone


def _telling(amounts: tuple[Decimal, ...], currency: str, *, beyond: Decimal) -> list[str]:
    """Amounts in a sentence, the last of them a difference beyond that limit: with as many digits as show that it is."""
    difference, places = amounts[-1].copy_abs(), _PLACES
    while places < money.MOST_PLACES and money.half_up(difference, places=places) <= beyond:
        places += 1
    return [_money(amount, currency, places) for amount in amounts]


def _money(amount: Decimal, currency: str, places: int = _PLACES) -> str:
    """An amount in a sentence: at least the currency's minor unit, every further digit it has up to so many, thousands in groups."""
    least = money.minor_units(currency)
    said = money.trimmed(amount, least=least)
    if -said.as_tuple().exponent > places:
        said = money.trimmed(money.half_up(said, places=places), least=least)
    return f"{said:,} {currency}"
