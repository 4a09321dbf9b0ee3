"""What does a quantity at a price come to, or a share of it, rounded once to the coin? In whole numbers, all rows at once: of the machine's where they hold it, else of
Python's, which hold everything."""

from __future__ import annotations

import numpy as np

from w365core.reconcile.columns import Maybe
from w365core.reconcile.exact import Scaled

_HELD = 2**63


def rounded(quantity: Scaled, price: Scaled, numerator: np.ndarray, denominator: np.ndarray, *, coin: int) -> Maybe:
    """`quantity` x `price` x `numerator` / `denominator` of each row, half up at the places of a `coin`, as whole numbers of it; unknown where quantity or price is."""
    known = quantity.numbers.known & price.numbers.known
    shift = quantity.scale + price.scale - coin
    up, down = 10 ** max(0, -shift), 10 ** max(0, shift)
    factors = [np.where(known, of.numbers.values, 0) for of in (quantity, price)] + [numerator]
    most = up
    for factor in factors:
        most *= int(np.abs(factor).max(initial=0))
    if 2 * (most + down * int(denominator.max(initial=1))) >= _HELD:
        factors, denominator = [factor.astype(object) for factor in factors], denominator.astype(object)
    size = factors[0] * factors[1] * factors[2] * up
    share = denominator * down
    whole = (np.abs(size) * 2 + share) // (share * 2)
    return Maybe(np.where(size < 0, -whole, whole), known)
