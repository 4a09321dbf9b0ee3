"""Does SQL read a printed charge type as `charge_types` does?"""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from w365core.charge_types import SPELLINGS, Charge, charge_of
from w365core.store import charges

PRINTED = (
    "customerCredit",
    "Customer Credit",
    "OFFSET A LINE ITEM",
    "credit",
    "Cycle fee",
    "cancel-immediate",
    "remove_quantity",
    "Credits",
    "fee",
    "",
)


@pytest.mark.parametrize("charge", list(SPELLINGS), ids=str)
def test_sql_and_python_find_the_same_charges(engine: Engine, charge: Charge) -> None:
    words = [*PRINTED, *(word for spellings in SPELLINGS.values() for word in spellings)]
    asked = text(f"select printed from unnest(cast(:words as text[])) printed where {charges.prints('printed', charge)}")
    with engine.connect() as connection:
        found = connection.execute(asked, {"words": words}).scalars().all()
    assert found == [word for word in words if charge_of(word) is charge] and found
